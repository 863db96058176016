"""Fenced code blocks in what a model writes, read line by line.

A regular expression over the whole text takes a closing fence for an opening one as soon as a block
of another kind stands before the code (SimpleTIR's runs the prose between the two). Here a block
begins at a line that ends in a run of three or more backticks and a language, and ends at the next
line that is nothing but at least as many backticks. Python is meant by `python`, `py`, `python3` in
any case, and by no language at all; any other block is passed over. Both kinds of line ending
count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LANGUAGES = frozenset({"", "python", "py", "python3"})
OPENING = re.compile(r"(?P<before>[^`]*)(?P<ticks>`{3,})[ \t]*(?P<language>[\w+#.-]*)[ \t]*\Z")
CLOSING = re.compile(r"[ \t]*(?P<ticks>`{3,})[ \t]*\Z")


@dataclass(frozen=True, slots=True)
class Block:
    """A complete block: `text[start:end]` from its opening line to the last backtick of its closing
    one.
    """

    language: str
    """In lower case."""
    code: str
    """Without the fences; lines end in `\\n`, the last one not; the indentation of the fence is
    taken off.
    """
    start: int
    end: int

    @property
    def python(self) -> bool:
        return self.language in LANGUAGES


def blocks(text: str) -> Iterator[Block]:
    """The complete blocks of `text` in their order. One that is not closed is none, and swallows
    what follows.
    """
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
        yield Block(
            opened["language"].lower(),
            _dedented(lines, opened["before"]),
            start,
            begin + closed.end("ticks"),
        )
        opened = None


def first_code(text: str) -> Block | None:
    """The first complete Python block, or None."""
    return next((block for block in blocks(text) if block.python), None)


def fenced(code: str) -> str:
    """`code` as a block: what an expert writes, and the form in which every prompt hands code to
    the environment.
    """
    ticks = "```"
    while any(
        (found := CLOSING.match(line)) and len(found["ticks"]) >= len(ticks)
        for line in code.split("\n")
    ):
        ticks += "`"
    return f"{ticks}python\n{code}\n{ticks}"


def _opening(line: str) -> re.Match[str] | None:
    """Prose may stand before a fence that says it is Python (`So: ```python`), as models write it;
    not before others.
    """
    found = OPENING.match(line)
    if found is None or (
        found["before"].strip() and found["language"].lower() not in LANGUAGES - {""}
    ):
        return None
    return found


def _dedented(lines: list[str], before: str) -> str:
    width = len(before) if not before.strip() else 0
    return "\n".join(line[min(width, len(line) - len(line.lstrip(" \t"))) :] for line in lines)
