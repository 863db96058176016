"""Layouts of generated games: the furniture of one or more rooms, shared by many games.

Whether a layout is for training or for `valid_unseen` is decided by its furniture alone, so no
training game of the same difficulty has the furniture of a held-out one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from turnwise.envs.alfworld.furniture import CLUSTERED, ROOMS
from turnwise.envs.seeding import Draw
from turnwise.errors import ConfigError

MAX_DRAWS = 1000
"""Layouts drawn before giving up on finding one for the split."""
LAYOUTS_PER_ROOMS = 25
"""Layouts of the same rooms in a split; each game uses one of them."""


@dataclass(frozen=True, slots=True)
class HouseDifficulty:
    """Size of a generated house. Pairs are a least and a greatest value."""

    rooms: tuple[int, int]
    furniture: tuple[float, float]
    """Number of receptacles of a type, on average, as a point between the least (0) and the
    greatest (1) number of that type in a room."""
    distractors: tuple[int, int]
    """Objects that the task does not need."""
    hidden: float
    """Probability that the wanted object lies behind a door, and that its target has one. Each door
    is one more command in a plan."""

    def __str__(self) -> str:
        # Random draws are keyed by this text: changed by a letter, it would change every game.
        return (
            f"Difficulty(rooms={self.rooms!r}, furniture={self.furniture!r}, "
            f"distractors={self.distractors!r}, hidden={self.hidden!r})"
        )


DIFFICULTIES = {
    "easy": HouseDifficulty((1, 1), furniture=(0.0, 0.3), distractors=(3, 7), hidden=0.0),
    "normal": HouseDifficulty((1, 2), furniture=(0.1, 0.6), distractors=(10, 25), hidden=0.5),
    "hard": HouseDifficulty((3, 3), furniture=(0.3, 0.9), distractors=(30, 50), hidden=0.95),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Furniture of a house."""

    places: tuple[tuple[str, str, str], ...]
    """Id, type and location of every receptacle."""

    @property
    def types(self) -> tuple[str, ...]:
        """Types of receptacle, in order of appearance."""
        return tuple(dict.fromkeys(kind for _, kind, _ in self.places))


class Positions:
    """Makes ids as THOR does, of a type and a position. No position is used twice."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._used: set[str] = set()

    def id(self, kind: str) -> str:
        """Return a new id."""
        head, basin, _ = kind.partition("Basin")
        while True:
            spots = (self._draw.between(-300, 300) for _ in range(3))
            position = "_bar_".join(map(_signed, spots))
            if position not in self._used:
                self._used.add(position)
                return f"{head}_bar_{position}" + (f"_bar_{kind}" if basin else "")


def _signed(hundredths: int) -> str:
    sign = "_minus_" if hundredths < 0 else "_plus_"
    return "{}{:02d}_dot_{:02d}".format(sign, *divmod(abs(hundredths), 100))


@lru_cache(maxsize=256)
def layout(
    seed: int, difficulty: HouseDifficulty, rooms: tuple[str, ...], unseen: bool, number: int
) -> Layout:
    """Return layout `number` of these rooms, of the training or of the held-out (`unseen`) ones.

    Raises:
        ConfigError: if the difficulty is too narrow for rooms of both kinds.
    """
    draw = Draw("alfworld layout", seed, difficulty, rooms, unseen, number)
    for _ in range(MAX_DRAWS):
        counts = {room: _counts(room, difficulty, draw) for room in rooms}
        if held_back(counts) == unseen:
            return Layout(_placed(counts, draw))
    raise ConfigError(
        f"{difficulty} leaves too few layouts to hold some out for valid_unseen: give furniture a "
        "wider range, such as (0.0, 0.5)"
    )


def _counts(room: str, difficulty: HouseDifficulty, draw: Draw) -> dict[str, int]:
    low, high = difficulty.furniture
    counts = {}
    for kind, (least, most) in ROOMS[room].items():
        more = (most - least) * (low + (high - low) * draw.random())
        # Rounded at random, so that the mean is exact.
        counts[kind] = least + int(more) + draw.chance(more % 1)
    return counts


def held_back(counts: dict[str, dict[str, int]]) -> bool:
    """Return whether furniture is held out from training, as a quarter of all is.

    Args:
        counts: number of receptacles by room and type. Only their sums count, because the opening
            of a game lists no rooms.
    """
    total: Counter[str] = Counter()
    for in_room in counts.values():
        total.update(in_room)
    listed = sorted((kind, count) for kind, count in total.items() if count)
    return hashlib.blake2b(repr(listed).encode(), digest_size=1).digest()[0] % 4 == 0


def _placed(counts: dict[str, dict[str, int]], draw: Draw) -> tuple[tuple[str, str, str], ...]:
    """Place receptacles at numbered locations, some clustered ones at the one before."""
    positions, places, spot = Positions(draw), list[tuple[str, str, str]](), 0
    for in_room in counts.values():
        for kind, count in in_room.items():
            for number in range(count):
                together = number > 0 and kind in CLUSTERED and draw.chance(0.3)
                spot += not together
                location = f"loc_bar_{spot}_bar_{spot * 3 % 7}_bar_{spot % 4}_bar_30"
                places.append((positions.id(kind), kind, location))
    return tuple(places)
