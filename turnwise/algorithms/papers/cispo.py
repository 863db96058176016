"""CISPO: clip the weight, not the update.

MiniMax, "MiniMax-M1: Scaling Test-Time Compute Efficiently with Lightning Attention", arXiv
2506.13585.

    J = mean_t sg[clip(w_t, 1 - low, 1 + high)] A_i log pi(y_t)          A_i as in GRPO

Every token keeps a gradient, with a bounded weight.

Fidelity:
    Certain: the stopped, clipped weight on the log-likelihood, the mean over all tokens.
    Our reading: the paper tunes only the upper bound, so `clip=None` has no lower one; the value of
    the upper bound is not printed. verl clips both sides with its usual ranges; TRL's
    `epsilon_high` is the cap itself (5), not 1 + epsilon: that is `clip_high=4`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

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
from turnwise.algorithms.parts.surrogate import Term
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.streams import Batch

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class ClippedWeight:
    """-sg[clip(w, 1 - low, 1 + high)] A log pi. Reports `clip_share`, the share of tokens whose
    weight was clipped.
    """

    low: float | None = None
    high: float = 0.28
    requirements = frozenset({"ratio"})

    def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term:
        ratio = log_ratio.exp().detach()
        weight = ratio.clamp(min=None if self.low is None else 1 - self.low, max=1 + self.high)
        shown = {"clip_share": (weight != ratio).to(ratio.dtype)}
        return Term(-weight * batch.streams["advantage"] * batch.logp, shown)


def recipe(
    clip: float | None = None,
    clip_high: float = 0.28,
    kl: float = 0.0,
    kl_estimator: Literal["k1", "k2", "k3"] = "k3",
    entropy_bonus: float = 0.0,
    ddof: int = 1,
    aggregate: Literal["token", "turn", "trajectory"] = "token",
    drop_equal_groups: bool = False,
    invalid_penalty: float = 0.0,
    truncate_mismatch: float | None = None,
    mismatch: MismatchRule | None = None,
    invalid_rule: InvalidRule = "invalid",
    success_reward: float | None = None,
) -> Recipe:
    """CISPO; see `options` for the settings that recipes share."""
    return Recipe(
        name="cispo",
        filters=equal_groups(drop_equal_groups),
        shapers=invalid(invalid_penalty, invalid_rule),
        rewards=reward_weights(invalid_penalty, success_reward),
        advantage=PeerAdvantage(ddof=ddof),
        ratio=Ratio("token"),
        surrogate=ClippedWeight(clip, clip_high),
        aggregate=Mean(aggregate),
        regularisers=penalties(kl, kl_estimator, entropy_bonus),
        mismatch=correction(truncate_mismatch, mismatch),
    )
