"""GSPO: group sequence policy optimisation.

C. Zheng et al., "Group Sequence Policy Optimization", arXiv 2507.18071.

    s_i = (pi(y_i) / pi_old(y_i))^(1 / |y_i|)                       the geometric mean of token ratios
    J   = mean_i min(s_i A_i, clip(s_i, 1 - low, 1 + high) A_i)     A_i as in GRPO

Fidelity:
    Certain: the ratio, its clip per sequence, the mean over sequences, the ranges 3e-4 and 4e-4.
    Our reading: the sequence of an episode of many turns is all the tokens the policy wrote in it,
    in however many rows they are stored. `variant="token"` is GSPO-token, s_it = sg[s_i] pi_t /
    sg[pi_t]: the same gradient as long as a sequence has one advantage and its tokens one weight,
    and the one to take where advantages differ by turn.
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
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe


def recipe(
    clip: float = 3e-4,
    clip_high: float | None = 4e-4,
    variant: Literal["sequence", "token"] = "sequence",
    kl: float = 0.0,
    kl_estimator: Literal["k1", "k2", "k3"] = "k3",
    entropy_bonus: float = 0.0,
    ddof: int = 1,
    aggregate: Literal["token", "turn", "trajectory"] = "trajectory",
    drop_equal_groups: bool = False,
    invalid_penalty: float = 0.0,
    truncate_mismatch: float | None = None,
    mismatch: MismatchRule | None = None,
    invalid_rule: InvalidRule = "invalid",
    success_reward: float | None = None,
) -> Recipe:
    """GSPO; see `options` for the settings that recipes share."""
    return Recipe(
        name="gspo",
        filters=equal_groups(drop_equal_groups),
        shapers=invalid(invalid_penalty, invalid_rule),
        rewards=reward_weights(invalid_penalty, success_reward),
        advantage=PeerAdvantage(ddof=ddof),
        ratio=Ratio("trajectory", gradient="full" if variant == "sequence" else "own"),
        surrogate=Clip(clip, clip if clip_high is None else clip_high),
        aggregate=Mean(aggregate),
        regularisers=penalties(kl, kl_estimator, entropy_bonus),
        mismatch=correction(truncate_mismatch, mismatch),
    )
