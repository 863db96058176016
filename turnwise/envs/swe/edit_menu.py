"""Closed actions, for agents too small to write code.

They view, apply one of the edits on offer, run the tests and submit:

    view 2     show the function that edit 2 is in, in its current state
    apply 2    apply edit 2
    undo 2     take it back
    test       run the repository's tests
    submit     submit the current files

Each edit replaces a few lines of a broken file. Some of them make up the repair; the others are
bugs made by `turnwise.envs.swe.generate.mutations`, in the same function if it has enough of them,
else in the same file. The menu and its order depend on the task alone.

Only edits change files, so the set of applied edits is the state of an episode, and the tests of a
state are run once per process.
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
    """Lines of the broken file and their replacement.

    `new` replaces lines `first` to `last`, counted from 1; none if last < first.
    """

    path: str
    first: int
    last: int
    old: str
    new: str
    right: bool
    """Whether it is part of the repair."""

    @property
    def summary(self) -> str:
        """One line, such as `pocketkit/text.py:12 return a - b => return a + b`."""
        old, new = (
            " / ".join(line.strip() for line in text.splitlines()) or "nothing"
            for text in (self.old, self.new)
        )
        return f"{self.path}:{self.first} {old} => {new}"

    def overlaps(self, other: CandidateEdit) -> bool:
        """Return whether the two edits cannot both be applied."""
        return (
            self.path == other.path
            and self.first <= max(other.first, other.last)
            and other.first <= max(self.first, self.last)
        )


def candidate_edits(task: SweTask, trees: Trees, count: int) -> tuple[CandidateEdit, ...]:
    """Return the candidate edits of a task, ordered by position.

    There are `count` of them, more if the repair alone takes more, and fewer if the files do not
    allow enough wrong ones.
    """
    right = [
        edit
        for path in sorted(trees.gold)
        for edit in _between(path, trees.broken[path], trees.gold[path], right=True)
    ]
    drawn = hashlib.sha256(f"candidates {task.id} {task.sha256}".encode()).digest()
    rng = random.Random(int.from_bytes(drawn[:8], "big"))
    wrong: list[CandidateEdit] = []
    seen = {(c.path, c.first, c.last, c.new) for c in right}
    for edit in _wrong(trees, right, rng):
        if len(right) + len(wrong) >= count:
            break
        key = (edit.path, edit.first, edit.last, edit.new)
        if key not in seen and len(edit.new.splitlines()) <= 3 and edit.last - edit.first < 3:
            seen.add(key)
            wrong.append(edit)
    return tuple(sorted((*right, *wrong), key=lambda c: (c.path, c.first, c.last, c.new)))


def apply_edits(broken: Mapping[str, bytes], chosen: Sequence[CandidateEdit]) -> dict[str, bytes]:
    """Return the files changed by a set of edits, of which no two overlap: path -> new content."""
    files: dict[str, bytes] = {}
    for path in sorted({c.path for c in chosen}):
        lines = broken[path].decode("utf8").splitlines(keepends=True)
        for c in sorted((c for c in chosen if c.path == path), key=lambda c: c.first, reverse=True):
            lines[c.first - 1 : c.last] = [c.new]
        files[path] = "".join(lines).encode()
    return files


def function_lines(
    tree: Mapping[str, bytes], candidate: CandidateEdit, lines: int
) -> tuple[int, int]:
    """Return the first and last line of the function an edit is in.

    At most `lines` around the edit.
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
    """Yield edits that do not belong to the repair.

    Those of the broken functions come first; each group is shuffled.
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
        candidates = _between(path, data, changed, right=False)
        if len(candidates) == 1 and sound(data, edit):
            yield candidates[0]


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
"""Failing tests that are named in a summary."""
VIEW_LINES = 24
"""Lines that `view` shows."""
MAX_CACHED_RESULTS = 20_000
"""Test summaries kept per process."""


@dataclass(frozen=True, slots=True)
class EditMenu:
    """The repository as the agent finds it, and the edits on offer."""

    tree: Mapping[str, bytes]
    offered: tuple[CandidateEdit, ...]

    @property
    def listing(self) -> str:
        """The edits, one numbered line each."""
        return "\n".join(
            f"{number} {edit.summary}" for number, edit in enumerate(self.offered, start=1)
        )

    def files(self, applied: frozenset[int]) -> dict[str, bytes]:
        """Return the changed files after a set of edits."""
        return apply_edits(self.tree, [self.offered[number - 1] for number in sorted(applied)])

    def clash(self, applied: frozenset[int], number: int) -> bool:
        """Return whether an edit overlaps one that is applied."""
        return any(self.offered[number - 1].overlaps(self.offered[other - 1]) for other in applied)

    def admissible(self, applied: frozenset[int]) -> list[str]:
        """Return the actions that are valid now."""
        numbers = range(1, len(self.offered) + 1)
        free = [n for n in numbers if n not in applied and not self.clash(applied, n)]
        return [
            *(f"view {n}" for n in numbers),
            *(f"apply {n}" for n in free),
            *(f"undo {n}" for n in sorted(applied)),
            "test",
            "submit",
        ]

    def expert(self, applied: frozenset[int]) -> str:
        """Return the next action of the expert: undo wrong edits, apply right ones, submit."""
        right = frozenset(n for n, candidate in enumerate(self.offered, start=1) if candidate.right)
        if applied - right:
            return f"undo {min(applied - right)}"
        return f"apply {min(right - applied)}" if right - applied else "submit"

    def search(self, applied: frozenset[int], tested: Mapping[frozenset[int], str]) -> str:
        """Return the next action of a search that does not know the repair.

        It tries single edits, then pairs and so on, until no test fails.

        Args:
            tested: test summaries of the sets of edits tested so far.
        """
        if tested.get(applied, "").endswith(ALL_PASSED):
            return "submit"
        numbers = range(1, len(self.offered) + 1)
        several = (frozenset(c) for size in numbers for c in itertools.combinations(numbers, size))
        possible = (c for c in several if not any(self.clash(c - {n}, n) for n in c))
        goal = next((c for c in possible if c not in tested), frozenset[int]())
        if applied == goal:
            return "test" if goal else "submit"
        return f"undo {min(applied - goal)}" if applied - goal else f"apply {min(goal - applied)}"

    def act(
        self, action: str, applied: frozenset[int], limit: int, test: Callable[[], str]
    ) -> tuple[ActionResult, frozenset[int]]:
        """Perform an action; return its result and the set of edits applied after it.

        Args:
            limit: characters of output shown.
            test: runs the tests and returns their summary.
        """
        found = ACTION.fullmatch(action)
        if found is None or action not in self.admissible(applied):
            return refused("that is none of the actions"), applied
        if found[3] == "submit":
            return ActionResult("", submit=True), applied
        if found[3] == "test":
            summary = test()
            return ActionResult(summary, summary, tags=("test",)), applied
        number = int(found[2])
        if found[1] == "view":
            text, clipped = clip(self._view(number, applied), limit)
            return ActionResult(text, text, tags=("clipped",) * clipped), applied
        after = applied | {number} if found[1] == "apply" else applied - {number}
        return ActionResult(f"{'made' if number in after else 'taken back'} {number}"), after

    def _view(self, number: int, applied: frozenset[int]) -> str:
        candidate = self.offered[number - 1]
        tree = {**self.tree, **self.files(applied)}
        # Applied edits above it in the same file shift its lines.
        moved = sum(
            other.new.count("\n") - other.old.count("\n")
            for k in applied
            if (other := self.offered[k - 1]).path == candidate.path
            and other.first < candidate.first
        )
        at = CandidateEdit(
            candidate.path, candidate.first + moved, candidate.last + moved, "", "", False
        )
        return numbered(tree[candidate.path].decode("utf8"), *function_lines(tree, at, VIEW_LINES))


def summarise_tests(result: Result) -> str:
    """Summarise a test run in one line: how many tests passed, how many failed and which."""
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
    """Thread-safe LRU cache of test summaries."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, run: Callable[[], str]) -> str:
        """Return the summary stored under `key`, or the result of `run`, which is then stored."""
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        answer = run()
        with self._lock:
            self._known[key] = answer
            if len(self._known) > MAX_CACHED_RESULTS:
                self._known.popitem(last=False)
        return answer


TEST_RESULTS = SuiteResultCache()
"""Summaries by task, applied edits and time limit."""
