"""What the model is shown of a call: its output, clipped, and one line about what went wrong.

Head and tail are kept, as SimpleTIR does (256 and 256 characters), with a line between them that
says how much is missing. Of a traceback the last line is shown: it names the error, and the rest is
frames of the interpreter. Unlike there, what was printed before an error stays, and warnings on
stderr do not replace the result.
"""

from __future__ import annotations

from dataclasses import dataclass

from turnwise.sandbox.contract import Result

ENDINGS = {
    "timeout": "TimeoutError: the code ran longer than {seconds:g} s and was stopped",
    "memory": "MemoryError: the code used more memory than it may",
    "output": "OSError: the code wrote more output than it may",
    "died": "SystemExit: the code ended its interpreter",
}
LOST = "; variables are lost"
LINE = 200
"""Characters kept of an error's line."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A call as the model sees it."""

    text: str
    clipped: bool


def clip(text: str, limit: int) -> Shown:
    """`text`, or its first and last `limit // 2` characters."""
    if len(text) <= limit:
        return Shown(text, clipped=False)
    head, tail = text[: limit - limit // 2], text[len(text) - limit // 2 :]
    return Shown(f"{head}\n[{len(text) - limit} characters left out]\n{tail}", clipped=True)


def shown(result: Result, limit: int, seconds: float, stateful: bool) -> Shown:
    """What is shown of `result`.

    Args:
        limit: characters of stdout.
        seconds: the time limit, named where it was passed.
        stateful: say that variables are lost when the interpreter did not survive.
    """
    printed = clip(result.stdout.strip("\n"), limit)
    parts = [printed.text] if printed.text else []
    if result.error == "exception":
        lines = result.stderr.strip().splitlines()
        parts.append(lines[-1][:LINE] if lines else "Exception")
    elif result.error != "none":
        parts.append(ENDINGS[result.error].format(seconds=seconds) + (LOST if stateful else ""))
    return Shown("\n".join(parts), printed.clipped or result.truncated)
