"""Dr. GRPO: GRPO without its two divisions.

Z. Liu et al., "Understanding R1-Zero-Like Training: A Critical Perspective", arXiv 2503.20783.

    A_i = R_i - mean(R)                                 no standard deviation: it favours tasks that are too easy or too hard
    J   = 1 / G sum_i 1 / L sum_t min(w_t A_i, clip(w_t) A_i)      a constant L: a long wrong answer is not let off lightly

Fidelity:
    Certain: both removals. The constant only scales the learning rate; the authors' code takes the
    longest completion allowed.
    Our reading: the completion is all that the policy wrote in an episode, so L is for the whole
    episode.
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
from turnwise.algorithms.parts.aggregate import Fixed
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe


def recipe(
    length: int = 1024,
    clip: float = 0.2,
    clip_high: float | None = None,
    kl: float = 0.0,
    kl_estimator: Literal["k1", "k2", "k3"] = "k3",
    entropy_bonus: float = 0.0,
    drop_equal_groups: bool = False,
    invalid_penalty: float = 0.0,
    truncate_mismatch: float | None = None,
    mismatch: MismatchRule | None = None,
    invalid_rule: InvalidRule = "invalid",
    success_reward: float | None = None,
) -> Recipe:
    """Dr. GRPO. `length` is the constant L, in tokens; see `options` for the settings that recipes
    share.
    """
    return Recipe(
        name="dr_grpo",
        filters=equal_groups(drop_equal_groups),
        shapers=invalid(invalid_penalty, invalid_rule),
        rewards=reward_weights(invalid_penalty, success_reward),
        advantage=PeerAdvantage(scale="none"),
        ratio=Ratio("token"),
        surrogate=Clip(clip, clip if clip_high is None else clip_high),
        aggregate=Fixed(length),
        regularisers=penalties(kl, kl_estimator, entropy_bonus),
        mismatch=correction(truncate_mismatch, mismatch),
    )
