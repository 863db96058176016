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

import itertools
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from turnwise.envs.swe.candidates import Candidate, apply, around
from turnwise.envs.swe.editor import numbered
from turnwise.envs.swe.observation import clip
from turnwise.envs.swe.tools import Seen, refused
from turnwise.sandbox.contract import Result

ACTION = re.compile(r"(view|apply|undo) ([1-9][0-9]?)|(test|submit)")
TEST = "python -m pytest -q --tb=no -p no:cacheprovider -rfE"
BROKEN = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
COUNT = re.compile(r"(\d+) (passed|failed|errors?)\b")
PASSING = " passed, 0 failed"
NAMED = 4
"""Failing tests that are named."""
VIEWED = 24
"""Lines of a view."""
KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Desk:
    """What lies before an agent of a closed set: the repository as found, and the edits offered."""

    tree: Mapping[str, bytes]
    offered: tuple[Candidate, ...]

    @property
    def listing(self) -> str:
        """The edits, a numbered line each."""
        return "\n".join(
            f"{number} {made.summary}" for number, made in enumerate(self.offered, start=1)
        )

    def files(self, made: frozenset[int]) -> dict[str, bytes]:
        """The files as they stand with these edits, of those that have changed."""
        return apply(self.tree, [self.offered[number - 1] for number in sorted(made)])

    def clash(self, made: frozenset[int], number: int) -> bool:
        """Whether an edit cannot be made because of one that is."""
        return any(self.offered[number - 1].meets(self.offered[other - 1]) for other in made)

    def admissible(self, made: frozenset[int]) -> list[str]:
        """Every action that does something now."""
        numbers = range(1, len(self.offered) + 1)
        free = [n for n in numbers if n not in made and not self.clash(made, n)]
        return [
            *(f"view {n}" for n in numbers), *(f"apply {n}" for n in free), *(f"undo {n}" for n in sorted(made)), "test", "submit",
        ]  # fmt: skip

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
        if tested.get(made, "").endswith(PASSING):
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
    ) -> tuple[Seen, frozenset[int]]:
        """What comes of an action, and which edits are made after it.

        Args:
            limit: characters shown.
            test: runs the tests and says what came of them.
        """
        found = ACTION.fullmatch(action)
        if found is None or action not in self.admissible(made):
            return refused("that is none of the actions"), made
        if found[3] == "submit":
            return Seen("", submit=True), made
        if found[3] == "test":
            said = test()
            return Seen(said, said, tags=("test",)), made
        number = int(found[2])
        if found[1] == "view":
            said, clipped = clip(self._view(number, made), limit)
            return Seen(said, said, tags=("clipped",) * clipped), made
        after = made | {number} if found[1] == "apply" else made - {number}
        return Seen(f"{'made' if number in after else 'taken back'} {number}"), after

    def _view(self, number: int, made: frozenset[int]) -> str:
        candidate = self.offered[number - 1]
        tree = {**self.tree, **self.files(made)}
        # Edits before it in the same file move it.
        moved = sum(
            other.new.count("\n") - other.old.count("\n")
            for k in made if (other := self.offered[k - 1]).path == candidate.path and other.first < candidate.first
        )  # fmt: skip
        at = Candidate(
            candidate.path, candidate.first + moved, candidate.last + moved, "", "", False
        )
        return numbered(tree[candidate.path].decode("utf8"), *around(tree, at, VIEWED))


def told(result: Result) -> str:
    """What is said of a run of the tests: how many passed, which did not."""
    if result.error != "none":
        return f"the tests ended with {result.error}"
    counts = dict.fromkeys(("passed", "failed", "error"), 0)
    last = result.stdout.strip().rpartition("\n")[2]
    for number, what in COUNT.findall(last):
        counts[what.removesuffix("s") if what.startswith("error") else what] += int(number)
    names = [name.rpartition("::")[2] for name in BROKEN.findall(result.stdout)]
    broken = counts["failed"] + counts["error"]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    which = f": {', '.join(names[:NAMED])}{more}" if names else ""
    return f"{counts['passed']} passed, {broken} failed{which}"


class Remembered:
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
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return answer


RUNS = Remembered()
"""What the tests said of each state."""
