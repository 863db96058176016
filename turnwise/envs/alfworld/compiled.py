"""A compiled game: everything that does not change in play, computed once from a game file."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from turnwise.envs.alfworld.game_file import (
    GameWording,
    PDDLProblem,
    find_wording,
    read_problem,
    readable,
    task_of,
    wording_of,
)
from turnwise.envs.alfworld.goals import LOOK, HouseholdGoal, read_goal
from turnwise.envs.alfworld.state import MAX_ENTITIES, NOTHING, Groups, ParsedCommand, State
from turnwise.errors import DataError

_HOLDS = "inreceptacleobject"
_TREATABLE = {"isclean": "cleanable", "ishot": "heatable", "iscool": "coolable"}


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class CompiledGame:
    """A household and a task in it.

    Objects, receptacles and locations are numbers, see `turnwise.envs.alfworld.state`. Two games
    that play alike have the same `digest`, which stands for the game in hashes.
    """

    digest: str
    task: str
    """The task as the player reads it, with the full stop: `put a hot mug in sidetable.`"""
    goal: HouseholdGoal
    wording: GameWording
    start: State
    objects: tuple[str, ...]
    """Name of each object, such as `mug 2`."""
    receptacles: tuple[str, ...]
    locations: tuple[str, ...]
    object_types: tuple[str, ...]
    """Type of each object, such as `mugtype`; empty where the file gives none."""
    receptacle_types: tuple[str, ...]
    tour: tuple[tuple[int, int], ...]
    """Pairs (receptacle, location) in the order in which the opening lists them."""
    walks: tuple[tuple[str, ParsedCommand], ...]
    """Every `go to`, in reverse order: a receptacle listed at two locations leads to the first."""
    standing: tuple[tuple[int, ...], ...]
    """Receptacles at each location."""
    openable: frozenset[int]
    pickupable: frozenset[int]
    toggleable: frozenset[int]
    cleanable: frozenset[int]
    heatable: frozenset[int]
    coolable: frozenset[int]
    sliceable: frozenset[int]
    holding: Mapping[int, tuple[int, ...]]
    """Objects in each movable receptacle (a pan, a bowl); these never change."""
    fits: frozenset[tuple[str, str]]
    """Pairs (receptacle type, object type)."""
    wanted: frozenset[int]
    """Objects of the type the goal asks for."""
    treatable: frozenset[int]
    """Those of `wanted` that can be treated as the goal asks; all if it asks for no treatment."""
    targets: tuple[int, ...]
    """Receptacles of the type the goal asks for."""
    lamps: frozenset[int]
    """Lamps of the type the goal asks for."""

    @classmethod
    def of(cls, content: Any, release: str | None = None) -> Self:
        """Compile a game from the content of a game file.

        Args:
            content: a mapping with `pddl_problem`, `grammar` and possibly `solvable`.
            release: `2.1.1` or `0.4`, to change the wording; None for that of the grammar.

        Raises:
            DataError: if the content is malformed, of an unknown release, flagged as unsolvable or
                impossible.
        """
        if not isinstance(content, dict):
            raise DataError("it is not a table of pddl_problem, grammar and solvable")
        for name in ("pddl_problem", "grammar"):
            if not isinstance(content.get(name), str):
                raise DataError(
                    f"it has no text {name!r}: take a game.tw-pddl of release 2.1.1 or later"
                )
        if content.get("solvable") is False:
            raise DataError("it is flagged as unsolvable: leave it out, as the original does")
        wording, task = wording_of(content["grammar"]), task_of(content["grammar"])
        compiled = _compile(read_problem(content["pddl_problem"]), wording, task)
        game = cls(**compiled, digest=_digest(compiled))
        return game if release is None else game.reworded(release)

    def reworded(self, release: str) -> Self:
        """Return the same game in the wording `2.1.1` or `0.4`."""
        wording = find_wording(release)
        if wording == self.wording:
            return self
        names = (field.name for field in dataclasses.fields(self) if field.name != "digest")
        fields = {name: getattr(self, name) for name in names} | {"wording": wording}
        return replace(self, wording=wording, digest=_digest(fields))

    def here(self, location: int) -> tuple[int, ...]:
        """Return the receptacles at a location."""
        return self.standing[location]


def _compile(problem: PDDLProblem, wording: GameWording, task: str) -> dict[str, Any]:
    """Return the fields of a `CompiledGame` except its digest."""
    names, goal = readable(problem.ids()), read_goal(problem.goal)
    things, places, spots = _entities(problem)
    placed, inside, lying, holds = (
        problem.pairs(name)
        for name in ("receptacleatlocation", "inreceptacle", "objectatlocation", _HOLDS)
    )
    object_type = dict(problem.pairs("objecttype"))
    place_type = dict(problem.pairs("receptacletype"))
    thing, place, spot = (
        {entity: number for number, entity in enumerate(ids)} for ids in (things, places, spots)
    )

    def objects(predicate: str) -> frozenset[int]:
        return frozenset(thing[entity] for entity in problem.those(predicate) if entity in thing)

    def receptacles(predicate: str) -> frozenset[int]:
        return frozenset(place[entity] for entity in problem.those(predicate) if entity in place)

    tour = tuple(sorted({(place[a], spot[b]) for a, b in placed}))
    kinds = {name: objects(name) for name in (
        "cleanable", "heatable", "coolable", "pickupable", "toggleable", "sliceable"
    )}  # fmt: skip
    wanted, lamps = (
        frozenset(thing[entity] for entity, kind in object_type.items() if kind == asked)
        for asked in (goal.object_type, goal.place_type)
    )
    fields = dict(
        task=task, goal=goal, wording=wording, tour=tour,
        walks=tuple(
            ("go to " + names[places[there]], ParsedCommand("go", there, where))
            for there, where in reversed(tour)
        ),
        objects=tuple(names[entity] for entity in things),
        receptacles=tuple(names[entity] for entity in places),
        locations=tuple(names[entity] for entity in spots),
        object_types=tuple(object_type.get(entity, "") for entity in things),
        receptacle_types=tuple(place_type.get(entity, "") for entity in places),
        standing=_groups([(spot[b], place[a]) for a, b in placed], len(spots)),
        **kinds,
        openable=receptacles("openable"),
        holding={
            entity: tuple(sorted({thing[a] for a, b in holds if thing[b] == entity}))
            for entity in sorted(objects("isreceptacleobject"))
        },
        fits=frozenset(problem.pairs("cancontain")),
        wanted=wanted,
        treatable=wanted & kinds[_TREATABLE[goal.treatment]] if goal.treatment else wanted,
        targets=tuple(
            place[entity] for entity in places if place_type.get(entity) == goal.place_type
        ),
        lamps=lamps & kinds["toggleable"],
        start=State(
            spot[problem.pairs("atlocation")[0][1]], NOTHING,
            _groups([(place[b], thing[a]) for a, b in inside], len(places)),
            _groups([(spot[b], thing[a]) for a, b in lying], len(spots)),
            opened=_mask(receptacles("opened")), cool=_mask(objects("iscool")),
        ),
    )  # fmt: skip
    if not fields["treatable"] or not fields["lamps" if goal.kind == LOOK else "targets"]:
        raise DataError(
            f"its goal is impossible: nothing there is a {goal.object_type} "
            f"or a {goal.place_type} as the goal needs it"
        )
    return fields


def _entities(problem: PDDLProblem) -> tuple[list[str], list[str], list[str]]:
    """Return the ids of objects, receptacles and locations, in order."""
    placed, inside, lying = (
        problem.pairs(name) for name in ("receptacleatlocation", "inreceptacle", "objectatlocation")
    )
    at = problem.pairs("atlocation")
    if len(at) != 1 or not placed:
        raise DataError(
            "its problem has no receptacles, or not exactly one (atlocation agent location)"
        )
    held = {entity for pair in problem.pairs(_HOLDS) for entity in pair}
    typed, typed_places = problem.pairs("objecttype"), problem.pairs("receptacletype")
    things = held.union(*map(_firsts, (typed, inside, lying)))
    places = {place for _, place in inside}.union(_firsts(typed_places), _firsts(placed))
    spots = {at[0][1], *(spot for pairs in (placed, lying) for _, spot in pairs)}
    if max(len(things), len(places)) > MAX_ENTITIES:
        raise DataError(
            f"it has {len(things)} objects and {len(places)} receptacles, and the limit is "
            f"{MAX_ENTITIES} of each"
        )
    return sorted(things), sorted(places), sorted(spots)


def _firsts(pairs: list[tuple[str, str]]) -> list[str]:
    return [first for first, _ in pairs]


def _groups(pairs: list[tuple[int, int]], count: int) -> Groups:
    """Return for each number below `count` what is paired with it, in order."""
    found: list[set[int]] = [set() for _ in range(count)]
    for group, member in pairs:
        found[group].add(member)
    return tuple(tuple(sorted(ones)) for ones in found)


def _mask(numbers: frozenset[int]) -> int:
    return sum(1 << number for number in numbers)


def _digest(fields: dict[str, Any]) -> str:
    plain = {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in fields.items()
    }
    text = repr(sorted(plain.items()))
    # State hashes of recorded transcripts depend on this text, so classes keep the names that they
    # had when the first transcripts were recorded.
    for now, recorded in (
        ("HouseholdGoal(", "Goal("), ("GameWording(", "Wording("), ("ParsedCommand(", "Command(")
    ):  # fmt: skip
        text = text.replace(now, recorded)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
