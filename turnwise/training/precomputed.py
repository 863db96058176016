"""What a recipe wants to know beforehand: log-probabilities of the reference and the old policy,
values of the critic.

Some are read by the loss (a stream of the row), some already by the credit plane
(`precomputed:NAME`, by trajectory and turn). Both are forwards without gradient over the same rows,
and none is computed unless the recipe requires it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from turnwise.algorithms import Recipe, Streams
from turnwise.algorithms.parts.sampler import History
from turnwise.records import Floats, Group, Row, rows
from turnwise.training.learner_team import AnyLearner


def with_reference(recipe: Recipe, learner: AnyLearner, batch: Sequence[Row]) -> list[Row]:
    """The rows, with the stream `ref_logp` where the recipe's loss requires it."""
    if "ref_logp" not in recipe.requirements:
        return list(batch)
    found, _ = learner.logprobs(batch, reference=True)
    return [
        replace(row, streams={**row.streams, "ref_logp": values})
        for row, values in zip(batch, found, strict=True)
    ]


def precomputed_streams(
    recipe: Recipe, learner: AnyLearner, groups: Sequence[Group], history: History | None = None
) -> Streams | None:  # fmt: skip
    """What the credit plane wants to know beforehand; `history` is what the sampler knew before
    this step.
    """
    wanted = sorted(
        need.partition(":")[2] for need in recipe.requirements if need.startswith("precomputed:")
    )
    if not wanted:
        return None
    trajectories = [t for group in groups for t in group.trajectories if t.error is None]
    batch = [row for t in trajectories for row in rows(t)]
    streams: Streams = {t.uid: {} for t in trajectories}
    counts = {t.uid: len(t.turns) for t in trajectories}
    if "task_mean" in wanted:
        wanted.remove("task_mean")
        for t in trajectories:
            mean = (history or {}).get(t.task, (0, float("nan")))[1]
            streams[t.uid]["task_mean"] = [
                np.full(len(turn.completion_ids), mean) for turn in t.turns
            ]
    for name in wanted:
        values = (
            learner.values(batch)
            if name == "value"
            else learner.logprobs(batch, reference=name == "ref_logp")[0]
        )
        for uid, turns in by_turn(batch, values).items():
            streams[uid][name] = [turns.get(k, np.zeros(0)) for k in range(counts[uid])]
    return streams


def by_turn(batch: Sequence[Row], values: Sequence[Floats]) -> dict[str, dict[int, Floats]]:
    """[T] values of rows as trajectory -> turn -> [completion tokens]."""
    found: dict[str, dict[int, Floats]] = {}
    for row, each in zip(batch, values, strict=True):
        for turn in np.unique(row.turn[row.mask]):
            found.setdefault(row.trajectory, {})[int(turn)] = each[row.mask & (row.turn == turn)]
    return found
