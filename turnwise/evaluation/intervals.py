"""Confidence intervals of means over tasks, and of differences between them.

Attempts at the same task are correlated, so every interval resamples tasks (with all their
attempts) and never single episodes. Everything is vectorised, seeded, and bounded in memory.

Sources: percentile bootstrap, Efron & Tibshirani 1993, section 13.3. Where all tasks agree: Clopper
& Pearson 1934, which also holds for values within [0, 1], since P(X > 0) is at least the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from turnwise.errors import TaskError
from turnwise.records import Floats, TaskId

CONFIDENCE = 0.95
RESAMPLES = 10_000
MAX_RESAMPLED_VALUES = 2_000_000
"""Resampled values held at once, to bound memory with many tasks."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Mean over `n` tasks with its 95 % confidence interval."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of zero."""
        return self.low > 0.0 or self.high < 0.0


def interval(values: Sequence[float] | Floats, seed: int = 0, bounded: bool = False) -> Interval:
    """Return the mean of `values` (one per task, shape [n]) with a percentile bootstrap interval.

    Args:
        bounded: values lie in [0, 1]. Where all of them are 0 or all are 1 the bootstrap interval
            would have no width, so the exact binomial limit is used: 20 successes of 20 give
            [0.832, 1], not [1, 1].

    Raises:
        TaskError: when there are no values.
    """
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        raise TaskError("there is no episode to measure: all of them errored, or none was played")
    n, mean = int(array.size), float(array.mean())
    if bounded and (array == array[0]).all() and array[0] in (0.0, 1.0):
        limit = float(((1 - CONFIDENCE) / 2) ** (1 / n))
        low, high = (limit, 1.0) if array[0] == 1.0 else (0.0, 1.0 - limit)
        return Interval(mean, low, high, n)
    low, high = _percentiles(_resampled_means(array, seed))
    return Interval(mean, low, high, n)


def _resampled_means(values: Floats, seed: int) -> Floats:
    """Return [RESAMPLES] means of values drawn with replacement."""
    rng, n = np.random.default_rng(seed), len(values)
    means, block = np.empty(RESAMPLES), max(1, MAX_RESAMPLED_VALUES // n)
    for start in range(0, RESAMPLES, block):
        stop = min(start + block, RESAMPLES)
        drawn = rng.integers(n, size=(stop - start, n), dtype=np.int32)
        means[start:stop] = values[drawn].mean(axis=1)
    return means


def _percentiles(draws: Floats) -> tuple[float, float]:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(draws, [tail, 100 - tail])
    return float(low), float(high)


# Comparisons
# --------------------------------------------------------------------------------------------------


def pooled(
    runs: Sequence[tuple[Mapping[TaskId, float], Mapping[TaskId, float]]], seed: int = 0
) -> Interval:
    """Return the mean paired difference of several runs (seeds).

    Both runs and tasks are resampled, so the interval covers other seeds and other tasks. Where all
    runs played the same tasks the two are crossed (a task that is easy is easy in every run);
    otherwise tasks are resampled within each run. With one run this is the paired bootstrap over
    tasks. `n` counts the distinct tasks.

    Args:
        runs: for each run its values by task before and after, such as `Score.by_task`.

    Raises:
        TaskError: without runs, or when a run has no task both before and after.
    """
    gains = [
        {task: after[task] - value for task, value in before.items() if task in after}
        for before, after in runs
    ]
    if not gains or not all(gains):
        raise TaskError(
            "there is nothing to compare: no task has an episode without error both before and "
            "after"
        )
    if len(gains) == 1:
        return interval(list(gains[0].values()), seed)
    crossed = all(gain.keys() == gains[0].keys() for gain in gains)
    rng = np.random.default_rng(seed)
    draws = _crossed_means(gains, rng) if crossed else _nested_means(gains, rng)
    low, high = _percentiles(draws)
    mean = float(np.mean([np.mean(list(gain.values())) for gain in gains]))
    return Interval(mean, low, high, len(set().union(*gains)))


def _crossed_means(gains: Sequence[Mapping[TaskId, float]], rng: np.random.Generator) -> Floats:
    table = np.array([[gain[task] for task in gains[0]] for gain in gains], dtype=np.float64)
    runs, tasks = table.shape
    draws, block = np.empty(RESAMPLES), max(1, MAX_RESAMPLED_VALUES // tasks)
    for start in range(0, RESAMPLES, block):
        stop = min(start + block, RESAMPLES)
        of_runs = rng.multinomial(runs, np.full(runs, 1 / runs), size=stop - start)
        of_tasks = rng.multinomial(tasks, np.full(tasks, 1 / tasks), size=stop - start)
        draws[start:stop] = ((of_runs @ table) * of_tasks).sum(axis=1) / table.size
    return draws


def _nested_means(gains: Sequence[Mapping[TaskId, float]], rng: np.random.Generator) -> Floats:
    draws, lines = np.zeros(RESAMPLES), np.arange(RESAMPLES)
    # Each draw takes as many runs as there are, with replacement, each with tasks of its own.
    for _ in gains:
        means = [
            _resampled_means(np.array(list(gain.values())), int(rng.integers(2**63)))
            for gain in gains
        ]
        draws += np.array(means)[rng.integers(len(gains), size=RESAMPLES), lines]
    return draws / len(gains)
