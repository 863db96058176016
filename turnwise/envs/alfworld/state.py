"""State of a game: a small immutable value, so that a snapshot is a reference and a fork is free.

Objects, receptacles and locations are numbers in the order of their raw ids. A set of them is a bit
mask. Contents of a receptacle are increasing numbers, which is the order in which they are listed.
"""

from __future__ import annotations

from typing import NamedTuple

NOTHING = -1
MAX_ENTITIES = 254
"""Objects or receptacles that a game may have; official games have at most 76 and 54."""


class ParsedCommand(NamedTuple):
    """A command as a verb and the one or two things it is about, as numbers."""

    verb: str
    one: int = NOTHING
    other: int = NOTHING


class State(NamedTuple):
    """Everything that can change in a game."""

    location: int
    held: int
    """The object in the agent's hand, or `NOTHING`."""
    contents: tuple[tuple[int, ...], ...]
    """Objects in each receptacle. One may be in several: taking it from one leaves it in others."""
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
        """Return the mask of objects that are `isclean`, `ishot` or `iscool`."""
        return {"isclean": self.clean, "ishot": self.hot, "iscool": self.cool}[treatment]

    def packed(self) -> bytes:
        """Return the state as bytes, different for different states.

        Holds as long as numbers stay below `MAX_ENTITIES`: the two bytes above separate groups.
        """
        groups = (
            b"\xff".join(map(bytes, many)) for many in (self.contents, self.lying, self.removed)
        )
        rest = (self.location, self.held, *self[5:])
        return b"\xfe".join((*groups, repr(rest).encode()))


Groups = tuple[tuple[int, ...], ...]


def with_one(groups: Groups, at: int, one: int) -> Groups:
    """Return `groups` with `one` added to group `at`."""
    return (*groups[:at], tuple(sorted({*groups[at], one})), *groups[at + 1 :])


def without_one(groups: Groups, at: int, one: int) -> Groups:
    """Return `groups` with `one` removed from group `at`."""
    return (*groups[:at], tuple(other for other in groups[at] if other != one), *groups[at + 1 :])
