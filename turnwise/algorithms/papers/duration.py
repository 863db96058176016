"""Duration-aware gradients: weight each action by the time it took.

"Reinforcement Learning for Machine Learning Engineering Agents", arXiv 2509.01684.

    grad J = E sum_k (dt_k / mean dt) A_k grad log pi(a_k)

With many actors in parallel, quick actions finish more often, and would be trained on more often
than they were chosen.

Fidelity:
    Second-hand (abstract and descriptions; no code was released). The paper does not say over which
    actions the mean is taken: the batch by default (`over="group"`: the task's). dt is
    `Turn.wall_seconds`. The paper's partial credit from instrumented scripts belongs in an
    environment. Measured seconds make a run irreproducible even with the same seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer


@dataclass(frozen=True, slots=True)
class ByDuration:
    """Scale the advantage of each turn by its duration over the mean duration."""

    over: Literal["batch", "group"] = "batch"
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        acted = batch.length > 0
        seconds = np.array([turn.wall_seconds for turn in batch.turns], dtype=np.float64)
        mean = np.full(len(seconds), reducer.mean(seconds[acted]))
        if self.over == "group" and len(seconds):
            group = batch.group[batch.owner]
            total, number = np.bincount(group, seconds * acted), np.bincount(group, acted)
            mean = (total / np.maximum(number, 1))[group]
        factor = np.divide(seconds, mean, out=np.ones_like(seconds), where=mean > 0)
        return batch.write(advantage=batch.tokens["advantage"] * batch.spread(factor))


def recipe(
    *,
    over: Literal["batch", "group"] = "batch",
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    scale: Literal["std", "none"] = "std",
    ddof: int = 1,
    lone: Literal["zero", "raw"] = "zero",
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build GRPO with duration-aware weights. `over` is where the mean duration is taken."""
    return common.build(
        "duration",
        advantage=PeerAdvantage(scale=scale, ddof=ddof, lone=lone),
        reweighters=(ByDuration(over),),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high, dual_clip),
    )
