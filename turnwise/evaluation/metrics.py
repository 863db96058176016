"""What a set of episodes says about an agent, and how sure one can be of it.

The task is the unit of chance: attempts at one task are alike, so every interval resamples tasks (with all their
attempts) and never single episodes. A trajectory that broke off with an error earned and lost nothing: it is counted as
an error, reported apart, and no mean contains it.

Sources: percentile bootstrap, Efron & Tibshirani 1993 section 13.3; the limit where every task agrees, Clopper & Pearson
1934 (for values within [0, 1] and not only for 0 and 1, since P(X > 0) is at least the mean); pass@k, Chen et al. 2021
(arXiv:2107.03374) equation 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from turnwise.errors import TaskError
from turnwise.records import Floats, TaskId, Trajectory

LEVEL = 0.95
RESAMPLES = 10_000
_CELLS = 2_000_000
"""Resampled values held at once, so that 10,000 resamples of 10,000 tasks fit in a few megabytes."""

ByTask: TypeAlias = dict[TaskId, list[Trajectory]]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over `n` tasks and the interval that holds it with 95 % confidence."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"

    @property
    def excludes_zero(self) -> bool:
        """True where the whole interval lies on one side of zero."""
        return self.low > 0.0 or self.high < 0.0


@dataclass(frozen=True, slots=True)
class TypeScore:
    """One line of the per-type table: the tasks whose trajectories carry a `key=value` tag."""

    tasks: int
    episodes: int
    success: Interval
    score: Interval


@dataclass(frozen=True, slots=True)
class Metrics:
    """Everything measured on a set of episodes. Means are over tasks of the task's mean; errors are in none of them."""

    tasks: int
    """Tasks with at least one episode that was played to its end."""
    episodes: int
    """Episodes played to their end."""
    errors: int
    """Episodes that broke off; reported apart, never counted as 0."""
    success: Interval
    """With k attempts a task this is avg@k."""
    score: Interval
    pass_at_k: dict[int, Interval]
    """Chance that at least one of k attempts succeeds, for k = 1, 2, 4, … and the number of attempts."""
    types: dict[str, TypeScore]
    turns: float
    """Mean turns of an episode."""
    generated_tokens: float
    """Mean tokens that an episode's agent produced."""
    context_tokens: float
    """Mean over episodes of the longest prompt with its completion."""
    invalid_actions: float
    """Share of all turns whose action was malformed or did nothing."""
    stop_reasons: dict[str, int]
    """Of the episodes that were played to their end."""
    error_messages: dict[str, int]
    """The most frequent errors and how often each came up."""


def interval(values: Sequence[float] | Floats, seed: int = 0, bounded: bool = False) -> Interval:
    """Mean of `values` (one for each task, shape [n]) with its percentile bootstrap interval.

    Args:
        bounded: values lie in [0, 1]. Where all of them are 0 or all are 1 the bootstrap would claim certainty; the
            exact binomial limit stands in its place: 20 successes of 20 give [0.832, 1], not [1, 1].

    Raises:
        TaskError: when there are no values.
    """
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        raise TaskError("there is no episode to measure: every one of them broke off, or none was played")
    n, mean = int(array.size), float(array.mean())
    if bounded and (array == array[0]).all() and array[0] in (0.0, 1.0):
        limit = float(((1 - LEVEL) / 2) ** (1 / n))
        return Interval(mean, limit, 1.0, n) if array[0] == 1.0 else Interval(mean, 0.0, 1.0 - limit, n)
    low, high = _percentiles(_resampled_means(array, seed))
    return Interval(mean, low, high, n)


