"""Read the two texts of an official game file: the PDDL problem and the text grammar.

Of PDDL only the form that ALFWorld writes is read: `(predicate id id ...)` in `:init`, in any case.
Ids are THOR's, such as `CounterTop|+00.10|...` with bars and signs spelled out, and they are
ordered as these raw strings.

The grammar decides the wording. Two differ: data release 2.1.1, and 2.1.2 and later (alfworld 0.4).
Interface strings are from the grammar of each (`alfred.twl2`, github.com/alfworld/alfworld).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from turnwise.errors import DataError, unknown

_FACT = re.compile(r"\(([a-z]+)((?: [^\s()=]+)+)\s*\)")
SIGNS = {"_minus_": "-", "_plus_": "+", "_dot_": ".", "_comma_": ","}


@dataclass(frozen=True, slots=True)
class PDDLProblem:
    """A PDDL problem."""

    facts: dict[str, list[tuple[str, ...]]]
    """Arguments of every initial fact, by predicate; predicates without facts are absent."""
    goal: str
    """The text from `(:goal` on, in lower case."""

    def pairs(self, predicate: str) -> list[tuple[str, str]]:
        """Return the facts of two arguments. Raises `DataError` for one of another number."""
        found = self.facts.get(predicate, [])
        if any(len(arguments) != 2 for arguments in found):
            raise DataError(
                f"the problem has a fact ({predicate} ...) that does not have two arguments"
            )
        return [(first, second) for first, second in found]

    def those(self, predicate: str) -> frozenset[str]:
        """Return the ids for which `predicate` holds."""
        return frozenset(arguments[0] for arguments in self.facts.get(predicate, []))

    def ids(self) -> set[str]:
        """Return every id in a fact."""
        every = (arguments for facts in self.facts.values() for arguments in facts)
        return {entity for arguments in every for entity in arguments}


def read_problem(pddl: str) -> PDDLProblem:
    """Read a PDDL problem. Raises `DataError` if it has no initial facts or no goal."""
    lowered = pddl.lower()
    start, end = lowered.find("(:init"), lowered.find("(:goal")
    if not 0 <= start < end:
        raise DataError("the problem has no (:init ...) followed by a (:goal ...)")
    facts: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for predicate, arguments in _FACT.findall(lowered[start:end]):
        facts[predicate].append(tuple(arguments.split()))
    return PDDLProblem(dict(facts), lowered[end:])


def readable(ids: Iterable[str]) -> dict[str, str]:
    """Return a name for every id: its type and a number that counts *down* in the order of ids.

    Basins are named `sinkbasin 1`. An id without a position keeps its own spelling and gains a
    space, as in the original.
    """
    ordered = sorted(ids)
    left = Counter(kind for entity in ordered if (kind := _kind(entity)) is not None)
    names = {}
    for entity in ordered:
        kind = _kind(entity)
        if kind is None:
            spelled = entity
            for word, sign in SIGNS.items():
                spelled = spelled.replace(word, sign)
            names[entity] = spelled + " "
        else:
            names[entity] = f"{kind} {left[kind]}"
            left[kind] -= 1
    return names


def _kind(entity: str) -> str | None:
    head, bar, _ = entity.partition("_bar_")
    if not bar:
        return None
    return head + "basin" if "basin" in entity else head


# Wordings
# --------

HELP_04 = """\
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
"""


@dataclass(frozen=True, slots=True)
class GameWording:
    """Commands and answers that differ between data releases."""

    release: str
    put: str
    """The command to put something down, a format of object and receptacle."""
    did_put: str
    """The answer to it."""
    names_location: bool
    """Whether `go to` answers with the location (`loc 13`) rather than the receptacle."""
    help: str | None
    """The answer to `help`; None if there is no such command."""


WORDINGS = {
    "2.1.1": GameWording("2.1.1", "put {} in/on {}", "You put the {} in/on the {}.", True, None),
    "0.4": GameWording("0.4", "move {} to {}", "You move the {} to the {}.", False, HELP_04),
}


def find_wording(release: str) -> GameWording:
    """Return the wording named `2.1.1` or `0.4`. Raises `ConfigError` for any other name."""
    if release not in WORDINGS:
        raise unknown("wording", release, WORDINGS, "ALFWorld")
    return WORDINGS[release]


def wording_of(grammar: str) -> GameWording:
    """Return the wording of a game's grammar. Raises `DataError` if it is of neither release."""
    if 'template :: "put {o} in/on {r}"' in grammar:
        return WORDINGS["2.1.1"]
    if 'template :: "move {o} to {r}"' in grammar:
        return WORDINGS["0.4"]
    raise DataError(
        "its grammar is of no known release: take json_2.1.1 (alfworld up to 0.3) or "
        "json_2.1.2 / 2.1.3 (alfworld 0.4)"
    )


def task_of(grammar: str) -> str:
    """Return the task in a game's grammar, with its full stop. Raises `DataError` if absent."""
    found = re.search(r'"Your task is to: (.*?)"', grammar)
    if found is None:
        raise DataError(
            "its grammar has no task: the original's game files say 'Your task is to: ...'"
        )
    return found[1]
