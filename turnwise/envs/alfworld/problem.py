"""What a game file's PDDL problem says: facts that hold at the start, by predicate, the goal, and
readable names.

Only the form that ALFWorld writes is read: `(predicate id id ...)` in `:init`, everything in lower
case. Ids are THOR's, such as `CounterTop|+00.10|...` with the bars and signs spelled out; order
among ids is the order of these raw strings.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from turnwise.errors import DataError

_FACT = re.compile(r"\(([a-z]+)((?: [^\s()=]+)+)\s*\)")
SIGNS = {"_minus_": "-", "_plus_": "+", "_dot_": ".", "_comma_": ","}


@dataclass(frozen=True, slots=True)
class Problem:
    """A PDDL problem."""

    facts: dict[str, list[tuple[str, ...]]]
    """The arguments of every initial fact, by predicate; a predicate without facts is absent."""
    goal: str
    """The text from `(:goal` on, in lower case."""

    def pairs(self, predicate: str) -> list[tuple[str, str]]:
        """Facts of two arguments. Raises `DataError` where one has another number."""
        found = self.facts.get(predicate, [])
        if any(len(arguments) != 2 for arguments in found):
            raise DataError(
                f"the problem has a fact ({predicate} ...) that does not have two arguments"
            )
        return [(one, two) for one, two in found]

    def those(self, predicate: str) -> frozenset[str]:
        """Ids of which `predicate` holds."""
        return frozenset(arguments[0] for arguments in self.facts.get(predicate, []))

    def ids(self) -> set[str]:
        """Every id in a fact."""
        return {one for facts in self.facts.values() for arguments in facts for one in arguments}


def read_problem(pddl: str) -> Problem:
    """Read a PDDL problem. Raises `DataError` where it has no initial facts or no goal."""
    lowered = pddl.lower()
    start, end = lowered.find("(:init"), lowered.find("(:goal")
    if not 0 <= start < end:
        raise DataError("the problem has no (:init ...) followed by a (:goal ...)")
    facts: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for predicate, arguments in _FACT.findall(lowered[start:end]):
        facts[predicate].append(tuple(arguments.split()))
    return Problem(dict(facts), lowered[end:])


def readable(ids: Iterable[str]) -> dict[str, str]:
    """A name for every id: its type and a number, which counts *down* in the order of ids; basins
    are named `sinkbasin 1`.

    An id without a position keeps its own spelling and gains a space, as in the original.
    """
    ordered = sorted(ids)
    left = Counter(kind for one in ordered if (kind := _kind(one)) is not None)
    names = {}
    for one in ordered:
        kind = _kind(one)
        if kind is None:
            spelled = one
            for word, sign in SIGNS.items():
                spelled = spelled.replace(word, sign)
            names[one] = spelled + " "
        else:
            names[one] = f"{kind} {left[kind]}"
            left[kind] -= 1
    return names


def _kind(one: str) -> str | None:
    head, bar, _ = one.partition("_bar_")
    if not bar:
        return None
    return head + "basin" if "basin" in one else head
