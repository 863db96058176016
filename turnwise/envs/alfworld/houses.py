"""Generator of games: a layout, objects in it, and a solvable task.

Game `number` of a split is a function of (seed, difficulty, split, number) alone, so no game has to
be made before it is played. Each is written as a PDDL problem in the official form and read like an
official game. It is solvable by construction: the wanted object can be taken from where it lies and
fits in the target.
"""

from __future__ import annotations

from turnwise.envs.alfworld.data import SEEN, SPLITS, TRAIN, UNSEEN
from turnwise.envs.alfworld.furniture import ABLE, FITS, LAMP, LAMP_STANDS, OPENABLE, ROOMS
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.goals import LOOK, PICK, TASK_TYPES, TREATMENTS, TWO
from turnwise.envs.alfworld.household import Household, household_problem
from turnwise.envs.alfworld.layouts import (
    DIFFICULTIES,
    LAYOUTS_PER_ROOMS,
    HouseDifficulty,
    Layout,
    Positions,
    layout,
)
from turnwise.envs.seeding import Draw
from turnwise.errors import ConfigError, unknown

_APPLIANCES = {
    TREATMENTS["isclean"]: "SinkBasin",
    TREATMENTS["ishot"]: "Microwave",
    TREATMENTS["iscool"]: "Fridge",
}
_ABLE = {
    TREATMENTS["isclean"]: "cleanable",
    TREATMENTS["ishot"]: "heatable",
    TREATMENTS["iscool"]: "coolable",
}
_ROOMS = {
    kind: tuple(name for name, there in ROOMS.items() if need in there)
    for kind, need in _APPLIANCES.items()
} | {PICK: tuple(ROOMS), TWO: tuple(ROOMS), LOOK: ("bedroom", "living room")}
"""Rooms of which a house needs at least one, by type of task."""
_TASK_TEMPLATES = {
    PICK: ("put a {obj} in {place}.", "put some {obj} on {place}."),
    LOOK: ("look at {obj} under the {place}.", "examine the {obj} with the {place}."),
    TREATMENTS["isclean"]: (
        "put a clean {obj} in {place}.",
        "clean some {obj} and put it in {place}.",
    ),
    TREATMENTS["ishot"]: ("put a hot {obj} in {place}.", "heat some {obj} and put it in {place}."),
    TREATMENTS["iscool"]: (
        "put a cool {obj} in {place}.",
        "cool some {obj} and put it in {place}.",
    ),
    TWO: ("put two {obj} in {place}.", "find two {obj} and put them in {place}."),
}
"""The official games' templates."""
_GRAMMAR = (
    'action PutObject {{ template :: "move {{o}} to {{r}}"; }}\n"rhs": "Your task is to: {task}"'
)


def generate(
    n: int,
    seed: int,
    task_type: str | None = None,
    difficulty: str | HouseDifficulty = "normal",
    split: str = TRAIN,
) -> list[Game]:
    """Generate `n` games in the wording `0.4`.

    The same arguments give the same games, and a smaller `n` the first of them.

    Args:
        n: number of games.
        seed: seed of the generator.
        task_type: one of `turnwise.envs.alfworld.goals.TASK_TYPES`; None for each in turn.
        difficulty: `easy`, `normal`, `hard`, or a `HouseDifficulty`.
        split: `train`, `valid_seen` (rooms of the training games of the same numbers) or
            `valid_unseen` (held-out rooms).

    Raises:
        ConfigError: for an unknown type, difficulty or split, or fewer than one game.
    """
    if task_type is not None and task_type not in TASK_TYPES:
        raise unknown("task type", task_type, TASK_TYPES, "ALFWorld")
    if split not in SPLITS:
        raise unknown("split", split, SPLITS, "generated ALFWorld games")
    if n < 1:
        raise ConfigError(f"n={n} ALFWorld games cannot be generated: give at least 1")
    chosen = difficulty_of(difficulty)
    if task_type is None:
        numbers = range(n)
    else:
        numbers = range(TASK_TYPES.index(task_type), n * len(TASK_TYPES), len(TASK_TYPES))
    return [make_game(seed, chosen, split, number) for number in numbers]


def difficulty_of(difficulty: str | HouseDifficulty) -> HouseDifficulty:
    """Return the difficulty of a name. Raises `ConfigError` for an unknown one."""
    if isinstance(difficulty, HouseDifficulty):
        return difficulty
    if difficulty not in DIFFICULTIES:
        raise unknown("difficulty", str(difficulty), DIFFICULTIES, "generated ALFWorld games")
    return DIFFICULTIES[difficulty]


