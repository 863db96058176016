"""Where generated games are played: the furniture of one or more rooms, shared by many games as the
official rooms are.

Whether a layout is for training or for `valid_unseen` is decided by its furniture alone: what one
walks through in `valid_unseen` is not merely another drawing, no training game of that difficulty
has the same furniture.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from turnwise.envs.alfworld.furniture import CLUSTERED, ROOMS
from turnwise.envs.seeding import Draw
from turnwise.errors import ConfigError

TRIES = 1000
"""Layouts drawn before it is clear that there are none of the kind."""
SIBLINGS = 25
"""Layouts of the same rooms among which the games of a split choose."""


@dataclass(frozen=True, slots=True)
class Difficulty:
    """How much there is to search through, and how much there is to do. Pairs are a least and a
    greatest value.
    """

    rooms: tuple[int, int]
    furniture: tuple[float, float]
    """Where between the least and the greatest number of its type in a room (0 to 1) the number of
    receptacles lies on average.
    """
    distractors: tuple[int, int]
    """Things that the task is not about."""
    hidden: float
    """How likely it is that what is wanted lies behind a door, and as likely that where it has to
    be has one: each door is one more command in a plan."""


DIFFICULTIES = {
    "easy": Difficulty(rooms=(1, 1), furniture=(0.0, 0.3), distractors=(3, 7), hidden=0.0),
    "normal": Difficulty(rooms=(1, 2), furniture=(0.1, 0.6), distractors=(10, 25), hidden=0.5),
    "hard": Difficulty(rooms=(3, 3), furniture=(0.3, 0.9), distractors=(30, 50), hidden=0.95),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Furniture."""

    places: tuple[tuple[str, str, str], ...]
    """Id, type and location of every receptacle."""

    @property
    def types(self) -> tuple[str, ...]:
        """Every type of receptacle there is, in order of appearance."""
        return tuple(dict.fromkeys(kind for _, kind, _ in self.places))


class Positions:
    """Ids in THOR's manner, a type and a position, each position once."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._used: set[str] = set()

    def id(self, kind: str) -> str:
        """A new id of a type."""
        head, basin, _ = kind.partition("Basin")
        while True:
            spots = (self._draw.between(-300, 300) for _ in range(3))
            signed = (
                "{}{:02d}_dot_{:02d}".format(
                    "_minus_" if at < 0 else "_plus_", *divmod(abs(at), 100)
                )
                for at in spots
            )
            position = "_bar_".join(signed)
            if position not in self._used:
                self._used.add(position)
                return f"{head}_bar_{position}" + (f"_bar_{kind}" if basin else "")


@lru_cache(maxsize=256)
def layout(
    seed: int, difficulty: Difficulty, rooms: tuple[str, ...], unseen: bool, number: int
) -> Layout:
    """Layout `number` of these rooms among those for training, or among those that training never
    sees.
    """
    draw = Draw("alfworld layout", seed, difficulty, rooms, unseen, number)
    for _ in range(TRIES):
        counts = {room: _counts(room, difficulty, draw) for room in rooms}
        if held_back(counts) == unseen:
            return Layout(_placed(counts, draw))
    raise ConfigError(
        f"{difficulty} leaves too little choice to keep rooms for valid_unseen: give furniture a wider range, such as (0.0, 0.5)"
    )


def _counts(room: str, difficulty: Difficulty, draw: Draw) -> dict[str, int]:
    low, high = difficulty.furniture
    counts = {}
    for kind, (least, most) in ROOMS[room].items():
        more = (most - least) * (low + (high - low) * draw.random())
        counts[kind] = least + int(more) + draw.chance(more % 1)
    return counts


def held_back(counts: dict[str, dict[str, int]]) -> bool:
    """Whether furniture (by room, how many of each type) is kept from training: a quarter of all
    is, by what an opening lists.
    """
    total: Counter[str] = Counter()
    for there in counts.values():
        total.update(there)
    listed = sorted((kind, count) for kind, count in total.items() if count)
    return hashlib.blake2b(repr(listed).encode(), digest_size=1).digest()[0] % 4 == 0


def _placed(counts: dict[str, dict[str, int]], draw: Draw) -> tuple[tuple[str, str, str], ...]:
    positions, places, spot = Positions(draw), list[tuple[str, str, str]](), 0
    for there in counts.values():
        for kind, count in there.items():
            for number in range(count):
                together = number > 0 and kind in CLUSTERED and draw.chance(0.3)
                spot += not together
                places.append(
                    (
                        positions.id(kind),
                        kind,
                        f"loc_bar_{spot}_bar_{spot * 3 % 7}_bar_{spot % 4}_bar_30",
                    )
                )
    return tuple(places)
