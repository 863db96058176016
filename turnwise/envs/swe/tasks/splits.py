"""Tasks by split, and the repositories they are made from.

Splits are disjoint by function. Tasks that break the same function, or that are linked by a task
with several bugs, share a split, which is drawn from a hash of the function's name. No function of
the test split is repaired in training.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from turnwise.envs.base import TaskId
from turnwise.envs.swe.syntax import Function, PythonSource, functions
from turnwise.envs.swe.tasks.repository import Repository, from_directory, open_source
from turnwise.envs.swe.tasks.task import SweTask, read_tasks
from turnwise.envs.swe.tasks.trees import Trees, build_trees
from turnwise.errors import ConfigError, DataError, TaskError

SPLITS = ("train", "dev", "test")
SPLIT_SHARES = (0.7, 0.15)
"""Shares of the functions in `train` and `dev`; the rest is `test`."""
TOY = "toy"


def toy_folder() -> Path:
    """Return the folder of the shipped repository."""
    return Path(str(files("turnwise.envs.swe"))) / "toy" / "pocketkit-1.0"


def toy_tasks() -> Path:
    """Return the file of the shipped tasks."""
    return Path(str(files("turnwise.envs.swe"))) / "toy" / "tasks.jsonl"


class TaskSplits:
    """Tasks by split, with access to their trees.

    Args:
        splits: tasks by split.
        opened: returns the repository of a task.
    """

    def __init__(
        self, splits: Mapping[str, Sequence[SweTask]], opened: Callable[[SweTask], Repository]
    ) -> None:
        self._splits = {name: {task.id: task for task in tasks} for name, tasks in splits.items()}
        self._opened = opened
        seen: set[TaskId] = set()
        for name, tasks in splits.items():
            if len(self._splits[name]) != len(tasks) or seen & self._splits[name].keys():
                raise DataError(
                    f"two tasks (within split {name!r}, or in two splits) have the same id: "
                    "generate them in one file"
                )
            seen |= self._splits[name].keys()
        if not seen:
            raise DataError("there are no tasks: generate some with `turnwise swe generate`")
        self.data_hash = hashlib.blake2b(repr(self._splits).encode(), digest_size=16).hexdigest()

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._splits)

    def task_ids(self, split: str) -> tuple[TaskId, ...]:
        """Return the task ids of a split. Raises `TaskError` if it is unknown."""
        if split not in self._splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self._splits)}"
            )
        return tuple(self._splits[split])

    def task(self, task: TaskId, split: str = "") -> tuple[str, SweTask]:
        """Return the split of a task and the task, searching `split` first.

        Raises `TaskError` if it is unknown.
        """
        for name in sorted(self._splits, key=lambda name: name != split):
            found = self._splits[name].get(str(task))
            if found is not None:
                return name, found
        raise TaskError(f"there is no task {task!r} here: tasks(split) lists them")

    def trees(self, task: SweTask) -> Trees:
        """Return the trees of a task."""
        return build_trees(task, self._opened(task))


@lru_cache(maxsize=8)
def load_tasks(files: tuple[tuple[str, str], ...], source: str) -> TaskSplits:
    """Load tasks from files.

    Args:
        files: pairs (split, file). A single file for the split "" is split by function; no pair at
            all loads the shipped tasks.
        source: a directory, a source archive, or a directory of several; "" for the shipped
            repository and for what pip can download.

    Raises:
        DataError: for files or sources that are missing or do not match the tasks.
    """
    given = {split: tuple(read_tasks(file)) for split, file in files or (("", str(toy_tasks())),)}
    library = SourceLibrary(source, [task for tasks in given.values() for task in tasks])
    if tuple(given) == ("",):
        return TaskSplits(split_by_function(given[""], library), library)
    if "" in given:
        raise ConfigError(
            "tasks= mixes files with and without a split: give every file a split, or a single file"
        )
    return TaskSplits(given, library)


class SourceLibrary:
    """The repositories of tasks, each opened once and identified by its digest.

    Args:
        source: see `load_tasks`.
        tasks: tasks whose repositories are opened at once.
    """

    def __init__(self, source: str, tasks: Iterable[SweTask]) -> None:
        self._source = source
        self._known: dict[str, Repository] = {}
        self._lock = threading.Lock()
        for task in tasks:
            self(task)

    def __call__(self, task: SweTask) -> Repository:
        with self._lock:
            if task.sha256 not in self._known:
                self._known[task.sha256] = self._find(task)
            return self._known[task.sha256]

    def _find(self, task: SweTask) -> Repository:
        if task.source == TOY:
            candidates: Iterable[Repository] = (from_directory(toy_folder(), TOY),)
        else:
            candidates = map(_opened, self._candidates(task))
        found = None
        for found in candidates:
            if found.sha256 == task.sha256:
                return found
        has = (
            f"{found.name} {found.version} has {found.sha256[:12]}"
            if found is not None
            else f"{self._source} does not have it"
            if self._source
            else "no source= was given"
        )
        raise DataError(
            f"the task {task.id} needs {task.name} {task.version} with SHA-256 {task.sha256[:12]}, "
            f"but {has}: give the directory or archive that the tasks were generated from as "
            "source="
        )

    def _candidates(self, task: SweTask) -> list[str]:
        """Return the sources that may hold a task's repository."""
        if not self._source:
            return [f"{task.name}=={task.version}"] if task.source == "pypi" else []
        path = Path(self._source).expanduser()
        if not path.is_dir():
            return [str(path)]
        stems = {
            f"{name}-{task.version}".lower() for name in (task.name, task.name.replace("-", "_"))
        }
        inside = sorted(
            str(entry)
            for entry in path.iterdir()
            if entry.name.lower().removesuffix(".tar.gz") in stems
        )
        return [*inside, str(path)] if inside or task.source != "pypi" else inside


