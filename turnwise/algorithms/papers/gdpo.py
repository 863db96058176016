"""GDPO: normalise each reward before adding them up.

"GDPO: Group reward-Decoupled Normalization Policy Optimization for Multi-reward RL Optimization",
arXiv 2601.05242.

    A_i = whiten( sum_r w_r (x_i^r - mean_q x^r) / (std_q x^r + eps) )     r: the reward components

When rewards are added first, different combinations of rewards give the same return and advantage.

Fidelity:
    Certain (the authors' code, verl, TRL): normalisation of each component within the group, the
    weighted sum, whitening over the batch.
    Our reading: whitening is over the trained tokens, with the sample's variance. The components
    are those the recipe counts: `components`, and the penalty on invalid turns as one of its own
    where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage, Whiten
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.records import Floats


@dataclass(frozen=True, slots=True)
class Component:
    """[S] The sum of one reward component over the turn's trajectory."""

    name: str

    def __call__(self, batch: CreditBatch) -> Floats:
        column = batch.rewards.get(self.name, np.zeros(len(batch.turns)))
        summed = np.bincount(batch.owner, column, minlength=len(batch.trajectories))
        return np.asarray(summed[batch.owner], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class PerComponent:
    """The weighted sum of the advantages of each reward component."""

    one: PeerAdvantage = field(default_factory=PeerAdvantage)
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        total = np.zeros(len(batch.turns))
        for name, weight in batch.reward_weights.items():
            total += weight * replace(self.one, value=Component(name)).per_turn(batch)
        return batch.write(advantage=batch.spread(total))


def recipe(
    *,
    components: dict[str, float] | None = None,
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    scale: Literal["std", "none"] = "std",
    ddof: int = 1,
    lone: Literal["zero", "raw"] = "zero",
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build GDPO. `components` are weights by name, in place of the environment's reward."""
    penalty = {name: weight for name, weight in common.rewards.items() if name == "invalid"}
    return common.build(
        "gdpo",
        rewards=common.rewards if components is None else {**components, **penalty},
        advantage=PerComponent(PeerAdvantage(scale=scale, ddof=ddof, lone=lone)),
        reweighters=(Whiten(),),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high, dual_clip),
    )
