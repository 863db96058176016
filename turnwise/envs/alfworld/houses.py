"""Households made from a seed, one for each game: a room, its furniture, things in it, and a task that can be done.

Every game is written as a PDDL problem in the official form and read like an official one, and the expert has solved it.
"""

from __future__ import annotations

from dataclasses import dataclass

from turnwise.envs.alfworld.expert import expert_plan
from turnwise.envs.alfworld.furniture import ABLE, FITS, LAMP, LAMP_STANDS, OPENABLE, ROOMS
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.goals import LOOK, PICK, TASK_TYPES, TREATMENTS, TWO
from turnwise.envs.draw import Draw
from turnwise.errors import ConfigError, unknown

_NEEDS = {TREATMENTS["isclean"]: "SinkBasin", TREATMENTS["ishot"]: "Microwave", TREATMENTS["iscool"]: "Fridge"}
_ABLE = {TREATMENTS["isclean"]: "cleanable", TREATMENTS["ishot"]: "heatable", TREATMENTS["iscool"]: "coolable"}
_DONE = {TREATMENTS["isclean"]: "isClean", TREATMENTS["ishot"]: "isHot", TREATMENTS["iscool"]: "isCool"}
_ASKED = {
    PICK: ("put a {obj} in {place}.", "put some {obj} on {place}."),
    LOOK: ("look at {obj} under the {place}.", "examine the {obj} with the {place}."),
    TREATMENTS["isclean"]: ("put a clean {obj} in {place}.", "clean some {obj} and put it in {place}."),
    TREATMENTS["ishot"]: ("put a hot {obj} in {place}.", "heat some {obj} and put it in {place}."),
    TREATMENTS["iscool"]: ("put a cool {obj} in {place}.", "cool some {obj} and put it in {place}."),
    TWO: ("put two {obj} in {place}.", "find two {obj} and put them in {place}."),
}  # The official templates of a task.
_GRAMMAR = 'action PutObject {{ template :: "move {{o}} to {{r}}"; }}\n"rhs": "Your task is to: {task}"'


@dataclass(frozen=True, slots=True)
class Difficulty:
    """How much there is to search through."""

    furniture: float
    """Where between the least and the greatest number of each receptacle a room lies at most."""
    distractors: tuple[int, int]
    """Least and greatest number of things that the task is not about."""


DIFFICULTIES = {
    "easy": Difficulty(0.0, (2, 5)),
    "normal": Difficulty(0.5, (8, 16)),
    "hard": Difficulty(1.0, (16, 28)),
}


def generate(n: int, seed: int, task_type: str | None = None, difficulty: str = "normal") -> list[Game]:
    """`n` games, always the same for the same arguments, in the wording `0.4`; the first k of n are those of k.

    Args:
        task_type: one of `TASK_TYPES`; None for each in turn.
        difficulty: `easy`, `normal` or `hard`.

    Raises:
        ConfigError: for an unknown type or difficulty, or fewer than one game.
    """
    if difficulty not in DIFFICULTIES:
        raise unknown("difficulty", difficulty, DIFFICULTIES, "generated ALFWorld games")
    if task_type is not None and task_type not in TASK_TYPES:
        raise unknown("task type", task_type, TASK_TYPES, "ALFWorld")
    if n < 1:
        raise ConfigError(f"{n} ALFWorld games were asked for: generate at least one")
    kinds = [task_type or TASK_TYPES[number % len(TASK_TYPES)] for number in range(n)]
    return [_game(kind, DIFFICULTIES[difficulty], Draw("alfworld", seed, kind, difficulty, k)) for k, kind in enumerate(kinds)]


def make_game(seed: int, difficulty: str, split: str, number: int) -> Game:
    """Game `number` of a split of generated games."""
    kind = TASK_TYPES[number % len(TASK_TYPES)]
    return _game(kind, DIFFICULTIES[difficulty], Draw("alfworld", seed, split, difficulty, number))


def _game(kind: str, difficulty: Difficulty, draw: Draw) -> Game:
    house = _House(kind, difficulty, draw)
    asked = draw.pick(_ASKED[kind]).format(obj=house.wanted.lower(), place=house.target.lower())
    game = Game.of({"pddl_problem": house.pddl(), "grammar": _GRAMMAR.format(task=asked), "solvable": True})
    assert expert_plan(game, game.start), "a generated game is solvable and not solved at the start"
    return game


