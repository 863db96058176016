"""Problems by split. Those of the same origin are shared by all environments of a process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import TypeAlias, TypeVar

from turnwise.envs.base import TaskId
from turnwise.envs.tool_math.problems import SPLITS, Problem, generate
from turnwise.errors import ConfigError, TaskError

Problems: TypeAlias = tuple[Problem, ...]


class Split:
    """The problems of one split, made at first use."""

    def __init__(self, make: Callable[[], Problems]) -> None:
        self._make = make
        self._by_id: Mapping[TaskId, Problem] | None = None

    @property
    def by_id(self) -> Mapping[TaskId, Problem]:
        """Problems by task id."""
        if self._by_id is None:
            made = self._make()
            self._by_id = {problem.id: problem for problem in made}
            if len(self._by_id) != len(made):
                raise ConfigError("two problems have the same id: each needs one of its own")
        return self._by_id


class ProblemSplits:
    """The problems of an environment, by split."""

    def __init__(self, splits: Mapping[str, Split], data_hash: Callable[[], str]) -> None:
        self._splits, self._hash = splits, data_hash

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._splits)

    @property
    def data_hash(self) -> str:
        return self._hash()

    def task_ids(self, split: str) -> Sequence[TaskId]:
        """Return the task ids of a split. Raises `TaskError` for an unknown split."""
        if split not in self._splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self._splits)}"
            )
        return tuple(self._splits[split].by_id)

    def problem(self, task: TaskId, split: str = "") -> tuple[str, Problem]:
        """Return split and problem of a task, searching `split` first.

        Raises:
            TaskError: for an unknown task.
        """
        for name in sorted(self._splits, key=lambda name: name != split):
            found = self._splits[name].by_id.get(task)
            if found is not None:
                return name, found
        raise TaskError(f"there is no task {task!r} here: tasks(split) lists them")


def passed_in(problems: Sequence[Problem] | Mapping[str, Sequence[Problem]]) -> ProblemSplits:
    """Collect problems passed in; a sequence is one split, `all`."""
    held = {name: tuple(several) for name, several in by_split(problems).items()}
    if not held or not all(held.values()):
        raise ConfigError("every split needs at least one problem")
    return ProblemSplits(
        {name: Split(partial(tuple, several)) for name, several in held.items()},
        lambda: content_hash(held),
    )


T = TypeVar("T")


def by_split(source: T | Mapping[str, T]) -> dict[str, T]:
    """Return a mapping from split to source; a single source is the split `all`."""
    return dict(source) if isinstance(source, Mapping) else {"all": source}


@lru_cache(maxsize=16)
def generated(
    families: tuple[str, ...], levels: tuple[int, ...], counts: tuple[int, int, int], seed: int
) -> ProblemSplits:
    """Generate problems; `counts` are those of train, dev and test."""
    if min(counts) < 1:
        raise ConfigError(
            f"train, dev and test are {counts}: each split needs at least one problem"
        )

    def maker(split: str, count: int) -> Split:
        return Split(lambda: generate(count, split, families=families, levels=levels, seed=seed))

    splits = {split: maker(split, count) for split, count in zip(SPLITS, counts, strict=True)}

    @lru_cache
    def sample_hash() -> str:
        # Fifty of each are enough to notice a changed generator, without generating all.
        return content_hash({
            split: generate(min(50, count), split, families=families, levels=levels, seed=seed)
            for split, count in zip(SPLITS, counts, strict=True)
        })  # fmt: skip

    return ProblemSplits(
        splits, lambda: f"generated {families} {levels} {counts} {seed} {sample_hash()}"
    )


@lru_cache(maxsize=16)
def loaded(
    files: tuple[tuple[str, str], ...], fields: tuple[tuple[str, str], ...]
) -> ProblemSplits:
    """Load problems from files, one for each split."""
    from turnwise.envs.tool_math.datasets import load_problems

    return passed_in({split: load_problems(file, dict(fields)) for split, file in files})


def content_hash(splits: Mapping[str, Sequence[Problem]]) -> str:
    """Return a hash of every problem of every split."""
    digest = hashlib.blake2b(digest_size=16)
    for name, problems in splits.items():
        content = [(p.id, p.question, p.answer, p.code, p.tags) for p in problems]
        digest.update(repr((name, content)).encode("utf8", "surrogatepass"))
    return digest.hexdigest()
