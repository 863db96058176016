"""Tasks: their names, the seeds tried for each, and the split a game belongs to.

A task is named `train-17`. Its game is the first, over a fixed sequence of seeds, that can be made
and whose content belongs to the split. A hash of the game's source decides: half of all contents
are train, a quarter each dev and test. So no game is in two splits, whatever the seeds and
settings, and no split depends on another having been made.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from turnwise.envs.textworld.settings import GameSettings
from turnwise.errors import ConfigError, TaskError, unknown

VERSION = 1
"""Raised when the game of a task changes; part of every cache name."""
SPLITS = ("train", "dev", "test")
SHARES = {"train": range(0, 2), "dev": range(2, 3), "test": range(3, 4)}
"""Quarters of all game contents."""
DEFAULT_GAMES = {"train": 200, "dev": 50, "test": 100}
MAX_SEEDS = 200
"""Seeds tried for one game before giving up."""
_TASK = re.compile(r"(train|dev|test)-(0|[1-9]\d*)")


@dataclass(frozen=True, slots=True)
class GameSpec:
    """Specification of a game: everything it depends on except the versions of the packages."""

    settings: GameSettings
    split: str
    index: int
    seed: int
    """The environment's `game_seed`."""

    def digest(self) -> str:
        """Return a hash of twenty hexadecimal digits."""
        text = f"{VERSION}/{self.settings.key()}/{self.split}/{self.index}/{self.seed}"
        return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()

    def candidate(self, attempt: int) -> int:
        """Return the seed passed to TextWorld at an attempt, below 2^31."""
        text = f"{self.digest()}/{attempt}"
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big") >> 1

    def task(self) -> str:
        """Return the task id, such as `train-17`."""
        return f"{self.split}-{self.index}"


def split_of(content: str) -> str:
    """Return the split of a game with this content (its Inform 7 source)."""
    quarter = hashlib.blake2b(content.encode(), digest_size=8).digest()[0] % 4
    return next(split for split, share in SHARES.items() if quarter in share)


def content_hash(content: str) -> str:
    """Return the hash of a game's content, which is recorded beside it."""
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def sizes(given: Mapping[str, int] | None) -> dict[str, int]:
    """Return the number of games of each split, from `given` or `DEFAULT_GAMES`.

    Raises:
        ConfigError: for an unknown split, or a number below 1.
    """
    for split, count in (given or {}).items():
        if split not in SPLITS:
            raise unknown("split", str(split), SPLITS, "games of 'textworld'")
        if type(count) is not int or count < 1:
            raise ConfigError(
                f"games of split {split!r} are {count!r}: give a number of at least 1"
            )
    return {**DEFAULT_GAMES, **(given or {})}


def index_of(task: object, counts: Mapping[str, int]) -> tuple[str, int]:
    """Return split and index of a task. Raises `TaskError` if there is no such task."""
    found = _TASK.fullmatch(task) if isinstance(task, str) else None
    if found is None:
        raise TaskError(
            f"there is no TextWorld task {task!r}: tasks are called train-0, dev-3, test-12"
        )
    split, index = found.group(1), int(found.group(2))
    if index >= counts[split]:
        raise TaskError(
            f"there is no task {task!r}: split {split!r} has {counts[split]} games (set games={{ "
            f"{split} = … }} for more)"
        )
    return split, index
