"""CISPO: clip the importance weight, not the update.

MiniMax, "MiniMax-M1: Scaling Test-Time Compute Efficiently with Lightning Attention", arXiv
2506.13585.

    J = mean_t sg[clip(w_t, 1 - low, 1 + high)] A_i log pi(y_t)          A_i as in GRPO

Every token keeps a gradient, with a bounded weight.

Fidelity:
    Certain: the clipped weight without gradient on the log-likelihood, and the mean over all
    tokens.
    Our reading: the paper tunes only the upper bound, so `clip=None` has no lower one; the value of
    the upper bound is not printed. verl clips both sides with its usual ranges. TRL's
    `epsilon_high` is the cap itself (5), not 1 + epsilon: that is `clip_high=4`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Term
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.streams import Batch

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class ClippedWeight:
    """-sg[clip(w, 1 - low, 1 + high)] A log pi.

    Reports `clip_share`, the share of tokens whose weight was clipped.
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
    *,
    clip: float | None = None,
    clip_high: float = 0.28,
    ddof: int = 1,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build CISPO. `clip=None` leaves the weight without a lower bound."""
    return common.build(
        "cispo",
        advantage=PeerAdvantage(ddof=ddof),
        ratio=Ratio("token"),
        surrogate=ClippedWeight(clip, clip_high),
    )
