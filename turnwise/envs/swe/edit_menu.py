"""A closed set of actions, for agents too small to write code: look, make one of the edits offered,
run the tests, submit.

    view 2     the function that edit 2 is in, as it stands now
    apply 2    make edit 2
    undo 2     take it back
    test       run the tests that the repository has
    submit     hand in what stands there

Nothing but the edits changes anything, so the state of an episode is which of them are made, and
what the tests say of a state is found out once per process.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from turnwise.envs.swe.editor import blocks, numbered
from turnwise.envs.swe.generate.mutations import Edit, edits, sound
from turnwise.envs.swe.syntax import PythonSource, functions
from turnwise.envs.swe.tasks.task import SweTask
from turnwise.envs.swe.tasks.trees import Trees
from turnwise.envs.swe.tools import ActionResult, clip, refused
from turnwise.sandbox.contract import Result


@dataclass(frozen=True, slots=True)
class CandidateEdit:
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

    def meets(self, other: CandidateEdit) -> bool:
        """Whether both cannot be made."""
        return (
            self.path == other.path
            and self.first <= max(other.first, other.last)
            and other.first <= max(self.first, self.last)
        )


def candidate_edits(task: SweTask, trees: Trees, count: int) -> tuple[CandidateEdit, ...]:
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
    wrong: list[CandidateEdit] = []
    seen = {(c.path, c.first, c.last, c.new) for c in right}
    for made in _wrong(trees, right, rng):
        if len(right) + len(wrong) >= count:
            break
        key = (made.path, made.first, made.last, made.new)
        if key not in seen and len(made.new.splitlines()) <= 3 and made.last - made.first < 3:
            seen.add(key)
            wrong.append(made)
    return tuple(sorted((*right, *wrong), key=lambda c: (c.path, c.first, c.last, c.new)))


def apply_edits(broken: Mapping[str, bytes], chosen: Sequence[CandidateEdit]) -> dict[str, bytes]:
    """The files that change where these candidates, of which no two meet, are made."""
    made: dict[str, bytes] = {}
    for path in sorted({c.path for c in chosen}):
        lines = broken[path].decode("utf8").splitlines(keepends=True)
        for c in sorted((c for c in chosen if c.path == path), key=lambda c: c.first, reverse=True):
            lines[c.first - 1 : c.last] = [c.new]
        made[path] = "".join(lines).encode()
    return made


def function_lines(
    tree: Mapping[str, bytes], candidate: CandidateEdit, lines: int
) -> tuple[int, int]:
    """First and last line of the function a candidate is in, as it stands in `tree`, at most so
    many lines around its place.
    """
    at = candidate.first
    count = len(tree[candidate.path].splitlines())
    low, high = max(1, at - lines // 2), min(count, at + lines // 2)
    try:
        inside = [
            f
            for f, _ in functions(PythonSource(tree[candidate.path]).tree)
            if f.first <= at <= f.last
        ]
    except (ValueError, SyntaxError):
        inside = []
    return (max(low, inside[-1].first), min(high, inside[-1].last)) if inside else (low, high)


def _wrong(
    trees: Trees, right: Collection[CandidateEdit], rng: random.Random
) -> Iterator[CandidateEdit]:
    """Bugs of the broken files that are not its repair: those of the functions in question first,
    each kind in random order.
    """
    near: list[tuple[str, Edit]] = []
    far: list[tuple[str, Edit]] = []
    for path in sorted(trees.gold):
        data = trees.broken[path]
        hurt = {
            f.name
            for f, _ in functions(PythonSource(data).tree)
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


def _between(path: str, before: bytes, after: bytes, right: bool) -> list[CandidateEdit]:
    old, new = before.decode("utf8"), after.decode("utf8")
    first, second = old.splitlines(keepends=True), new.splitlines(keepends=True)
    return [
        CandidateEdit(path, a + 1, b, "".join(first[a:b]), "".join(second[c:d]), right)
        for a, b, c, d in blocks(old, new)
    ]


ACTION = re.compile(r"(view|apply|undo) ([1-9][0-9]?)|(test|submit)")
TEST_COMMAND = "python -m pytest -q --tb=no -p no:cacheprovider -rfE"
FAILED_TEST = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
COUNT = re.compile(r"(\d+) (passed|failed|errors?)\b")
ALL_PASSED = " passed, 0 failed"
MAX_NAMED_FAILURES = 4
"""Failing tests that are named."""
VIEW_LINES = 24
"""Lines of a view."""
MAX_CACHED_RESULTS = 20_000


@dataclass(frozen=True, slots=True)
class EditMenu:
    """What lies before an agent of a closed set: the repository as found, and the edits offered."""

    tree: Mapping[str, bytes]
    offered: tuple[CandidateEdit, ...]

    @property
    def listing(self) -> str:
        """The edits, a numbered line each."""
        return "\n".join(
            f"{number} {made.summary}" for number, made in enumerate(self.offered, start=1)
        )

    def files(self, made: frozenset[int]) -> dict[str, bytes]:
        """The files as they stand with these edits, of those that have changed."""
        return apply_edits(self.tree, [self.offered[number - 1] for number in sorted(made)])

    def clash(self, made: frozenset[int], number: int) -> bool:
        """Whether an edit cannot be made because of one that is."""
        return any(self.offered[number - 1].meets(self.offered[other - 1]) for other in made)

    def admissible(self, made: frozenset[int]) -> list[str]:
        """Every action that does something now."""
        numbers = range(1, len(self.offered) + 1)
        free = [n for n in numbers if n not in made and not self.clash(made, n)]
        return [
            *(f"view {n}" for n in numbers),
            *(f"apply {n}" for n in free),
            *(f"undo {n}" for n in sorted(made)),
            "test",
            "submit",
        ]

    def expert(self, made: frozenset[int]) -> str:
        """Take back what is wrong, make what is right, submit."""
        right = frozenset(n for n, candidate in enumerate(self.offered, start=1) if candidate.right)
        if made - right:
            return f"undo {min(made - right)}"
        return f"apply {min(right - made)}" if right - made else "submit"

    def search(self, made: frozenset[int], tested: Mapping[frozenset[int], str]) -> str:
        """What somebody does who does not know: try one edit after the other, then two at a time,
        until no test fails.

        Args:
            tested: what the tests have said of the edits made together so far.
        """
        if tested.get(made, "").endswith(ALL_PASSED):
            return "submit"
        numbers = range(1, len(self.offered) + 1)
        several = (frozenset(c) for size in numbers for c in itertools.combinations(numbers, size))
        possible = (c for c in several if not any(self.clash(c - {n}, n) for n in c))
        goal = next((c for c in possible if c not in tested), frozenset[int]())
        if made == goal:
            return "test" if goal else "submit"
        return f"undo {min(made - goal)}" if made - goal else f"apply {min(goal - made)}"

    def act(
        self, action: str, made: frozenset[int], limit: int, test: Callable[[], str]
    ) -> tuple[ActionResult, frozenset[int]]:
        """What comes of an action, and which edits are made after it.

        Args:
            limit: characters shown.
            test: runs the tests and says what came of them.
        """
        found = ACTION.fullmatch(action)
        if found is None or action not in self.admissible(made):
            return refused("that is none of the actions"), made
        if found[3] == "submit":
            return ActionResult("", submit=True), made
        if found[3] == "test":
            said = test()
            return ActionResult(said, said, tags=("test",)), made
        number = int(found[2])
        if found[1] == "view":
            said, clipped = clip(self._view(number, made), limit)
            return ActionResult(said, said, tags=("clipped",) * clipped), made
        after = made | {number} if found[1] == "apply" else made - {number}
        return ActionResult(f"{'made' if number in after else 'taken back'} {number}"), after

    def _view(self, number: int, made: frozenset[int]) -> str:
        candidate = self.offered[number - 1]
        tree = {**self.tree, **self.files(made)}
        # Edits before it in the same file move it.
        moved = sum(
            other.new.count("\n") - other.old.count("\n")
            for k in made
            if (other := self.offered[k - 1]).path == candidate.path
            and other.first < candidate.first
        )
        at = CandidateEdit(
            candidate.path, candidate.first + moved, candidate.last + moved, "", "", False
        )
        return numbered(tree[candidate.path].decode("utf8"), *function_lines(tree, at, VIEW_LINES))


def summarise_tests(result: Result) -> str:
    """What is said of a run of the tests: how many passed, which did not."""
    if result.error != "none":
        return f"the tests ended with {result.error}"
    counts = dict.fromkeys(("passed", "failed", "error"), 0)
    last = result.stdout.strip().rpartition("\n")[2]
    for number, what in COUNT.findall(last):
        counts[what.removesuffix("s") if what.startswith("error") else what] += int(number)
    names = [name.rpartition("::")[2] for name in FAILED_TEST.findall(result.stdout)]
    broken = counts["failed"] + counts["error"]
    more = f" and {len(names) - MAX_NAMED_FAILURES} more" if len(names) > MAX_NAMED_FAILURES else ""
    which = f": {', '.join(names[:MAX_NAMED_FAILURES])}{more}" if names else ""
    return f"{counts['passed']} passed, {broken} failed{which}"


class SuiteResultCache:
    """Answers by key, those asked for last."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, ask: Callable[[], str]) -> str:
        """What `ask` says, asked once per key."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        answer = ask()
        with self._lock:
            self._known[key] = answer
            if len(self._known) > MAX_CACHED_RESULTS:
                self._known.popitem(last=False)
        return answer


TEST_RESULTS = SuiteResultCache()
"""What the tests said of each state."""
