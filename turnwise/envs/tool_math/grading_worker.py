r"""Program of a worker that compares answers by algebra. The package never imports it.

It reads JSON lines ``{"gold", "answer", "seconds"}`` from standard input and answers ``{"equal":
bool}`` or ``{"error": text}`` on standard output. The gold goes first, because math-verify's
comparison is not symmetric (``1<x<2`` accepts ``(1,2)``, not the reverse). Only LaTeX is extracted:
the fallback for plain expressions would find the 5 in "garbage 5".

Limits: address space, no core dump, no file writes, no child processes (unless the user is root),
and processor time for each comparison. The kernel enforces the last with SIGPROF, whose default
action ends the process even inside one long multiplication, and even if the parent is gone. The
environment is empty, so there is no secret to find.
"""

import json
import os
import resource
import signal
import sys

MAX_ADDRESS_BYTES = 768 << 20
"""Address space; an idle worker uses about 70 MB."""


def _limit() -> None:
    """Set the limits that the system has: macOS, for one, cannot limit address space."""
    limits = {
        "RLIMIT_AS": MAX_ADDRESS_BYTES,
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NPROC": 0,
    }
    for name, value in limits.items():
        try:
            resource.setrlimit(getattr(resource, name), (value, value))
        except (AttributeError, ValueError, OSError):
            continue


def _compare(gold: str, answer: str) -> bool:
    from math_verify import LatexExtractionConfig, parse, verify

    config = [LatexExtractionConfig()]
    # No timeouts of math-verify's: its alarms wait for C code to return, SIGPROF does not.
    parsed = [parse(f"\\boxed{{{text}}}", config, parsing_timeout=None) for text in (gold, answer)]
    return bool(verify(parsed[0], parsed[1], timeout_seconds=None))


def main() -> None:
    """Serve comparisons until standard input ends."""
    sys.path[:] = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", encoding="utf8")
    # What a library prints must not be taken for an answer.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        import logging

        logging.disable(logging.CRITICAL)
        _compare("\\frac{1}{2}", "0.5")  # warm-up: builds the parser
    except Exception as problem:
        answers.write(json.dumps({"error": f"{type(problem).__name__}: {problem}"}) + "\n")
        answers.flush()
        return
    _limit()
    answers.write(json.dumps({"ready": True}) + "\n")
    answers.flush()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for line in sys.stdin:
        asked = json.loads(line)
        signal.setitimer(signal.ITIMER_PROF, asked["seconds"])
        try:
            reply: dict[str, object] = {"equal": _compare(asked["gold"], asked["answer"])}
        except (Exception, RecursionError) as problem:
            reply = {"error": type(problem).__name__}
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
