"""What a player has seen so far: a value made of the episode's text and of the commands offered,
and of nothing else.

`Memory.of` reads the opening, `Memory.after` one action and its answer; both only build new values,
so a memory belongs to a moment of an episode and may be shared, kept and pickled. Of the admissible
commands it looks only at those about things that it has seen: where one can still go to, and
whether what should work here does.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace

_PUTS = ("move {} to {}", "put {} in/on {}")
_AROUND = re.compile(r"you see (.*?)\.\n")
_TASK = re.compile(r"Your task is to: (.*)")
_SEEN = re.compile(
    r"On the ([^,]+), you see (.*?)\.$|The ([^,.]+) is open\. In it, you see (.*?)\.$"
)
_CLOSED = re.compile(r"The ([^,.]+) is closed\.$|You close the ([^,.]+)\.$")
_TAKEN = re.compile(r"You pick up the (.+) from the (.+)\.$")
_PUT = re.compile(r"You (?:put|move) the (.+) (?:in/on|to) the (.+)\.$")
_TREATED = re.compile(r"You (clean|heat|cool) the (.+) using the .+\.$")
_LIT = re.compile(r"You turn on the (.+)\.$")
APPLIANCES = {"clean": "sinkbasin", "heat": "microwave", "cool": "fridge"}


def kind(name: str) -> str:
    """The type in a name: `mug` of `mug 2`."""
    return name.rpartition(" ")[0] or name


def _names(listing: str) -> list[str]:
    """The names in `a mug 1, and a pen 2`; none in `nothing`."""
    return [
        part.removeprefix("and ").removeprefix("a ").strip()
        for part in listing.split(", ")
        if part != "nothing"
    ]


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known at one moment. Names are the game's, such as `mug 2` and `shelf 5`."""

    task: str
    furniture: tuple[str, ...]
    """Every receptacle, in the order of the opening."""
    put: str
    """How an object is put down: a format of object and receptacle."""
    here: frozenset[str] = frozenset()
    """Receptacles within reach."""
    held: str = ""
    contents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What is known to be in a receptacle."""
    looked: frozenset[str] = frozenset()
    """Receptacles that were looked into."""
    closed: frozenset[str] = frozenset()
    """Receptacles that were seen closed, and not opened since."""
    opened: frozenset[str] = frozenset()
    treated: frozenset[tuple[str, str]] = frozenset()
    """Pairs such as (`clean`, `mug 2`)."""
    lit: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    """Commands that were not admissible where they should have been: what does not fit, cannot be
    treated, cannot be taken.
    """

    @classmethod
    def of(cls, opening: str, admissible: Iterable[str]) -> Memory:
        """What the first observation of an episode tells."""
        offered = set(admissible)
        around, task = _AROUND.search(opening), _TASK.search(opening)
        listed = _names(around[1]) if around and "You are facing" not in opening else []
        walks = sorted(
            command.removeprefix("go to ") for command in offered if command.startswith("go to ")
        )
        furniture = tuple(dict.fromkeys([*listed, *walks]))
        return cls(task[1] if task else "", furniture, _PUTS["help" not in offered])

    def inside(self, place: str) -> tuple[str, ...]:
        """What is known to be in a receptacle."""
        return self.contents.get(place, ())

    def after(self, answer: str, admissible: Container[str]) -> Memory:
        """What is known after an answer of the game and the commands admissible then."""
        known = self._told(answer)
        if answer.startswith("You arrive at"):
            known = replace(
                known,
                here=frozenset(
                    place for place in self.furniture if "go to " + place not in admissible
                ),
            )
        return known._tried(admissible)

    def _told(self, answer: str) -> Memory:
        """What the answer says."""
        if found := _SEEN.search(answer):
            place, listing = (found[1], found[2]) if found[1] else (found[3], found[4])
            opened = self.opened if found[1] else self.opened | {place}
            known = replace(
                self, looked=self.looked | {place}, closed=self.closed - {place}, opened=opened
            )
            return known._with(place, tuple(_names(listing)))
        if found := _CLOSED.search(answer):
            place = found[1] or found[2]
            return replace(self, closed=self.closed | {place}, opened=self.opened - {place})
        if found := _TAKEN.match(answer):
            return self._with(
                found[2],
                tuple(one for one in self.inside(found[2]) if one != found[1]),
                held=found[1],
            )
        if found := _PUT.match(answer):
            return self._with(found[2], (*self.inside(found[2]), found[1]), held="")
        if found := _TREATED.match(answer):
            undone = {("heat", found[2]), ("cool", found[2])} if found[1] != "clean" else set()
            return replace(self, treated=(self.treated - undone) | {(found[1], found[2])})
        if found := _LIT.match(answer):
            return replace(self, lit=self.lit | {found[1]})
        return self

    def _with(self, place: str, inside: tuple[str, ...], **changes: object) -> Memory:
        return replace(self, contents={**self.contents, place: inside}, **changes)  # type: ignore[arg-type]

    def _tried(self, admissible: Container[str]) -> Memory:
        """Note what should be possible here and is not."""
        tries = []
        for place in self.here:
            if self.held:
                tries += [
                    f"{verb} {self.held} with {place}"
                    for verb, what in APPLIANCES.items()
                    if kind(place) == what
                ]
                if place not in self.closed and place in self.looked:
                    tries.append(self.put.format(self.held, place))
            elif place not in self.closed:
                tries += [f"take {one} from {place}" for one in self.inside(place)]
        refused = {command for command in tries if command not in admissible}
        return replace(self, refused=self.refused | refused) if refused - self.refused else self
