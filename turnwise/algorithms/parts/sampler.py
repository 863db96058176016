"""Samplers: which tasks are rolled out next, and whether the rollouts suffice for a step.

A sampler is frozen. What is known about tasks is in a `History` that the trainer keeps and saves,
so that a resumed run draws the same tasks. A sampler is asked again within a step (`missing`), as
dynamic sampling and budget allocation require.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import numpy as np

from turnwise.records import Group, TaskId

History: TypeAlias = Mapping[TaskId, tuple[float, float]]
"""task -> (rollouts so far, mean return). A sampler may discount old rollouts."""


def running(known: tuple[float, float] | None, reward: float) -> tuple[float, float]:
    """Return a task's history after one more return: its plain mean.

    A sampler with a `track` method of this signature keeps another.
    """
    n, mean = known or (0, 0.0)
    return n + 1, mean + (reward - mean) / (n + 1)


class Sampler(Protocol):
    """Chooses tasks."""

    @property
    def requirements(self) -> frozenset[str]: ...

    def choose(
        self, tasks: Sequence[TaskId], number: int, rng: np.random.Generator, history: History
    ) -> list[TaskId]:
        """Draw `number` tasks to roll out now."""
        ...

    def missing(self, groups: Sequence[Group], number: int) -> int:
        """Return how many more tasks to roll out, given the groups of this step so far."""
        ...


@dataclass(frozen=True, slots=True)
class Uniform:
    """All tasks equally likely; none twice in one draw unless there are too few."""

    requirements = frozenset[str]()

    def choose(
        self, tasks: Sequence[TaskId], number: int, rng: np.random.Generator, history: History
    ) -> list[TaskId]:
        drawn = rng.choice(len(tasks), size=number, replace=number > len(tasks))
        return [tasks[int(i)] for i in drawn]

    def missing(self, groups: Sequence[Group], number: int) -> int:
        return max(0, number - len(groups))


@dataclass(frozen=True, slots=True)
class Dynamic:
    """Draw uniformly, and again until enough groups have unequal returns.

    DAPO's dynamic sampling (arXiv 2503.14476). With `low` and `high` a group counts only where its
    share of successes lies between them (SimpleTIR's filter). With `oversample` more tasks than
    needed are drawn at once, so that fewer rounds are needed.
    """

    low: float = 0.0
    high: float = 1.0
    oversample: float = 1.0
    compared: Literal["env", "success"] = "env"
    """Quantity that must differ within a group: the environment's return, or (with
    `success_reward`) whether the task was solved."""
    requirements = frozenset[str]()

    def choose(
        self, tasks: Sequence[TaskId], number: int, rng: np.random.Generator, history: History
    ) -> list[TaskId]:
        return Uniform().choose(tasks, round(number * max(1.0, self.oversample)), rng, history)

    def missing(self, groups: Sequence[Group], number: int) -> int:
        return max(0, number - sum(self.counts(group) for group in groups))

    def counts(self, group: Group) -> bool:
        """Return whether a group has anything to learn from."""
        whole = [t for t in group.trajectories if t.error is None]
        returns = [t.reward({self.compared: 1.0}) for t in whole]
        share = sum(t.success for t in whole) / max(1, len(whole))
        return bool(returns) and max(returns) > min(returns) and self.low <= share <= self.high
