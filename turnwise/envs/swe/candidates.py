"""Repairs to choose from: the edits that make a broken repository whole, among others that do not.

For agents too small to write code. Every candidate replaces a few lines of the broken file; the
wrong ones are bugs of the kinds that `turnwise.envs.swe.mutate` makes, in the same function where
it has enough of them, else in the same file. Which candidates there are and in what order depends
on the task alone.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from turnwise.envs.swe.editor import blocks
from turnwise.envs.swe.materialise import Trees
from turnwise.envs.swe.mutate import Edit, edits, functions, sound
from turnwise.envs.swe.mutate.site import Source
from turnwise.envs.swe.task import SweTask


@dataclass(frozen=True, slots=True)
class Candidate:
    """Lines `first` to `last` of the broken file (from 1; empty where last < first) replaced by
    `new`.
    """

    path: str
    first: int
    last: int
    old: str
    new: str
    right: bool
    """Part of the repair."""

    @property
    def summary(self) -> str:
        """One line, such as `pocketkit/text.py:12 return a - b => return a + b`."""
        old, new = (
            " / ".join(line.strip() for line in text.splitlines()) or "nothing"
            for text in (self.old, self.new)
        )
        return f"{self.path}:{self.first} {old} => {new}"

    def meets(self, other: Candidate) -> bool:
        """Whether both cannot be made."""
        return (
            self.path == other.path
            and self.first <= max(other.first, other.last)
            and other.first <= max(self.first, self.last)
        )


def candidates(task: SweTask, trees: Trees, count: int) -> tuple[Candidate, ...]:
    """`count` candidates of a task in the order of their places, or more where the repair itself
    has more.

    Fewer wrong ones where the files do not give enough.
    """
    right = [
        made
        for path in sorted(trees.gold)
        for made in _between(path, trees.broken[path], trees.gold[path], right=True)
    ]
    drawn = hashlib.sha256(f"candidates {task.id} {task.sha256}".encode()).digest()
    rng = random.Random(int.from_bytes(drawn[:8], "big"))
    wrong: list[Candidate] = []
    seen = {(c.path, c.first, c.last, c.new) for c in right}
    for made in _wrong(trees, right, rng):
        if len(right) + len(wrong) >= count:
            break
        key = (made.path, made.first, made.last, made.new)
        if key not in seen and len(made.new.splitlines()) <= 3 and made.last - made.first < 3:
            seen.add(key)
            wrong.append(made)
    return tuple(sorted((*right, *wrong), key=lambda c: (c.path, c.first, c.last, c.new)))


def apply(broken: Mapping[str, bytes], chosen: Sequence[Candidate]) -> dict[str, bytes]:
    """The files that change where these candidates, of which no two meet, are made."""
    made: dict[str, bytes] = {}
    for path in sorted({c.path for c in chosen}):
        lines = broken[path].decode("utf8").splitlines(keepends=True)
        for c in sorted((c for c in chosen if c.path == path), key=lambda c: c.first, reverse=True):
            lines[c.first - 1 : c.last] = [c.new]
        made[path] = "".join(lines).encode()
    return made


def around(tree: Mapping[str, bytes], candidate: Candidate, lines: int) -> tuple[int, int]:
    """First and last line of the function a candidate is in, as it stands in `tree`, at most so
    many lines around its place.
    """
    at = candidate.first
    count = len(tree[candidate.path].splitlines())
    low, high = max(1, at - lines // 2), min(count, at + lines // 2)
    try:
        inside = [
            f for f, _ in functions(Source(tree[candidate.path]).tree) if f.first <= at <= f.last
        ]
    except (ValueError, SyntaxError):
        inside = []
    return (max(low, inside[-1].first), min(high, inside[-1].last)) if inside else (low, high)


def _wrong(trees: Trees, right: Collection[Candidate], rng: random.Random) -> Iterator[Candidate]:
    """Bugs of the broken files that are not its repair: those of the functions in question first,
    each kind in random order.
    """
    near: list[tuple[str, Edit]] = []
    far: list[tuple[str, Edit]] = []
    for path in sorted(trees.gold):
        data = trees.broken[path]
        hurt = {
            f.name
            for f, _ in functions(Source(data).tree)
            for c in right
            if c.path == path and f.first <= c.first <= f.last
        }
        for edit in edits(data):
            (near if edit.function.name in hurt else far).append((path, edit))
    rng.shuffle(near)
    rng.shuffle(far)
    for path, edit in (*near, *far):
        data = trees.broken[path]
        changed = data[: edit.start] + edit.after + data[edit.end :]
        if edit.operator == "body_removed" or changed == trees.gold[path]:
            continue
        made = _between(path, data, changed, right=False)
        if len(made) == 1 and sound(data, edit):
            yield made[0]


def _between(path: str, before: bytes, after: bytes, right: bool) -> list[Candidate]:
    old, new = before.decode("utf8"), after.decode("utf8")
    first, second = old.splitlines(keepends=True), new.splitlines(keepends=True)
    return [
        Candidate(path, a + 1, b, "".join(first[a:b]), "".join(second[c:d]), right) for a, b, c, d in blocks(old, new)
    ]  # fmt: skip
