"""Edits of text as agents make them: a piece that stands in a file exactly once, replaced by
another.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Hunk:
    """Whole lines of a file to be replaced. `old` stands in the file exactly once, unless the file
    is empty.
    """

    old: str
    new: str
    line: int
    """Where `old` begins, from 1."""


class EditError(ValueError):
    """Why an edit cannot be made, in words for the agent."""


def replace_once(text: str, old: str, new: str) -> str:
    """`text` with `old`, which must stand in it exactly once, replaced. Raises `EditError`
    otherwise.
    """
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
    """Lines `first` to `last`, each after its number."""
    lines = text.splitlines()
    return "\n".join(
        f"{number:>5} {line}"
        for number, line in enumerate(lines, start=1)
        if first <= number <= last
    )


def blocks(before: str, after: str) -> list[tuple[int, int, int, int]]:
    """Where two texts differ: lines `a` to `b` of the first stand for lines `c` to `d` of the
    second, counted from 0.
    """
    matcher = difflib.SequenceMatcher(
        None, before.splitlines(keepends=True), after.splitlines(keepends=True), autojunk=False
    )
    return [(a, b, c, d) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"]


def hunks(before: str, after: str) -> list[Hunk]:
    """Edits that make `before` into `after`, to be made one after the other in the order given.

    Each takes as many lines around it as it needs to be the only one of its kind; those that then
    meet are one.
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
    made = [Hunk("".join(first[a:b]), "".join(second[c:d]), a + 1) for a, b, c, d in spans]
    return made if _applies(before, after, made) else [Hunk(before, after, 1)]


def _grown(
    span: tuple[int, int, int, int], lines: list[str], length: int, text: str
) -> tuple[int, int, int, int]:
    """A span with lines before and after it, until what it replaces stands in the text once."""
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


def _applies(before: str, after: str, made: list[Hunk]) -> bool:
    """Whether the edits, made in turn, give what they should; and none of them meets another."""
    if any(x.line + x.old.count("\n") > y.line for x, y in pairwise(made)):
        return False
    try:
        for hunk in made:
            before = replace_once(before, hunk.old, hunk.new)
    except EditError:
        return False
    return before == after
