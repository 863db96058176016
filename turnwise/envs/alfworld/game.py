"""One game: everything that does not change while it is played, compiled once from an official
`game.tw-pddl` file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, Self

from turnwise.envs.alfworld.goals import LOOK, Goal, read_goal
from turnwise.envs.alfworld.problem import Problem, read_problem, readable
from turnwise.envs.alfworld.state import MOST, NOTHING, Command, State
from turnwise.envs.alfworld.wording import Wording, task_of, wording, wording_of
from turnwise.errors import DataError


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Game:
    """A household and a task in it. Objects, receptacles and locations are numbers, see
    `turnwise.envs.alfworld.state`.

    Two games that read alike have the same `digest`, which identifies one in hashes.
    """

    digest: str
    task: str
    """What the player is asked to do, with the full stop: `put a hot mug in sidetable.`"""
    goal: Goal
    wording: Wording
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
    walks: tuple[tuple[str, Command], ...]
    """Every `go to`: one to a receptacle that is listed at two locations leads to the first, so
    they are in reverse order.
    """
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
    """What each movable receptacle (a pan, a bowl) holds; it never changes."""
    fits: frozenset[tuple[str, str]]
    """Pairs (receptacle type, object type)."""
    wanted: frozenset[int]
    """Objects of the type the goal asks for."""
    treatable: frozenset[int]
    """Those of them that can be treated as it asks; all where it asks for no treatment."""
    targets: tuple[int, ...]
    """Receptacles of the type the goal asks for."""
    lamps: frozenset[int]
    """Lamps of the type the goal asks for."""

    @classmethod
    def load(cls, path: str | PathLike[str], wording: str | None = None) -> Self:
        """Read an official `game.tw-pddl` file.

        Args:
            path: the file.
            wording: `2.1.1` or `0.4`; None for that of the file.

        Raises:
            DataError: for a file that is missing, malformed, of an unknown release, flagged as
            unsolvable or impossible.
            ConfigError: for an unknown wording.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf8"))
        except OSError as problem:
            raise DataError(
                f"cannot read the ALFWorld game {path}: {problem.strerror}; give the path of a game.tw-pddl"
            ) from None
        except ValueError as problem:
            raise DataError(
                f"{path} is not an ALFWorld game: it is not JSON ({problem}); download the data again"
            ) from None
        try:
            return cls.of(content, wording)
        except DataError as problem:
            raise DataError(f"{path} cannot be played: {problem}") from None

    @classmethod
    def of(cls, content: Any, release: str | None = None) -> Self:
        """A game from the content of a file: `pddl_problem`, `grammar` and, where it has been
        tried, `solvable`.

        Raises:
            DataError: as `load`, without naming the file.
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
        said, task = wording_of(content["grammar"]), task_of(content["grammar"])
        compiled = _compile(read_problem(content["pddl_problem"]), said, task)
        game = cls(**compiled, digest=_digest(compiled))
        return game if release is None else game.reworded(release)

    def reworded(self, release: str) -> Self:
        """The same game in another wording, `2.1.1` or `0.4`."""
        said = wording(release)
        if said == self.wording:
            return self
        names = (one.name for one in dataclasses.fields(self) if one.name != "digest")
        return replace(
            self,
            wording=said,
            digest=_digest({name: getattr(self, name) for name in names} | {"wording": said}),
        )

    def save(self, directory: str | PathLike[str]) -> Path:
        """Write the game in the official layout; returns the path of its `game.tw-pddl`. See
        `writing.save.save`.
        """
        from turnwise.envs.alfworld.writing.save import save

        return save(self, directory)

    def here(self, location: int) -> tuple[int, ...]:
        """Receptacles at a location."""
        return self.standing[location]


def _compile(problem: Problem, said: Wording, task: str) -> dict[str, Any]:
    """The fields of a `Game`, but its digest."""
    names, goal = readable(problem.ids()), read_goal(problem.goal)
    placed, inside, lying = (
        problem.pairs(name) for name in ("receptacleatlocation", "inreceptacle", "objectatlocation")
    )
    object_type, place_type = (
        dict(problem.pairs("objecttype")),
        dict(problem.pairs("receptacletype")),
    )
    at = problem.pairs("atlocation")
    if len(at) != 1 or not placed:
        raise DataError(
            "its problem has no receptacles, or not exactly one (atlocation agent location)"
        )
    holds = problem.pairs("inreceptacleobject")
    things = sorted(
        {
            *object_type,
            *(one for pairs in (inside, lying) for one, _ in pairs),
            *(one for pair in holds for one in pair),
        }
    )
    places = sorted({*place_type, *(place for place, _ in placed), *(place for _, place in inside)})
    spots = sorted({at[0][1], *(spot for pairs in (placed, lying) for _, spot in pairs)})
    if max(len(things), len(places)) > MOST:
        raise DataError(
            f"it has {len(things)} objects and {len(places)} receptacles, and {MOST} of each are the limit"
        )
    thing, place, spot = (
        {one: number for number, one in enumerate(ids)} for ids in (things, places, spots)
    )

    def objects(predicate: str) -> frozenset[int]:
        return frozenset(thing[one] for one in problem.those(predicate) if one in thing)

    wanted = frozenset(thing[one] for one, kind in object_type.items() if kind == goal.object_type)
    kinds = {
        name: objects(name)
        for name in ("cleanable", "heatable", "coolable", "pickupable", "toggleable", "sliceable")
    }
    treatments = {"isclean": "cleanable", "ishot": "heatable", "iscool": "coolable"}
    movable = {
        one: [thing[a] for a, b in holds if thing[b] == one]
        for one in sorted(objects("isreceptacleobject"))
    }
    tour = tuple(sorted({(place[a], spot[b]) for a, b in placed}))
    fields = dict(
        task=task, goal=goal, wording=said, tour=tour,
        walks=tuple(("go to " + names[places[there]], Command("go", there, where)) for there, where in reversed(tour)),
        objects=tuple(names[one] for one in things), receptacles=tuple(names[one] for one in places),
        locations=tuple(names[one] for one in spots), object_types=tuple(object_type.get(one, "") for one in things),
        receptacle_types=tuple(place_type.get(one, "") for one in places),
        standing=_groups([(spot[b], place[a]) for a, b in placed], len(spots)), **kinds,
        openable=frozenset(place[one] for one in problem.those("openable") if one in place),
        holding={one: tuple(sorted(set(ones))) for one, ones in movable.items()}, fits=frozenset(problem.pairs("cancontain")),
        wanted=wanted, treatable=wanted & kinds[treatments[goal.treatment]] if goal.treatment else wanted,
        targets=tuple(place[one] for one in places if place_type.get(one) == goal.place_type),
        lamps=frozenset(thing[one] for one, kind in object_type.items() if kind == goal.place_type) & kinds["toggleable"],
        start=State(
            spot[at[0][1]], NOTHING, _groups([(place[b], thing[a]) for a, b in inside], len(places)),
            _groups([(spot[b], thing[a]) for a, b in lying], len(spots)),
            opened=_mask(frozenset(place[one] for one in problem.those("opened") if one in place)), cool=_mask(objects("iscool")),
        ),
    )  # fmt: skip
    if not fields["treatable"] or not fields["lamps" if goal.kind == LOOK else "targets"]:
        raise DataError(
            f"its goal is impossible: nothing there is a {goal.object_type} or a {goal.place_type} as the goal needs it"
        )
    return fields


def _groups(pairs: list[tuple[int, int]], count: int) -> tuple[tuple[int, ...], ...]:
    """For each number below `count`, what is paired with it, in order."""
    found: list[set[int]] = [set() for _ in range(count)]
    for group, one in pairs:
        found[group].add(one)
    return tuple(tuple(sorted(ones)) for ones in found)


def _mask(numbers: frozenset[int]) -> int:
    return sum(1 << number for number in numbers)


def _digest(fields: dict[str, Any]) -> str:
    plain = {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in fields.items()
    }
    return hashlib.blake2b(repr(sorted(plain.items())).encode(), digest_size=16).hexdigest()
