"""REINFORCE: the policy gradient.

R. J. Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement
Learning", Machine Learning 8, 1992.

    A_{i,k} = sum_{k' >= k} gamma^(k' - k) r_{i,k'} - b
    J       = mean over tokens of A_{i,k} log pi(y_t),  t in turn k of trajectory i

Fidelity:
    Certain: the gradient. Our reading: reward to go instead of the whole return (what was earned
    before an act cannot depend on it; with a reward at the end and gamma=1 they are the same), b =
    0 or, with baseline="batch", the mean of the rewards to go over all turns of the batch, and a
    mean over tokens instead of a sum. With `clip` the surrogate is PPO's, for several optimiser
    steps on one batch.
"""

from __future__ import annotations

from typing import Literal

from turnwise.algorithms.options import (
    InvalidRule,
    MismatchRule,
    correction,
    invalid,
    penalties,
    reward_weights,
)
from turnwise.algorithms.parts.advantage import RewardToGo
from turnwise.algorithms.parts.aggregate import Mean
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip, LogLikelihood
from turnwise.algorithms.recipes import Recipe


def recipe(
    gamma: float = 1.0,
    baseline: Literal["none", "batch"] = "none",
    clip: float | None = None,
    kl: float = 0.0,
    kl_estimator: Literal["k1", "k2", "k3"] = "k3",
    entropy_bonus: float = 0.0,
    aggregate: Literal["token", "turn", "trajectory"] = "token",
    invalid_penalty: float = 0.0,
    truncate_mismatch: float | None = None,
    mismatch: MismatchRule | None = None,
    invalid_rule: InvalidRule = "invalid",
    success_reward: float | None = None,
) -> Recipe:
    """REINFORCE; see `options` for the settings that recipes share."""
    return Recipe(
        name="reinforce",
        shapers=invalid(invalid_penalty, invalid_rule),
        rewards=reward_weights(invalid_penalty, success_reward),
        advantage=RewardToGo(gamma, baseline),
        ratio=None if clip is None else Ratio("token"),
        surrogate=LogLikelihood() if clip is None else Clip(clip, clip),
        aggregate=Mean(aggregate),
        regularisers=penalties(kl, kl_estimator, entropy_bonus),
        mismatch=correction(truncate_mismatch, mismatch),
    )
