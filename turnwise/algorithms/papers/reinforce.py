"""REINFORCE: the policy gradient.

R. J. Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement
Learning", Machine Learning 8, 1992.

    A_{i,k} = sum_{k' >= k} gamma^(k' - k) r_{i,k'} - b
    J       = mean over tokens of A_{i,k} log pi(y_t),  t in turn k of trajectory i

Fidelity:
    Certain: the gradient.
    Our reading: reward to go instead of the whole return (what was earned before an action cannot
    depend on it; with a reward at the end and gamma=1 they are the same), b = 0 or, with
    baseline="batch", the mean of the rewards to go over all turns of the batch, and a mean over
    tokens instead of a sum. With `clip` the surrogate is PPO's, for several optimizer steps on one
    batch.
"""

from __future__ import annotations

from typing import Literal

from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import RewardToGo
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip, LogLikelihood
from turnwise.algorithms.recipes import Recipe


def recipe(
    *,
    gamma: float = 1.0,
    baseline: Literal["none", "batch"] = "none",
    clip: float | None = None,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build REINFORCE. `clip=None` uses the plain log-likelihood, without a ratio."""
    return common.build(
        "reinforce",
        advantage=RewardToGo(gamma, baseline),
        ratio=None if clip is None else Ratio("token"),
        surrogate=LogLikelihood() if clip is None else Clip(clip, clip),
    )