def _opened(source: str) -> Repository:
    return open_source(source)


def split_by_function(
    tasks: Sequence[SweTask], library: Callable[[SweTask], Repository]
) -> dict[str, tuple[SweTask, ...]]:
    """Split tasks into train, dev and test so that no function occurs in two.

    Splits without tasks are left out.
    """
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    touched = {task.id: broken_functions(task, library(task)) for task in tasks}
    for names in touched.values():
        for name in names[1:]:
            first, second = sorted((find(names[0]), find(name)))
            leader[second] = first
    made: dict[str, list[SweTask]] = {split: [] for split in SPLITS}
    for task in tasks:
        made[_split_of(find(touched[task.id][0]))].append(task)
    return {split: tuple(several) for split, several in made.items() if several}


def _split_of(name: str) -> str:
    """Return the split of a function, drawn from a hash of its name."""
    drawn = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64
    return (
        SPLITS[0]
        if drawn < SPLIT_SHARES[0]
        else SPLITS[1]
        if drawn < sum(SPLIT_SHARES)
        else SPLITS[2]
    )


def broken_functions(task: SweTask, repository: Repository) -> list[str]:
    """Return the functions a task breaks as `package path::name`, sorted.

    Raises `DataError` if its source does not have them.
    """
    found = set()
    for m in task.mutations:
        if m.path not in repository.tree:
            raise DataError(
                f"the task {task.id} changes {m.path}, which its source does not have: the "
                "task was edited"
            )
        data = repository.tree[m.path]
        line = data.count(b"\n", 0, m.start) + 1
        inside = [f.name for f in _functions(data) if f.first <= line <= f.last]
        found.add(f"{task.name} {m.path}::{inside[-1] if inside else ''}")
    return sorted(found)


@lru_cache(maxsize=256)
def _functions(data: bytes) -> tuple[Function, ...]:
    return tuple(function for function, _ in functions(PythonSource(data).tree))
