"""Metrics of a set of episodes, with confidence intervals.

Every task has the same weight, however many attempts it had. Errored episodes are counted and
reported apart, and are in no mean.

Source: pass@k, Chen et al. 2021 (arXiv:2107.03374) equation 1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from turnwise.errors import TaskError
from turnwise.evaluation.intervals import Interval, interval, pooled
from turnwise.records import Floats, TaskId, Trajectory

ByTask: TypeAlias = dict[TaskId, list[Trajectory]]


@dataclass(frozen=True, slots=True)
class TypeScore:
    """Success and score of the tasks whose trajectories have a `key=value` tag."""

    tasks: int
    episodes: int
    success: Interval
    score: Interval


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of a set of episodes. Means are over tasks; errored episodes are in none of them."""

    tasks: int
    """Tasks with at least one episode that did not error."""
    episodes: int
    """Episodes that did not error."""
    errors: int
    """Errored episodes; reported apart, not counted as 0."""
    success: Interval
    """Success rate; with k attempts per task this is avg@k."""
    score: Interval
    pass_at_k: dict[int, Interval]
    """Probability that at least one of k attempts succeeds, by k: 1, 2, 4, … and all attempts."""
    types: dict[str, TypeScore]
    turns: float
    """Mean number of turns per episode."""
    generated_tokens: float
    """Mean number of generated tokens per episode."""
    context_tokens: float
    """Mean over episodes of the longest prompt with its completion."""
    invalid_actions: float
    """Share of all turns whose action was malformed or did nothing."""
    stop_reasons: dict[str, int]
    """Ends of episodes: reason -> number, without errored ones."""
    error_messages: dict[str, int]
    """The most frequent errors: message -> number."""


# Episodes to tasks
# --------------------------------------------------------------------------------------------------


def by_task(trajectories: Sequence[Trajectory]) -> ByTask:
    """Group the episodes that did not error by task, in order of appearance."""
    tasks: ByTask = {}
    for trajectory in trajectories:
        if trajectory.error is None:
            tasks.setdefault(trajectory.task, []).append(trajectory)
    return tasks


def task_means(tasks: ByTask, value: Callable[[Trajectory], float]) -> Floats:
    """Return [tasks] means of `value` over each task's episodes."""
    return np.array(
        [np.mean([value(t) for t in played]) for played in tasks.values()], dtype=np.float64
    )


def success_of(trajectory: Trajectory) -> float:
    """Return 1 for success, else 0."""
    return float(trajectory.success)


def score_of(trajectory: Trajectory) -> float:
    """Return the benchmark's own score."""
    return trajectory.score


def pass_at_k(n: int, c: int, k: int) -> float:
    """Estimate pass@k without bias from n attempts with c successes: 1 - C(n-c,k) / C(n,k)."""
    if not 0 < k <= n or not 0 <= c <= n:
        raise ValueError(f"pass@k needs 0 < k <= n and 0 <= c <= n, not n={n} c={c} k={k}")
    return 1.0 if n - c < k else float(1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def _pass_table(tasks: ByTask, seed: int) -> dict[int, Interval]:
    counts = [(len(played), sum(t.success for t in played)) for played in tasks.values()]
    most = max(n for n, _ in counts)
    wanted = sorted({2**i for i in range(most.bit_length())} | {most})
    # Tasks that lost attempts to errors are left out where k is larger than what they have left.
    return {
        k: interval([pass_at_k(n, c, k) for n, c in counts if n >= k], seed, bounded=True)
        for k in wanted
        if k <= most
    }


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
    """Compute the metrics of these episodes.

    Args:
        seed: of the bootstrap.

    Raises:
        TaskError: when all of them errored.
    """
    tasks = by_task(trajectories)
    played = [t for group in tasks.values() for t in group]
    errors = [t.error for t in trajectories if t.error is not None]
    if not played:
        why = f"; the first error was: {errors[0]}" if errors else ""
        raise TaskError(
            f"there is nothing to measure: {len(errors)} of {len(trajectories)} episodes "
            f"errored{why}"
        )
    turns = [turn for t in played for turn in t.turns]
    return Metrics(
        tasks=len(tasks),
        episodes=len(played),
        errors=len(errors),
        success=interval(task_means(tasks, success_of), seed, bounded=True),
        score=interval(task_means(tasks, score_of), seed, bounded=True),
        pass_at_k=_pass_table(tasks, seed),
        types=_type_table(tasks, seed),
        turns=len(turns) / len(played),
        generated_tokens=sum(len(turn.completion_ids) for turn in turns) / len(played),
        context_tokens=float(np.mean([_context_tokens(t) for t in played])),
        invalid_actions=sum(not turn.valid for turn in turns) / max(1, len(turns)),
        stop_reasons=dict(Counter(t.stop_reason for t in played).most_common()),
        error_messages=dict(Counter(errors).most_common(5)),
    )


def _context_tokens(trajectory: Trajectory) -> int:
    lengths = [len(turn.prompt_ids) + len(turn.completion_ids) for turn in trajectory.turns]
    return max(lengths, default=0)


# Comparisons
# --------------------------------------------------------------------------------------------------


def difference(
    before: Sequence[Trajectory], after: Sequence[Trajectory],
    value: Callable[[Trajectory], float] = success_of, seed: int = 0,
) -> Interval:  # fmt: skip
    """Return the mean of after minus before, paired by task.

    Raises:
        TaskError: when they share no task.
    """
    return pooled_difference([(before, after)], value, seed)


def pooled_difference(
    runs: Sequence[tuple[Sequence[Trajectory], Sequence[Trajectory]]],
    value: Callable[[Trajectory], float] = success_of, seed: int = 0,
) -> Interval:  # fmt: skip
    """Return the mean over runs (seeds) and tasks of after minus before; see `pooled`."""
    return pooled([(_values(before, value), _values(after, value)) for before, after in runs], seed)


def _values(
    trajectories: Sequence[Trajectory], value: Callable[[Trajectory], float]
) -> dict[TaskId, float]:
    tasks = by_task(trajectories)
    return dict(zip(tasks, task_means(tasks, value).tolist(), strict=True))
