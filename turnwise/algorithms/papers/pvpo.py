"""PVPO: a baseline that is estimated before training.

"PVPO: Pre-Estimated Value-Based Policy Optimization for Agentic Reasoning", arXiv 2508.21104.

    A_i = R_i - V(q)          V(q): mean return of a reference policy's trajectories on the task

Fidelity:
    Second-hand: the equation, and that there is no deviation. V is static here (the first version
    refreshes it every so many steps). The table is a file of trajectories, such as an evaluation
    writes, or a JSON object, or numbers in the config, by task.
    Our reading: tasks that the table lacks take the group's mean (`absent="group"`), so that
    without a table this is GRPO without a deviation; `"error"` refuses them. Tasks that the
    reference always solves are left out of the loss by `skip_solved`.
    Left out: the injected trajectory of a larger model on tasks that no rollout solves (see
    docs/algorithms.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError, DataError
from turnwise.records import read_jsonl


@dataclass(frozen=True, slots=True)
class TableBaseline:
    """R - V(task); `absent` says what replaces V for a task that the table lacks."""

    table: tuple[tuple[str, float], ...] = ()
    absent: Literal["group", "zero", "error"] = "group"
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        known = dict(self.table)
        tasks = [t.task for t in batch.trajectories]
        value = np.array([known.get(str(task), np.nan) for task in tasks], dtype=np.float64)
        lacking = [task for task, v in zip(tasks, value, strict=True) if np.isnan(v)]
        if lacking and self.absent == "error":
            raise DataError(
                f"the table of baselines has no task {lacking[0]!r}: "
                "evaluate it first, or set `absent`"
            )
        instead = batch.returns[batch.owner]
        if self.absent == "group":
            instead = PeerAdvantage(scale="none").per_turn(batch)
        own = (batch.returns - value)[batch.owner]
        return batch.write(advantage=batch.spread(np.where(np.isnan(own), instead, own)))


@dataclass(frozen=True, slots=True)
class SkipSolved:
    """Drop trajectories of tasks whose V is at least `best`."""

    table: tuple[tuple[str, float], ...] = ()
    best: float = 1.0
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        known = dict(self.table)
        keep = [known.get(str(t.task), -np.inf) < self.best for t in batch.trajectories]
        return batch.only(np.array(keep, dtype=np.bool_))


def baselines(
    table: str | Mapping[str, float], rewards: Mapping[str, float]
) -> tuple[tuple[str, float], ...]:
    """Read V from numbers, a JSON file or a file of trajectories.

    Args:
        rewards: weights of the reward components in the returns of the trajectories.

    Returns:
        (task, V), sorted by task.

    Raises:
        ConfigError: for a file that is neither.
        DataError: for a missing or damaged file of trajectories.
    """
    if isinstance(table, str) and table.endswith(".json"):
        try:
            table = json.loads(Path(table).read_text(encoding="utf8"))
        except (OSError, json.JSONDecodeError) as problem:
            raise ConfigError(
                f"table = {table!r} cannot be read ({problem}): give a JSON object from task to "
                "mean return"
            ) from problem
    if isinstance(table, str):
        returns: dict[str, list[float]] = {}
        for trajectory in read_jsonl(table):
            if trajectory.error is None:
                returns.setdefault(str(trajectory.task), []).append(trajectory.reward(rewards))
        table = {task: float(np.mean(values)) for task, values in returns.items()}
    if not isinstance(table, Mapping) or not all(
        isinstance(v, (int, float)) for v in table.values()
    ):
        raise ConfigError("a table of baselines is a JSON object from task to mean return")
    return tuple(sorted((str(task), float(value)) for task, value in table.items()))


def recipe(
    *,
    table: str | dict[str, float] | None = None,
    absent: Literal["group", "zero", "error"] = "group",
    skip_solved: float | None = None,
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build PVPO. `skip_solved` is the V from which on a task is left out, such as 1."""
    values = () if table is None else baselines(table, common.rewards)
    skip = () if skip_solved is None else (SkipSolved(values, skip_solved),)
    return common.build(
        "pvpo",
        filters=(*skip, *common.filters),
        advantage=TableBaseline(values, absent),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high, dual_clip),
    )
