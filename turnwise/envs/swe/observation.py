"""What an agent is shown of a command: its exit code and its output, the middle left out where it
is long.

A transcript must come out the same when it is replayed, so what differs from run to run although
nothing does is written in one way: durations that test runners print, and addresses in the names of
objects.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from turnwise.sandbox.contract import Result

DURATION = re.compile(r"\b(in|after) \d+\.\d+ ?s(econds)?\b(?: \(\d+:\d\d:\d\d\))?")
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]{6,}(?=[>,)\s])")
ENDINGS = {
    "timeout": "stopped after {seconds:g} s; the shell was restarted in /work",
    "memory": "killed: it used more memory than it may; the shell was restarted in /work",
    "output": "killed: it wrote more than it may; the shell was restarted in /work",
    "died": "the shell ended; it was restarted in /work",
    "exception": "the command raised",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A command as the agent sees it."""

    text: str
    """Exit code, or why there is none, and output."""
    output: str
    """The output alone, clipped."""
    exit_code: int | None
    clipped: bool


def steady(text: str) -> str:
    """`text` without durations and addresses: `in 0.12s` is `in 0.00s`, `<X at 0x7f03…>` is `<X at
    0x0>`.
    """
    return ADDRESS.sub(" at 0x0", DURATION.sub(r"\1 0.00s", text))


def clip(text: str, limit: int) -> tuple[str, bool]:
    """`text`, or its first and last `limit // 2` characters around a line that says how many are
    missing.
    """
    if len(text) <= limit:
        return text, False
    head, tail = text[: limit - limit // 2], text[len(text) - limit // 2 :]
    return f"{head}\n[{len(text) - limit} characters left out]\n{tail}", True


def shown(result: Result, limit: int, seconds: float) -> Shown:
    """What is shown of `result`.

    Args:
        limit: characters of output.
        seconds: the time limit, named where it was passed.
    """
    written = (result.late + result.stdout + result.stderr).rstrip("\n")
    output, clipped = clip(steady(written), limit)
    if result.error == "none":
        head = f"exit code {result.exit_code}"
    else:
        head = ENDINGS[result.error].format(seconds=seconds)
    return Shown(
        f"{head}\n{output}" if output else head,
        output,
        result.exit_code,
        clipped or result.truncated,
    )
