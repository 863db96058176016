"""Checks that tasks can be trusted: the repair scores 1 and no change scores 0, every time.

Both are graded by the real grader in fresh sandboxes. A task that fails must not be used: its tests
are flaky, or its bug is not one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from turnwise.envs.swe.grading import Verdict, grade
from turnwise.envs.swe.sandbox_pool import SandboxOpener
from turnwise.envs.swe.tasks.repository import Repository
from turnwise.envs.swe.tasks.task import SweTask
from turnwise.envs.swe.tasks.trees import build_trees


@dataclass(frozen=True, slots=True)
class TaskCheck:
    """Verdicts on one task, run by run."""

    task: SweTask
    gold: tuple[Verdict, ...]
    """Verdicts on the repair."""
    nothing: tuple[Verdict, ...]
    """Verdicts on the repository as the agent finds it."""

    @property
    def wrong(self) -> tuple[str, ...]:
        """One sentence for each problem; empty for a task that can be trusted."""
        found = [f"the repair could not be graded: {v.error}" for v in self.gold if v.error]
        found += [f"no change could not be graded: {v.error}" for v in self.nothing if v.error]
        known = [v for v in self.gold if not v.error]
        found += [
            f"the repair does not score 1: {_summary(v)}"
            for v in known
            if v.reward("binary") != 1.0 or v.reward("ratio") != 1.0
        ]
        found += [f"the repair counts as tampering: {_summary(v)}" for v in known if v.tampered]
        idle = [v for v in self.nothing if not v.error]
        found += [
            f"no change scores above 0: {_summary(v)}" for v in idle if v.reward("binary") != 0.0
        ]
        other = [v for v in idle if (v.f2p_rate, v.p2p_rate) != (0.0, 1.0)]
        found += [f"the broken repository has other test results: {_summary(v)}" for v in other]
        return tuple(dict.fromkeys(found))


def check(
    tasks: Iterable[SweTask],
    opened: Callable[[SweTask], Repository],
    open_sandbox: SandboxOpener,
    runs: int = 2,
    jobs: int = 1,
) -> Iterator[TaskCheck]:
    """Grade the repair of every task, and the unchanged repository.

    Args:
        tasks: the tasks.
        opened: returns the repository of a task.
        open_sandbox: opens the grader's sandboxes.
        runs: gradings of each.
        jobs: tasks graded in parallel.

    Raises:
        DataError: for a task that does not fit its source.
    """
    pool = ThreadPoolExecutor(jobs)
    try:
        yield from pool.map(
            partial(_checked, opened=opened, open_sandbox=open_sandbox, runs=runs), tasks
        )
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _checked(
    task: SweTask, opened: Callable[[SweTask], Repository], open_sandbox: SandboxOpener, runs: int
) -> TaskCheck:
    trees = build_trees(task, opened(task))
    repaired = {**trees.visible, **trees.gold}
    gold = tuple(grade(task, trees.pristine, repaired, open_sandbox) for _ in range(runs))
    return TaskCheck(
        task,
        gold,
        tuple(grade(task, trees.pristine, trees.visible, open_sandbox) for _ in range(runs)),
    )


def _summary(verdict: Verdict) -> str:
    rates = (
        f"{verdict.f2p_rate:.3f} of the failing tests and {verdict.p2p_rate:.3f} of the others pass"
    )
    return "; ".join([rates, *verdict.reasons[:2]])
