r"""The process in which answers are compared by algebra: run as a program, never imported by the
package.

It reads JSON lines ``{"gold", "answer", "seconds"}`` from standard input and answers ``{"equal":
bool}`` or ``{"error": text}`` on standard output, the gold first because math-verify's comparison
is not symmetric (``1<x<2`` accepts ``(1,2)``, not the reverse). Only LaTeX extraction is used: the
fallback for plain expressions would find the 5 in "garbage 5".

What holds it: an address-space limit, no core, no file larger than nothing, no child processes
where the user is not root, and a limit of processor time for each comparison that the kernel
enforces with SIGPROF, whose default action ends the process even in the middle of one long
multiplication, and even when the parent is gone. It holds no secret: it starts in an empty
environment.
"""

import json
import os
import resource
import signal
import sys

MEMORY = 768 << 20
"""Bytes of address space; an idle worker has about 70 MB."""


def _limit() -> None:
    """Give up what a comparison has no use for. macOS cannot limit address space; the processor
    limit holds there too.
    """
    limits = {"RLIMIT_AS": MEMORY, "RLIMIT_CORE": 0, "RLIMIT_FSIZE": 0, "RLIMIT_NPROC": 0}
    for name, value in limits.items():
        try:
            resource.setrlimit(getattr(resource, name), (value, value))
        except (AttributeError, ValueError, OSError):
            continue


def _compare(gold: str, answer: str) -> bool:
    from math_verify import LatexExtractionConfig, parse, verify

    config = [LatexExtractionConfig()]
    # math-verify's own alarms are off (None): this process has a limit that C code cannot outlast.
    parsed = [parse(f"\\boxed{{{text}}}", config, parsing_timeout=None) for text in (gold, answer)]
    return bool(verify(parsed[0], parsed[1], timeout_seconds=None))


def main() -> None:
    """Serve until standard input ends."""
    sys.path[:] = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", encoding="utf8")
    # Nothing that a library prints may be taken for an answer.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        import logging

        logging.disable(logging.CRITICAL)
        _compare("\\frac{1}{2}", "0.5")  # warm: the first comparison builds the parser
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
