"""Knowledge of the `partial` expert: what the text of the episode so far has shown.

`Memory.of` reads the opening, `Memory.after` one answer; both only build new values, so a memory
belongs to one turn of an episode and may be shared, kept and pickled. Of the admissible commands it
looks only at those about things already seen: which receptacles are elsewhere, and whether what
should work here does.

An environment keeps nothing for this expert: snapshots, forks and pickles carry the actions, and
`replay_episode` computes the memory from them.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from turnwise.envs.alfworld import text
from turnwise.envs.alfworld.compiled import CompiledGame
from turnwise.envs.alfworld.engine import act, commands
from turnwise.envs.alfworld.state import ParsedCommand, State

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
    """Return the type in a name: `mug` of `mug 2`."""
    return name.rpartition(" ")[0] or name


def _names(listing: str) -> list[str]:
    """Return the names in `a mug 1, and a pen 2`; none for `nothing`."""
    return [
        part.removeprefix("and ").removeprefix("a ").strip()
        for part in listing.split(", ")
        if part != "nothing"
    ]


@dataclass(frozen=True, slots=True)
class Memory:
    """Knowledge at one turn. Names are the game's, such as `mug 2` and `shelf 5`."""

    task: str
    furniture: tuple[str, ...]
    """Every receptacle, in the order of the opening."""
    put: str
    """The command that puts an object down, a format of object and receptacle."""
    here: frozenset[str] = frozenset()
    """Receptacles within reach."""
    held: str = ""
    contents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Objects last seen in each receptacle."""
    looked: frozenset[str] = frozenset()
    """Receptacles whose contents have been seen."""
    closed: frozenset[str] = frozenset()
    """Receptacles seen closed and not opened since."""
    opened: frozenset[str] = frozenset()
    treated: frozenset[tuple[str, str]] = frozenset()
    """Pairs such as (`clean`, `mug 2`)."""
    lit: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    """Commands that should have been admissible and were not: objects that do not fit, cannot be
    treated or cannot be taken."""

    @classmethod
    def of(cls, opening: str, admissible: Iterable[str]) -> Memory:
        """Read the first observation of an episode."""
        offered = set(admissible)
        around, task = _AROUND.search(opening), _TASK.search(opening)
        listed = _names(around[1]) if around and "You are facing" not in opening else []
        walks = sorted(
            command.removeprefix("go to ") for command in offered if command.startswith("go to ")
        )
        furniture = tuple(dict.fromkeys([*listed, *walks]))
        # Only the newer wording has a command `help`.
        put = "move {} to {}" if "help" in offered else "put {} in/on {}"
        return cls(task[1] if task else "", furniture, put)

    def inside(self, place: str) -> tuple[str, ...]:
        """Return the objects last seen in a receptacle."""
        return self.contents.get(place, ())

    def after(self, answer: str, admissible: Container[str]) -> Memory:
        """Return the memory after an answer of the game, given the commands admissible then."""
        known = self._read(answer)
        if answer.startswith("You arrive at"):
            here = (place for place in self.furniture if "go to " + place not in admissible)
            known = replace(known, here=frozenset(here))
        return known._with_refusals(admissible)

    def _read(self, answer: str) -> Memory:
        """Add the facts in an answer."""
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
            left = tuple(one for one in self.inside(found[2]) if one != found[1])
            return self._with(found[2], left, held=found[1])
        if found := _PUT.match(answer):
            return self._with(found[2], (*self.inside(found[2]), found[1]), held="")
        if found := _TREATED.match(answer):
            undone = {("heat", found[2]), ("cool", found[2])} if found[1] != "clean" else set()
            return replace(self, treated=(self.treated - undone) | {(found[1], found[2])})
        if found := _LIT.match(answer):
            return replace(self, lit=self.lit | {found[1]})
        return self

    def _with(self, place: str, inside: tuple[str, ...], **changes: object) -> Memory:
        contents = {**self.contents, place: inside}
        return replace(self, contents=contents, **changes)  # type: ignore[arg-type]

    def _with_refusals(self, admissible: Container[str]) -> Memory:
        """Add the commands that should be admissible here and are not."""
        tries: list[str] = []
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


@dataclass(frozen=True, slots=True)
class ReplayedEpisode:
    """State, admissible commands and memory after some actions."""

    game: CompiledGame
    actions: tuple[str, ...]
    state: State
    admissible: dict[str, ParsedCommand]
    memory: Memory


def replay_episode(
    game: CompiledGame, actions: Sequence[str], earlier: ReplayedEpisode | None = None
) -> ReplayedEpisode:
    """Play actions on a copy of the game and return where they lead.

    `earlier` is continued if it is a prefix of this episode, so that asking at every turn costs one
    step each.
    """
    done = tuple(actions)
    start = earlier
    if start is None or start.game is not game or done[: len(start.actions)] != start.actions:
        admissible = commands(game, game.start)
        memory = Memory.of(text.opening(game), admissible)
        start = ReplayedEpisode(game, (), game.start, admissible, memory)
    state, admissible, memory = start.state, start.admissible, start.memory
    for action in done[len(start.actions) :]:
        command = admissible.get(action.strip())
        if command is not None:
            state, answer = act(game, state, command)
            admissible = commands(game, state)
            memory = memory.after(answer, admissible)
    return ReplayedEpisode(game, done, state, admissible, memory)