class _House:
    """A furnished room, and the types the goal names: `wanted` of object, `target` of receptacle or lamp."""

    def __init__(self, kind: str, difficulty: Difficulty, draw: Draw) -> None:
        self.kind, self.draw = kind, draw
        fixed = LAMP_STANDS if kind == LOOK else (_NEEDS[kind],) if kind in _NEEDS else ()
        rooms = [name for name, there in ROOMS.items() if not fixed or (kind != LOOK and fixed[0] in there)]
        room = ROOMS[draw.pick(["bedroom", "living room"] if kind == LOOK else rooms)]
        self._used: set[str] = set()
        counts = {place: draw.between(low, low + round((high - low) * difficulty.furniture)) for place, (low, high) in room.items()}
        self.places = [(self._id(place), place) for place, count in counts.items() for _ in range(count)]
        self.things: list[tuple[str, str, str]] = []
        """Id, type, and id of the receptacle in which it is."""
        self._ask([(place, thing) for place in room for thing in FITS[place]], list(room))
        others = sorted({thing for place in room for thing in FITS[place]} - {self.wanted})
        for _ in range(draw.between(*difficulty.distractors)):
            self._add(draw.pick(others))

    def _id(self, kind: str) -> str:
        """A new id in THOR's manner: a type and a position."""
        head, basin, _ = kind.partition("Basin")
        while True:
            spots = (self.draw.between(-300, 300) for _ in range(3))
            signed = ("{}{:02d}_dot_{:02d}".format("_minus_" if at < 0 else "_plus_", *divmod(abs(at), 100)) for at in spots)
            position = "_bar_".join(signed)
            if position not in self._used:
                self._used.add(position)
                return f"{head}_bar_{position}" + (f"_bar_{kind}" if basin else "")

    def _add(self, thing: str, avoid: str = "", stands: tuple[str, ...] = ()) -> None:
        """Put a new thing where its type fits (or in one of `stands`), but in no receptacle of the type `avoid`."""
        fitting = [one for one, kind in self.places if kind != avoid and (kind in stands if stands else thing in FITS[kind])]
        self.things.append((self._id(thing), thing, self.draw.pick(fitting)))

    def _ask(self, fitting: list[tuple[str, str]], room: list[str]) -> None:
        """Choose what the task is about, and put it somewhere else than where it has to be."""
        if self.kind == LOOK:
            self.target = LAMP
            self.wanted = self.draw.pick(sorted({thing for _, thing in fitting}))
            self._add(LAMP, stands=LAMP_STANDS)
            self._add(self.wanted)
            return
        able = ABLE[_ABLE[self.kind]] if self.kind in _ABLE else None
        spread = {thing: sum(thing in FITS[place] for place in room) for _, thing in fitting}
        choices = [(place, thing) for place, thing in fitting if spread[thing] > 1 and (able is None or thing in able)]
        self.target, self.wanted = self.draw.pick(choices)
        for _ in range(2 if self.kind == TWO else 1):
            self._add(self.wanted, avoid=self.target)

    def pddl(self) -> str:
        """The room and the goal as a PDDL problem."""
        spots = {
            one: f"loc_bar_{number}_bar_{number * 3 % 7}_bar_{number % 4}_bar_30" for number, (one, _) in enumerate(self.places, 1)
        }
        facts = ["(atLocation agent1 loc_bar_0_bar_0_bar_0_bar_30)"]
        for one, kind in self.places:
            facts += [f"(receptacleType {one} {kind}Type)", f"(receptacleAtLocation {one} {spots[one]})"]
            facts += [f"(openable {one})"] * (kind in OPENABLE)
        for one, kind, place in self.things:
            facts += [f"(objectType {one} {kind}Type)", f"(inReceptacle {one} {place})", f"(objectAtLocation {one} {spots[place]})"]
            facts.append(f"({'toggleable' if kind == LAMP else 'pickupable'} {one})")
            facts += [f"({able} {one})" for able, kinds in ABLE.items() if kind in kinds]
        kinds = {kind for _, kind, _ in self.things}
        there = dict.fromkeys(kind for _, kind in self.places)
        facts += [f"(canContain {place}Type {kind}Type)" for place in there for kind in FITS[place] if kind in kinds]
        # The domain's actions name some types, so they are declared even where there is nothing of them.
        places = sorted({"SinkBasin", "Microwave", "Fridge", *there})
        declared = ["agent1 - agent", *(f"{place}Type - rtype" for place in places)]
        declared += [f"{kind}Type - otype" for kind in sorted({"Knife", "ButterKnife"} | kinds)]
        declared += [f"{spot} - location" for spot in ("loc_bar_0_bar_0_bar_0_bar_30", *spots.values())]
        declared += [f"{one} - receptacle" for one, _ in self.places] + [f"{one} - object" for one, _, _ in self.things]
        rows = "\n".join(declared), "\n".join(facts), self._goal()
        return "(define (problem generated)\n(:domain alfred)\n(:objects\n{}\n)\n(:init\n{}\n)\n(:goal {})\n)\n".format(*rows)

    def _goal(self) -> str:
        if self.kind == LOOK:
            lamp = f"(objectType ?ot {LAMP}Type) (toggleable ?ot) (isToggled ?ot)"
            here = "(receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r)"
            held = f"(exists (?o - object ?a - agent) (and (objectType ?o {self.wanted}Type) (holds ?a ?o)))"
            return f"(and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and {lamp} {here})) {held})"
        placed = f"(objectType {{0}} {self.wanted}Type) (receptacleType ?r {self.target}Type) (inReceptacle {{0}} ?r)"
        if self.kind == TWO:
            second = f"(exists (?o2 - object) (and (not (= ?o1 ?o2)) {placed.format('?o2')}))"
            inner = f"(exists (?o1 - object) (and {placed.format('?o1')} {second}))"
        else:
            treated = f"({_ABLE[self.kind]} ?o) ({_DONE[self.kind]} ?o) " if self.kind in _ABLE else ""
            inner = f"(exists (?o - object) (and {treated}{placed.format('?o')}))"
        return f"(and (exists (?r - receptacle) {inner}))"