def _resampled_means(values: Floats, seed: int) -> Floats:
    """[RESAMPLES] means of values drawn with replacement, a block of resamples at a time."""
    rng, n = np.random.default_rng(seed), len(values)
    means, block = np.empty(RESAMPLES), max(1, _CELLS // n)
    for start in range(0, RESAMPLES, block):
        stop = min(start + block, RESAMPLES)
        means[start:stop] = values[rng.integers(n, size=(stop - start, n), dtype=np.int32)].mean(axis=1)
    return means


def _percentiles(draws: Floats) -> tuple[float, float]:
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(draws, [tail, 100 - tail])
    return float(low), float(high)


# Episodes to tasks ----------------------------------------------------------------------------------------------------


def by_task(trajectories: Sequence[Trajectory]) -> ByTask:
    """The episodes that were played to their end, by task in order of appearance."""
    tasks: ByTask = {}
    for trajectory in trajectories:
        if trajectory.error is None:
            tasks.setdefault(trajectory.task, []).append(trajectory)
    return tasks


def task_means(tasks: ByTask, value: Callable[[Trajectory], float]) -> Floats:
    """[tasks] mean of `value` over each task's episodes."""
    return np.array([np.mean([value(t) for t in played]) for played in tasks.values()], dtype=np.float64)


def success_of(trajectory: Trajectory) -> float:
    """1 for success, else 0."""
    return float(trajectory.success)


def score_of(trajectory: Trajectory) -> float:
    """The benchmark's own score."""
    return trajectory.score


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased estimate, from n attempts of which c succeeded, that at least one of k succeeds: 1 - C(n-c,k)/C(n,k)."""
    if not 0 < k <= n or not 0 <= c <= n:
        raise ValueError(f"pass@k needs 0 < k <= n and 0 <= c <= n, not n={n} c={c} k={k}")
    return 1.0 if n - c < k else float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def _pass_table(tasks: ByTask, seed: int) -> dict[int, Interval]:
    counts = [(len(played), sum(t.success for t in played)) for played in tasks.values()]
    most = max(n for n, _ in counts)
    wanted = sorted({2**i for i in range(most.bit_length())} | {most})
    # A task that lost attempts to errors cannot say anything about k beyond the ones it has.
    return {k: interval([pass_at_k(n, c, k) for n, c in counts if n >= k], seed, bounded=True) for k in wanted if k <= most}


def _type_table(tasks: ByTask, seed: int) -> dict[str, TypeScore]:
    tagged: dict[str, ByTask] = {}
    for task, played in tasks.items():
        for trajectory in played:
            for tag in dict.fromkeys(tag for tag in trajectory.tags if "=" in tag):
                tagged.setdefault(tag, {}).setdefault(task, []).append(trajectory)
    return {
        tag: TypeScore(
            tasks=len(part),
            episodes=sum(map(len, part.values())),
            success=interval(task_means(part, success_of), seed, bounded=True),
            score=interval(task_means(part, score_of), seed, bounded=True),
        )
        for tag, part in sorted(tagged.items())
    }


def measure(trajectories: Sequence[Trajectory], seed: int = 0) -> Metrics:
    """Every figure of `trajectories`; `seed` is that of the bootstrap. Raises `TaskError` where all of them broke off."""
    tasks = by_task(trajectories)
    played = [t for group in tasks.values() for t in group]
    broken = [t.error for t in trajectories if t.error is not None]
    if not played:
        why = f"; the first error was: {broken[0]}" if broken else ""
        raise TaskError(f"there is nothing to measure: {len(broken)} of {len(trajectories)} episodes broke off{why}")
    turns = [turn for t in played for turn in t.turns]
    return Metrics(
        tasks=len(tasks),
        episodes=len(played),
        errors=len(broken),
        success=interval(task_means(tasks, success_of), seed, bounded=True),
        score=interval(task_means(tasks, score_of), seed, bounded=True),
        pass_at_k=_pass_table(tasks, seed),
        types=_type_table(tasks, seed),
        turns=len(turns) / len(played),
        generated_tokens=sum(len(turn.completion_ids) for turn in turns) / len(played),
        context_tokens=float(np.mean([_longest(t) for t in played])),
        invalid_actions=sum(not turn.valid for turn in turns) / max(1, len(turns)),
        stop_reasons=dict(Counter(t.stop_reason for t in played).most_common()),
        error_messages=dict(Counter(broken).most_common(5)),
    )


def _longest(trajectory: Trajectory) -> int:
    return max((len(turn.prompt_ids) + len(turn.completion_ids) for turn in trajectory.turns), default=0)


# Comparisons ----------------------------------------------------------------------------------------------------------


def difference(
    before: Sequence[Trajectory], after: Sequence[Trajectory], value: Callable[[Trajectory], float] = success_of, seed: int = 0
) -> Interval:
    """Mean of after minus before, paired by task. Raises `TaskError` when they share no task."""
    return pooled_difference([(before, after)], value, seed)


def pooled_difference(
    runs: Sequence[tuple[Sequence[Trajectory], Sequence[Trajectory]]],
    value: Callable[[Trajectory], float] = success_of,
    seed: int = 0,
) -> Interval:
    """Mean over runs (seeds) and tasks of after minus before, for the tasks that all runs share.

    Both runs and tasks are resampled, crossed, so that the interval says what another seed on other tasks would give;
    with one run it is the paired bootstrap over tasks. `n` is the number of tasks.

    Raises:
        TaskError: without runs, or when no task was played in all of them.
    """
    return pooled([(_values(before, value), _values(after, value)) for before, after in runs], seed)


def _values(trajectories: Sequence[Trajectory], value: Callable[[Trajectory], float]) -> dict[TaskId, float]:
    tasks = by_task(trajectories)
    return dict(zip(tasks, task_means(tasks, value).tolist(), strict=True))


def pooled(runs: Sequence[tuple[Mapping[TaskId, float], Mapping[TaskId, float]]], seed: int = 0) -> Interval:
    """`pooled_difference` of values by task that are at hand already, such as `Score.by_task`."""
    sets = [set(before) & set(after) for before, after in runs]
    shared = sorted(set.intersection(*sets), key=str) if sets else []
    if not shared:
        raise TaskError("there is nothing to compare: no task was played both before and after in every run")
    table = np.array([[after[t] - before[t] for t in shared] for before, after in runs], dtype=np.float64)
    if len(table) == 1:
        return interval(table[0], seed)
    rng, (s, n) = np.random.default_rng(seed), table.shape
    draws: list[npt.NDArray[np.float64]] = []
    block = max(1, _CELLS // n)
    for start in range(0, RESAMPLES, block):
        size = min(block, RESAMPLES - start)
        over_runs = rng.multinomial(s, np.full(s, 1 / s), size=size)
        over_tasks = rng.multinomial(n, np.full(n, 1 / n), size=size)
        draws.append(((over_runs @ table) * over_tasks).sum(axis=1) / (s * n))
    low, high = _percentiles(np.concatenate(draws))
    return Interval(float(table.mean()), low, high, n)
