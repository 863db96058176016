"""SPO: one rollout per task, with a running estimate of each task's success in place of a group.

Z. Xu, Z. Ding, "Single-stream Policy Optimization", arXiv 2509.13232.

    v = alpha / (alpha + beta)                         A = whiten(R - v)
    alpha <- rho alpha + R, beta <- rho beta + 1 - R   starting from n_0 = 8 rollouts of value v_0
    P(task) ~ sqrt(v (1 - v)) + 0.05

Fidelity:
    Certain (verl-recipe's code): tracker, advantage and task weights.
    Departures: rho is fixed (the paper moves it within [0.875, 0.96] by how far the policy has
    moved on the task's last response, which needs a forward over responses of the epoch before).
    v_0 is a setting, where the paper first plays every task 8 times.
    Our reading: the tracker is the sampler's history, n = alpha + beta and mean = alpha / n; v is
    its value before the step. Give `group_size = 1` in the config; larger groups share their task's
    v. Returns are taken to be in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.options import CommonOptions, refuses
from turnwise.algorithms.parts.advantage import Whiten
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.sampler import History, Uniform
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError
from turnwise.records import Group, TaskId


@dataclass(frozen=True, slots=True)
class UncertaintySampler:
    """Draw tasks by sqrt(v (1 - v)) + floor, and discount old returns at the rate rho."""

    rho: float = 0.9
    prior: float = 0.5
    strength: float = 8.0
    floor: float = 0.05
    requirements = frozenset[str]()

    def __post_init__(self) -> None:
        if not (
            0 < self.rho <= 1 and 0 <= self.prior <= 1 and self.strength >= 0 and self.floor > 0
        ):
            raise ConfigError(
                "give 0 < rho <= 1, a prior in [0, 1], a strength of at least 0 and a floor above 0"
            )

    def choose(
        self, tasks: Sequence[TaskId], number: int, rng: np.random.Generator, history: History
    ) -> list[TaskId]:
        """Draw `number` tasks, none twice unless there are too few."""
        value = np.clip([history.get(task, (0.0, self.prior))[1] for task in tasks], 0.0, 1.0)
        weight = np.sqrt(value * (1 - value)) + self.floor
        drawn = rng.choice(
            len(tasks), size=number, replace=number > len(tasks), p=weight / weight.sum()
        )
        return [tasks[int(i)] for i in drawn]

    def missing(self, groups: Sequence[Group], number: int) -> int:
        return Uniform().missing(groups, number)

    def track(self, known: tuple[float, float] | None, reward: float) -> tuple[float, float]:
        """Return a task's (alpha + beta, v) after one more return."""
        n, mean = known or (self.strength, self.prior)
        n = self.rho * n + 1
        return n, mean + (reward - mean) / n


@dataclass(frozen=True, slots=True)
class TrackedBaseline:
    """R less the sampler's v of the task, or less `prior` for a task that was never played."""

    prior: float = 0.5
    requirements = frozenset({"precomputed:task_mean"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        value = batch.recorded("task_mean")
        returns = batch.returns[batch.owner[batch.turn_of]]
        return batch.write(advantage=returns - np.where(np.isnan(value), self.prior, value))


@refuses(drop_equal_groups="it has no groups: each task is played once")
def recipe(
    *,
    rho: float = 0.9,
    prior: float = 0.5,
    strength: float = 8.0,
    floor: float = 0.05,
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build SPO. `prior` is v_0 and `strength` n_0."""
    return common.build(
        "spo",
        sampler=UncertaintySampler(rho, prior, strength, floor),
        advantage=TrackedBaseline(prior),
        reweighters=(Whiten(),),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high, dual_clip),
    )
