"""RLOO: REINFORCE with the mean of the other trajectories as baseline.

A. Ahmadian et al., "Back to Basics: Revisiting REINFORCE Style Optimization for Learning from Human
Feedback in LLMs", arXiv 2402.14740; W. Kool et al., "Buy 4 REINFORCE Samples, Get a Baseline for
Free!", 2019.

    A_i = R_i - 1/(G - 1) * sum_{j != i} R_j = G/(G - 1) * (R_i - mean(R))
    J   = mean_i sum_{t in i} A_i log pi(y_t)         (aggregate="token": divided by the mean length)

Fidelity:
    Certain: the advantage, and that the plain log-likelihood is used, without ratio or clip.
    Our reading: a sum over tokens grows with length, so the default divides by the batch's number
    of tokens ("token"), which for one batch is the paper's gradient up to a constant. With `clip`
    the surrogate is PPO's, for several optimiser steps on one batch. A group of one has no others
    and advantage 0 (`lone="raw"`: its return, as in verl). The paper's KL inside the reward is
    offered as a penalty in the loss.
"""

from __future__ import annotations

from typing import Literal

from turnwise.algorithms.options import (
    InvalidRule,
    MismatchRule,
    correction,
    equal_groups,
    invalid,
    penalties,
    reward_weights,
)
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.aggregate import Mean
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip, LogLikelihood
from turnwise.algorithms.recipes import Recipe


def recipe(
    clip: float | None = None,
    kl: float = 0.0,
    kl_estimator: Literal["k1", "k2", "k3"] = "k3",
    entropy_bonus: float = 0.0,
    lone: Literal["zero", "raw"] = "zero",
    aggregate: Literal["token", "turn", "trajectory"] = "token",
    drop_equal_groups: bool = False,
    invalid_penalty: float = 0.0,
    truncate_mismatch: float | None = None,
    mismatch: MismatchRule | None = None,
    invalid_rule: InvalidRule = "invalid",
    success_reward: float | None = None,
) -> Recipe:
    """RLOO; see `options` for the settings that recipes share."""
    return Recipe(
        name="rloo",
        filters=equal_groups(drop_equal_groups),
        shapers=invalid(invalid_penalty, invalid_rule),
        rewards=reward_weights(invalid_penalty, success_reward),
        advantage=PeerAdvantage(centre="others", scale="none", lone=lone),
        ratio=None if clip is None else Ratio("token"),
        surrogate=LogLikelihood() if clip is None else Clip(clip, clip),
        aggregate=Mean(aggregate),
        regularisers=penalties(kl, kl_estimator, entropy_bonus),
        mismatch=correction(truncate_mismatch, mismatch),
    )
