"""Game collections: the tasks of each split, and the game of each task.

Splits are those of the data, divided further on request. `official` is the original's division
(Shridhar et al. 2021): `valid_seen` has the rooms of training with other tasks and other objects;
`valid_unseen` has held-out rooms. `types` also holds two types of task out of training, as RLVMR
does (Zhang et al. 2025, arXiv 2507.22844): its L0 is `valid_seen`, its L1 `valid_unseen`, and its
L2, held-out types in held-out rooms, is `unseen_types`.
"""

from __future__ import annotations

import hashlib
import operator
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from weakref import WeakValueDictionary

from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.goals import TREATMENTS, TWO
from turnwise.envs.base import TaskId
from turnwise.errors import TaskError, unknown

TRAIN, SEEN, UNSEEN = "train", "valid_seen", "valid_unseen"
SPLITS = (TRAIN, SEEN, UNSEEN)
"""The original's names of its three splits, which are also the names of its directories."""
UNSEEN_TYPES = "unseen_types"
HELD_OUT_TYPES = frozenset((TREATMENTS["iscool"], TWO))
"""Types of task that `types` keeps out of training: Cool & Place, and Pick Two & Place."""
SPLIT_RULES = {"official": SPLITS, "types": (*SPLITS, UNSEEN_TYPES)}
"""The splits of each rule."""
MAX_CACHED_GAMES = 256
"""Games of one data set that stay in memory although no environment plays them."""


def splits_of(rule: str) -> tuple[str, ...]:
    """Return the splits of a rule. Raises `ConfigError` for an unknown one."""
    if rule not in SPLIT_RULES:
        raise unknown("split rule", rule, SPLIT_RULES, "ALFWorld")
    return SPLIT_RULES[rule]


def assign_split(rule: str, split: str, task_type: str) -> str | None:
    """Return the split of a game that is in `split` of the data; None if the rule leaves it out."""
    if rule == "official" or task_type not in HELD_OUT_TYPES:
        return split
    return UNSEEN_TYPES if split == UNSEEN else None


class Games(ABC):
    """Tasks by split, and the game of each."""

    splits: tuple[str, ...]
    data_hash: str
    """Hash of everything that the transcripts depend on."""

    @abstractmethod
    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the task ids of a split, in a fixed order. Raises `TaskError` if unknown."""

    @abstractmethod
    def find(self, task: TaskId, split: str) -> tuple[TaskId, str]:
        """Return the canonical id of a task and its split.

        Args:
            task: an id, or an index into `split`.

        Raises:
            TaskError: for an unknown task.
        """

    @abstractmethod
    def game(self, task: TaskId) -> Game:
        """Return the game of a canonical task id. Raises `DataError` for an unplayable file."""

    def path(self, task: TaskId) -> Path | None:
        """Return the `game.tw-pddl` file that a game was read from; None for a generated game."""
        return None


class ListedGames(Games):
    """Games passed in one by one: the split `all`, in which task `i` is game `i`."""

    splits = ("all",)

    def __init__(self, games: Iterable[Game], paths: Iterable[Path | None]) -> None:
        self.games, self.paths = tuple(games), tuple(paths)
        self.data_hash = hashlib.blake2b(
            repr([game.digest for game in self.games]).encode(), digest_size=16
        ).hexdigest()

    def tasks(self, split: str) -> Sequence[TaskId]:
        if split not in self.splits:
            raise TaskError(
                f"there is no split {split!r} here: games given as a list are the split 'all'"
            )
        return range(len(self.games))

    def find(self, task: TaskId, split: str) -> tuple[TaskId, str]:
        self.tasks(split)
        return self._index(task), "all"

    def game(self, task: TaskId) -> Game:
        return self.games[self._index(task)]

    def path(self, task: TaskId) -> Path | None:
        return self.paths[self._index(task)]

    def _index(self, task: TaskId) -> int:
        index = _integer(task)
        if index is None:
            raise TaskError(
                f"task {task!r} is not an integer: with games given as a list, a task is the index "
                "of a game"
            )
        if not 0 <= index < len(self.games):
            raise TaskError(
                f"there is no game {index}: {len(self.games)} games were given, numbered from 0"
            )
        return index


class NamedGames(Games):
    """Games with names, made when they are first played.

    Games in use are shared by all environments; of the others `MAX_CACHED_GAMES` are kept.

    Args:
        listed: for each game its name, its split in the data, and its type of task.
        rule: how they are divided: `official` or `types`. A split without games is left out.
    """

    def __init__(self, listed: Iterable[tuple[str, str, str]], rule: str) -> None:
        found: dict[str, list[str]] = {split: [] for split in splits_of(rule)}
        for name, split, kind in listed:
            chosen = assign_split(rule, split, kind)
            if chosen is not None:
                found[chosen].append(name)
        self._tasks = {split: tuple(names) for split, names in found.items() if names}
        self.splits = tuple(self._tasks)
        self._in_use: WeakValueDictionary[str, Game] = WeakValueDictionary()
        self._recent: OrderedDict[str, Game] = OrderedDict()

    @cached_property
    def _split_of(self) -> dict[str, str]:
        return {name: split for split, names in self._tasks.items() for name in names}

    def tasks(self, split: str) -> Sequence[TaskId]:
        if split not in self.splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self.splits)}"
            )
        return self._tasks[split]

    def find(self, task: TaskId, split: str) -> tuple[TaskId, str]:
        names = self.tasks(split)
        index = _integer(task)
        if index is not None:
            if not 0 <= index < len(names):
                raise TaskError(
                    f"split {split!r} has no task {index}: it has {len(names)}, numbered from 0"
                )
            return names[index], split
        if not isinstance(task, str) or task not in self._split_of:
            raise TaskError(
                f"there is no ALFWorld task {task!r} here: tasks are called like {names[0]!r}"
            )
        return task, self._split_of[task]

    def game(self, task: TaskId) -> Game:
        name = str(task)
        found = self._in_use.get(name)
        if found is None:
            found = self._in_use[name] = self._make(name)
        self._recent[name] = found
        self._recent.move_to_end(name)
        if len(self._recent) > MAX_CACHED_GAMES:
            self._recent.popitem(last=False)
        return found

    @abstractmethod
    def _make(self, name: str) -> Game:
        """Make the game of this name."""


def _integer(task: TaskId) -> int | None:
    try:
        return operator.index(task)  # type: ignore[arg-type]
    except TypeError:
        return None