def make_game(
    seed: int, difficulty: HouseDifficulty, split: str, number: int, like: int | None = None
) -> Game:
    """Make game `number` of a split. Types of task take turns.

    Args:
        like: for `valid_seen`, the number of the training game whose rooms it has (of the same type
            of task); None for the same number.
    """
    kind = TASK_TYPES[number % len(TASK_TYPES)]
    # Rooms have a sequence of their own, so that a game of `valid_seen` can draw them again.
    rooms_of = (TRAIN, number if like is None else like) if split == SEEN else (split, number)
    draw = Draw("alfworld rooms", seed, difficulty, *rooms_of)
    needed = draw.pick(_ROOMS[kind])
    others = [room for room in ROOMS if room != needed]
    chosen = {needed, *draw.sample(others, min(len(others), draw.between(*difficulty.rooms) - 1))}
    rooms = tuple(room for room in ROOMS if room in chosen)
    plan = layout(seed, difficulty, rooms, split == UNSEEN, draw.below(LAYOUTS_PER_ROOMS))
    return _furnished(
        kind, plan, difficulty, Draw("alfworld game", seed, difficulty, split, number)
    )


def _furnished(kind: str, plan: Layout, difficulty: HouseDifficulty, draw: Draw) -> Game:
    house = _House(kind, plan, difficulty, draw)
    template = draw.pick(_TASK_TEMPLATES[kind])
    task = template.format(obj=house.wanted.lower(), place=house.target.lower())
    household = Household(kind, house.wanted, house.target, plan.places, tuple(house.things))
    return Game.of({
        "pddl_problem": household_problem(household),
        "grammar": _GRAMMAR.format(task=task),
        "solvable": True,
    })  # fmt: skip


class _House:
    """Objects in a layout, and the types in the goal: `wanted` (object), `target` (receptacle)."""

    def __init__(self, kind: str, plan: Layout, difficulty: HouseDifficulty, draw: Draw) -> None:
        self.kind, self.plan, self.draw, self.hidden = kind, plan, draw, difficulty.hidden
        self._positions = Positions(draw)
        self.things: list[tuple[str, str, str]] = []
        """Id, type and receptacle id of each object."""
        self._choose_goal()
        others = sorted({thing for place in plan.types for thing in FITS[place]} - {self.wanted})
        for _ in range(draw.between(*difficulty.distractors)):
            thing = draw.pick(others)
            self._add(thing, [kind for kind in plan.types if thing in FITS[kind]])

    def _add(self, thing: str, kinds: list[str]) -> None:
        """Put a new object in a receptacle of one of these types."""
        fitting = [one for one, kind, _ in self.plan.places if kind in kinds]
        self.things.append((self._positions.id(thing), thing, self.draw.pick(fitting)))

    def _choose_goal(self) -> None:
        """Choose the types in the goal, and put the wanted objects elsewhere than in the target."""
        types = self.plan.types
        if self.kind == LOOK:
            self.target = LAMP
            self._add(LAMP, [kind for kind in types if kind in LAMP_STANDS])
            starts = self._behind_doors(types)
            self.wanted = self.draw.pick(sorted({thing for kind in starts for thing in FITS[kind]}))
            self._add(self.wanted, [kind for kind in starts if self.wanted in FITS[kind]])
            return
        able = ABLE[_ABLE[self.kind]] if self.kind in _ABLE else None
        targets, starts = self._behind_doors(types), self._behind_doors(types)
        choices = _choices(targets, starts, able, _APPLIANCES.get(self.kind)) or _choices(
            types, types, able, _APPLIANCES.get(self.kind)
        )
        self.target, self.wanted = self.draw.pick(choices)
        fitting = [kind for kind in types if kind != self.target and self.wanted in FITS[kind]]
        for _ in range(2 if self.kind == TWO else 1):
            self._add(self.wanted, [kind for kind in fitting if kind in starts] or fitting)

    def _behind_doors(self, types: tuple[str, ...]) -> tuple[str, ...]:
        """Draw whether to use types with or without a door; return all if there are none such."""
        hidden = self.draw.chance(self.hidden)
        return tuple(kind for kind in types if (kind in OPENABLE) == hidden) or types


def _choices(
    targets: tuple[str, ...],
    starts: tuple[str, ...],
    able: frozenset[str] | None,
    appliance: str | None,
) -> list[tuple[str, str]]:
    """Return pairs (target, object) that make a task.

    The object fits in the target and in some other receptacle to start in, and can be treated.
    """
    return [
        (target, thing)
        for target in targets
        if target != appliance
        for thing in FITS[target]
        if (able is None or thing in able)
        and any(start != target and thing in FITS[start] for start in starts)
    ]
