"""Where everything is: a small immutable value, so that a snapshot is a reference and a fork costs
nothing.

Objects, receptacles and locations are numbers in the order of their raw ids. A set of them is a bit
mask; contents of a receptacle are numbers in increasing order, which is the order in which they are
listed.
"""

from __future__ import annotations

from typing import NamedTuple

NOTHING = -1
MOST = 254
"""Objects or receptacles that a game may have; official games have at most 76 and 54."""


class Command(NamedTuple):
    """What a command means: a verb and the one or two things it is about, as numbers."""

    verb: str
    one: int = NOTHING
    other: int = NOTHING


class State(NamedTuple):
    """Everything that can change in a game."""

    location: int
    held: int
    """The object in the agent's hand, or `NOTHING`."""
    contents: tuple[tuple[int, ...], ...]
    """Objects in each receptacle. One object may stand in several: taking it from one leaves it in
    the others.
    """
    lying: tuple[tuple[int, ...], ...]
    """Objects at each location."""
    removed: tuple[tuple[int, int], ...] = ()
    """Pairs (object, receptacle it was taken from), in order, until it is put back there."""
    opened: int = 0
    clean: int = 0
    hot: int = 0
    cool: int = 0
    lit: int = 0
    sliced: int = 0

    def treated(self, treatment: str) -> int:
        """The mask of objects that are `isclean`, `ishot` or `iscool`."""
        return {"isclean": self.clean, "ishot": self.hot, "iscool": self.cool}[treatment]

    def packed(self) -> bytes:
        """The state as bytes: equal for equal states only, as long as no number of an object
        reaches `MOST`.
        """
        groups = (
            b"\xff".join(map(bytes, many)) for many in (self.contents, self.lying, self.removed)
        )
        rest = (self.location, self.held, *self[5:])
        return b"\xfe".join((*groups, repr(rest).encode()))


def with_one(groups: tuple[tuple[int, ...], ...], at: int, one: int) -> tuple[tuple[int, ...], ...]:
    """`groups` with `one` in group `at`."""
    return (*groups[:at], tuple(sorted({*groups[at], one})), *groups[at + 1 :])


def without_one(
    groups: tuple[tuple[int, ...], ...], at: int, one: int
) -> tuple[tuple[int, ...], ...]:
    """`groups` with `one` no longer in group `at`."""
    return (*groups[:at], tuple(other for other in groups[at] if other != one), *groups[at + 1 :])
