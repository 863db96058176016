"""Streams computed before credit assignment and before the loss.

Log-probabilities of the reference and of the old policy, and values of the critic. The loss reads
`ref_logp` as a stream of the row; the credit plane reads `precomputed:NAME` by trajectory and turn.
Both are forward passes without gradient over the same rows, made only where the recipe requires
them.
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
    """Return the rows, with the stream `ref_logp` where the recipe's loss requires it."""
    if "ref_logp" not in recipe.requirements:
        return list(batch)
    found, _ = learner.logprobs(batch, reference=True)
    return [
        replace(row, streams={**row.streams, "ref_logp": values})
        for row, values in zip(batch, found, strict=True)
    ]


def precomputed_streams(
    recipe: Recipe, learner: AnyLearner, groups: Sequence[Group], history: History | None = None
) -> Streams | None:
    """Compute the streams that `recipe.credit` requires; None when it requires none.

    Args:
        history: what the sampler recorded before this step, for `precomputed:task_mean`.

    Returns:
        Trajectory -> name -> [completion tokens] for each turn.
    """
    required = sorted(
        need.partition(":")[2] for need in recipe.requirements if need.startswith("precomputed:")
    )
    if not required:
        return None
    trajectories = [t for group in groups for t in group.trajectories if t.error is None]
    batch = [row for t in trajectories for row in rows(t)]
    streams: Streams = {t.uid: {} for t in trajectories}
    counts = {t.uid: len(t.turns) for t in trajectories}
    if "task_mean" in required:
        required.remove("task_mean")
        for t in trajectories:
            mean = (history or {}).get(t.task, (0, float("nan")))[1]
            streams[t.uid]["task_mean"] = [
                np.full(len(turn.completion_ids), mean) for turn in t.turns
            ]
    for name in required:
        if name == "value":
            values = learner.values(batch)
        else:
            values, _ = learner.logprobs(batch, reference=name == "ref_logp")
        for uid, turns in by_turn(batch, values).items():
            streams[uid][name] = [turns.get(k, np.zeros(0)) for k in range(counts[uid])]
    return streams


def by_turn(batch: Sequence[Row], values: Sequence[Floats]) -> dict[str, dict[int, Floats]]:
    """Divide [T] values of rows: trajectory -> turn -> [completion tokens]."""
    found: dict[str, dict[int, Floats]] = {}
    for row, each in zip(batch, values, strict=True):
        for turn in np.unique(row.turn[row.mask]):
            found.setdefault(row.trajectory, {})[int(turn)] = each[row.mask & (row.turn == turn)]
    return found
