"""Which games there are: names of tasks, the seeds to try for each, and which split a game belongs
to.

A task is `train-17`. Its game is the first one, over a fixed sequence of seeds, that can be made
and whose content belongs to the split: half of all contents are train, a quarter each dev and test,
decided by a hash of the game's source. So no game can be in two splits, whatever the seeds and
settings, and a split needs no other split to be made first.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from turnwise.envs.textworld.settings import GameSettings
from turnwise.errors import ConfigError, TaskError, unknown

VERSION = 1
"""Raised when the same task becomes another game; part of every cache name."""
SPLITS = ("train", "dev", "test")
SHARES = {"train": range(0, 2), "dev": range(2, 3), "test": range(3, 4)}
"""Quarters of all contents."""
DEFAULT_GAMES = {"train": 200, "dev": 50, "test": 100}
ATTEMPTS = 200
"""Seeds tried for one game before giving up."""
_TASK = re.compile(r"(train|dev|test)-(0|[1-9]\d*)")


@dataclass(frozen=True, slots=True)
class GameSpec:
    """A game that is to be made: everything it depends on but the versions of the packages."""

    settings: GameSettings
    split: str
    index: int
    seed: int
    """The environment's `game_seed`: another one gives other games."""

    def digest(self) -> str:
        """Twenty hexadecimal digits."""
        text = f"{VERSION}/{self.settings.key()}/{self.split}/{self.index}/{self.seed}"
        return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()

    def candidate(self, attempt: int) -> int:
        """The seed given to TextWorld at the n-th attempt, below 2^31."""
        text = f"{self.digest()}/{attempt}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1

    def task(self) -> str:
        """Such as `train-17`."""
        return f"{self.split}-{self.index}"


def split_of(content: str) -> str:
    """The split that a game of this content (its Inform 7 source) belongs to."""
    quarter = hashlib.blake2b(content.encode(), digest_size=8).digest()[0] % 4
    return next(split for split, share in SHARES.items() if quarter in share)


def content_hash(content: str) -> str:
    """Identifies a game's content; recorded beside it."""
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def sizes(given: Mapping[str, int] | None) -> dict[str, int]:
    """Games in each split; those not given are as `DEFAULT_GAMES` says. Raises `ConfigError`."""
    for split, count in (given or {}).items():
        if split not in SPLITS:
            raise unknown("split", str(split), SPLITS, "games of 'textworld'")
        if type(count) is not int or count < 1:
            raise ConfigError(
                f"games of split {split!r} are {count!r}: give a number of at least 1"
            )
    return {**DEFAULT_GAMES, **(given or {})}


def index_of(task: object, counts: Mapping[str, int]) -> tuple[str, int]:
    """Split and index of a task. Raises `TaskError` for what is no task."""
    found = _TASK.fullmatch(task) if isinstance(task, str) else None
    if found is None:
        raise TaskError(
            f"there is no TextWorld task {task!r}: tasks are called train-0, dev-3, test-12"
        )
    split, index = found.group(1), int(found.group(2))
    if index >= counts[split]:
        raise TaskError(
            f"there is no task {task!r}: split {split!r} has {counts[split]} games (raise games={{ {split} = … }} for more)"
        )
    return split, index
