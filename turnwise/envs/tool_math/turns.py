"""Turns: read what a model writes, and show it what its code printed.

A turn goes up to and including its first complete Python block (SimpleTIR, arXiv 2509.02479,
section 3); the rest is ignored. A ``\\boxed{`` outside the code makes it an answer, even if the box
is never closed. A turn with neither is *void*: prose alone, a fence that is not closed, a reply
that was cut off.

Fences are read line by line, because a regular expression over the whole text takes a closing fence
for an opening one as soon as a block of another kind precedes the code (SimpleTIR's runs the prose
between the two). A block begins at a line that ends in three or more backticks and a language, and
ends at the next line of nothing but at least as many backticks. Python is `python`, `py`, `python3`
in any case, or no language; other blocks are skipped. Both kinds of line ending are understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from turnwise.sandbox.contract import Result

BOX = "\\boxed{"


@dataclass(frozen=True, slots=True)
class ParsedTurn:
    """One turn of a model."""

    code: str | None
    """The first complete block."""
    answer: str | None
    """The text with the boxed answer; None if there is no box."""
    end: int
    """End of the turn in the text: after the block, or at the end of the text."""
    cut: bool
    """Whether more than blanks follows the block."""

    @property
    def void(self) -> bool:
        """Whether there is neither code nor an answer."""
        return self.code is None and self.answer is None


def read_turn(text: str) -> ParsedTurn:
    """Parse a turn. Never raises."""
    block = first_code(text)
    if block is None:
        return ParsedTurn(None, text if BOX in text else None, len(text), cut=False)
    prose = text[: block.start]
    answer = prose if BOX in prose else None
    return ParsedTurn(block.code, answer, block.end, cut=bool(text[block.end :].strip()))


# Fenced blocks
# -------------

PYTHON_LANGUAGES = frozenset({"", "python", "py", "python3"})
OPENING = re.compile(r"(?P<before>[^`]*)(?P<ticks>`{3,})[ \t]*(?P<language>[\w+#.-]*)[ \t]*\Z")
CLOSING = re.compile(r"[ \t]*(?P<ticks>`{3,})[ \t]*\Z")


@dataclass(frozen=True, slots=True)
class Block:
    """A complete block: `text[start:end]`, from its opening line to its last closing backtick."""

    language: str
    """In lower case."""
    code: str
    """Without the fences and their indentation; lines end in `\\n`, except the last."""
    start: int
    end: int

    @property
    def python(self) -> bool:
        """Whether its language is Python."""
        return self.language in PYTHON_LANGUAGES


def blocks(text: str) -> Iterator[Block]:
    """Yield the complete blocks of a text. A block that is not closed swallows what follows."""
    opened: re.Match[str] | None = None
    lines: list[str] = []
    place = start = 0
    for line in text.split("\n"):
        begin, place = place, place + len(line) + 1
        line = line.removesuffix("\r")
        if opened is None:
            opened, start, lines = _opening(line), begin, []
            continue
        closed = CLOSING.match(line)
        if closed is None or len(closed["ticks"]) < len(opened["ticks"]):
            lines.append(line)
            continue
        code = _dedented(lines, opened["before"])
        yield Block(opened["language"].lower(), code, start, begin + closed.end("ticks"))
        opened = None


def first_code(text: str) -> Block | None:
    """Return the first complete Python block, or None."""
    return next((block for block in blocks(text) if block.python), None)


def fenced(code: str) -> str:
    """Return code as a block, the form in which experts and prompts pass it to the environment."""
    ticks = "```"
    while any(
        (found := CLOSING.match(line)) and len(found["ticks"]) >= len(ticks)
        for line in code.split("\n")
    ):
        ticks += "`"
    return f"{ticks}python\n{code}\n{ticks}"


def _opening(line: str) -> re.Match[str] | None:
    """Match an opening fence. Prose may precede one that says Python (`So: ```python`)."""
    found = OPENING.match(line)
    if found is None:
        return None
    named_python = found["language"].lower() in PYTHON_LANGUAGES - {""}
    return None if found["before"].strip() and not named_python else found


def _dedented(lines: list[str], before: str) -> str:
    width = len(before) if not before.strip() else 0
    return "\n".join(line[min(width, len(line) - len(line.lstrip(" \t"))) :] for line in lines)


# Output
# ------
# Head and tail are kept, as SimpleTIR does (256 and 256 characters), with a line between them that
# says how much is missing. Of a traceback the last line is shown, which names the error. Unlike in
# SimpleTIR, output before an error stays, and warnings on stderr do not replace the result.

ENDINGS = {
    "timeout": "TimeoutError: the code ran longer than {seconds:g} s and was stopped",
    "memory": "MemoryError: the code used more memory than it may",
    "output": "OSError: the code wrote more output than it may",
    "died": "SystemExit: the code ended its interpreter",
}
LOST = "; variables are lost"
MAX_ERROR_CHARS = 200
"""Characters kept of an error's line."""


@dataclass(frozen=True, slots=True)
class CallOutput:
    """Output of a block as the model sees it."""

    text: str
    clipped: bool


def clip(text: str, limit: int) -> CallOutput:
    """Return a text, or its first and last `limit // 2` characters."""
    if len(text) <= limit:
        return CallOutput(text, clipped=False)
    head, tail = text[: limit - limit // 2], text[len(text) - limit // 2 :]
    left_out = f"[{len(text) - limit} characters left out]"
    return CallOutput(f"{head}\n{left_out}\n{tail}", clipped=True)


def call_output(result: Result, limit: int, seconds: float, stateful: bool) -> CallOutput:
    """Return what the model is shown of a result.

    Args:
        result: of one block.
        limit: characters of stdout.
        seconds: the time limit, named if it was exceeded.
        stateful: whether to say that variables are lost if the interpreter did not survive.
    """
    printed = clip(result.stdout.strip("\n"), limit)
    parts = [printed.text] if printed.text else []
    if result.error == "exception":
        lines = result.stderr.strip().splitlines()
        parts.append(lines[-1][:MAX_ERROR_CHARS] if lines else "Exception")
    elif result.error != "none":
        parts.append(ENDINGS[result.error].format(seconds=seconds) + (LOST if stateful else ""))
    return CallOutput("\n".join(parts), printed.clipped or result.truncated)
