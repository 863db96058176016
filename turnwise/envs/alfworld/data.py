"""Which games there are, found by name: what environments over the same data share.

`Games` says which tasks each split has without reading a game, and makes a game when it is first
played. Games in use are shared and a bounded number of others is kept, so that thousands cost no
memory. `GivenGames` are those given one by one.
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
from turnwise.envs.alfworld.splits import place, splits_of
from turnwise.envs.base import TaskId
from turnwise.errors import TaskError

KEPT = 256
"""Games of one data set that are kept though nobody plays them."""


class Games(ABC):
    """Tasks by split, and the game of each."""

    splits: tuple[str, ...]
    data_hash: str
    """Hash of everything that the transcripts depend on."""

    @abstractmethod
    def tasks(self, split: str) -> Sequence[TaskId]:
        """Task ids of a split, always in the same order. Raises `TaskError` for an unknown split."""

    @abstractmethod
    def find(self, task: TaskId, split: str) -> tuple[TaskId, str]:
        """The task's own id, and the split it is in. `split` is where an integer counts. Raises
        `TaskError`.
        """

    @abstractmethod
    def game(self, task: TaskId) -> Game:
        """The game of a task's own id. Raises `DataError` where its file cannot be played."""

    def path(self, task: TaskId) -> Path | None:
        """The `game.tw-pddl` file that a game was read from; None for one that was made."""
        return None

    def _known(self, split: str) -> None:
        if split not in self.splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self.splits)}"
            )


class GivenGames(Games):
    """Games given one by one: the split `all`, task `i` being game `i`."""

    splits = ("all",)

    def __init__(self, games: Iterable[Game], paths: Iterable[Path | None]) -> None:
        self.games, self.paths = tuple(games), tuple(paths)
        self.data_hash = hashlib.blake2b(
            repr([game.digest for game in self.games]).encode(), digest_size=16
        ).hexdigest()

    def tasks(self, split: str) -> Sequence[TaskId]:
        if split not in self.splits:
            raise TaskError(
                f"there is no split {split!r} here: games given one by one are the split 'all'"
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
                f"a task over given games is the index of a game, and {task!r} is not an integer"
            )
        if not 0 <= index < len(self.games):
            raise TaskError(
                f"there is no game {index}: {len(self.games)} games were given, numbered from 0"
            )
        return index


class NamedGames(Games):
    """Games with names, made when they are first played.

    Args:
        listed: for each game its name, the split the data has it in, and its type of task.
        rule: how they are divided, see `turnwise.envs.alfworld.splits`. A split that no game is in
            is left out.
    """

    def __init__(self, listed: Iterable[tuple[str, str, str]], rule: str) -> None:
        found: dict[str, list[str]] = {split: [] for split in splits_of(rule)}
        for name, split, kind in listed:
            chosen = place(rule, split, kind)
            if chosen is not None:
                found[chosen].append(name)
        self._tasks = {split: tuple(names) for split, names in found.items() if names}
        self.splits = tuple(self._tasks)
        self._used: WeakValueDictionary[str, Game] = WeakValueDictionary()
        self._kept: OrderedDict[str, Game] = OrderedDict()

    @cached_property
    def _split_of(self) -> dict[str, str]:
        return {name: split for split, names in self._tasks.items() for name in names}

    def tasks(self, split: str) -> Sequence[TaskId]:
        self._known(split)
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
        found = self._used.get(name)
        if found is None:
            found = self._used[name] = self._make(name)
        self._kept[name] = found
        self._kept.move_to_end(name)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    @abstractmethod
    def _make(self, name: str) -> Game:
        """The game called so."""


def _integer(task: TaskId) -> int | None:
    try:
        return operator.index(task)  # type: ignore[arg-type]
    except TypeError:
        return None
