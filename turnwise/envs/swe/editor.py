"""Text edits: replace a piece of a file that occurs exactly once, and diffs in that form."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Hunk:
    """Replacement of whole lines.

    `old` occurs in the file exactly once unless the file is empty.
    """

    old: str
    new: str
    line: int
    """First line of `old`, from 1."""


class EditError(ValueError):
    """An edit that cannot be made; the message is shown to the agent."""


def replace_once(text: str, old: str, new: str) -> str:
    """Replace `old`, which must occur in `text` exactly once. Raises `EditError` otherwise."""
    count = text.count(old) if old else 0
    if count == 0:
        raise EditError("the old text does not stand in the file; blanks and line breaks count")
    if count > 1:
        raise EditError(
            f"the old text stands in the file {count} times; take more of its lines, so that "
            "it is the only one"
        )
    return text.replace(old, new, 1)


def numbered(text: str, first: int, last: int) -> str:
    """Return lines `first` to `last` with their numbers."""
    lines = text.splitlines()
    return "\n".join(
        f"{number:>5} {line}"
        for number, line in enumerate(lines, start=1)
        if first <= number <= last
    )


def blocks(before: str, after: str) -> list[tuple[int, int, int, int]]:
    """Return the blocks in which two texts differ.

    Lines a to b of the first against c to d of the second, from 0.
    """
    matcher = difflib.SequenceMatcher(
        None, before.splitlines(keepends=True), after.splitlines(keepends=True), autojunk=False
    )
    return [(a, b, c, d) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"]


def hunks(before: str, after: str) -> list[Hunk]:
    """Return the edits that turn `before` into `after`, to be applied in order.

    Each takes in as many surrounding lines as it needs to be unique; hunks that then touch are
    merged.
    """
    first, second = before.splitlines(keepends=True), after.splitlines(keepends=True)
    spans = blocks(before, after)
    while True:
        grown = [_grown(span, first, len(second), before) for span in spans]
        merged: list[tuple[int, int, int, int]] = []
        for span in grown:
            if merged and span[0] <= merged[-1][1]:
                last = merged.pop()
                span = (last[0], max(last[1], span[1]), last[2], max(last[3], span[3]))
            merged.append(span)
        if merged == spans:
            break
        spans = merged
    found = [Hunk("".join(first[a:b]), "".join(second[c:d]), a + 1) for a, b, c, d in spans]
    return found if _applies(before, after, found) else [Hunk(before, after, 1)]


def _grown(
    span: tuple[int, int, int, int], lines: list[str], length: int, text: str
) -> tuple[int, int, int, int]:
    """Extend a span until the text it replaces occurs exactly once."""
    a, b, c, d = span
    while text.count("".join(lines[a:b])) != 1 or a == b:
        up, down = a > 0 and c > 0, b < len(lines) and d < length
        if not up and not down:
            break
        if up:
            a, c = a - 1, c - 1
        if down:
            b, d = b + 1, d + 1
    return a, b, c, d


def _applies(before: str, after: str, edits: list[Hunk]) -> bool:
    """Return whether the hunks, applied in order, give `after` and do not overlap."""
    if any(x.line + x.old.count("\n") > y.line for x, y in pairwise(edits)):
        return False
    try:
        for hunk in edits:
            before = replace_once(before, hunk.old, hunk.new)
    except EditError:
        return False
    return before == after
