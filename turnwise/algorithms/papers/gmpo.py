"""GMPO: the geometric mean of clipped token ratios.

Y. Zhao et al., "Geometric-Mean Policy Optimization", arXiv 2507.20673.

    J    = mean_i A_i ( prod_{t in i} c(w_t) )^(1 / n_i)
    c(w) = min(w, e^high) where A > 0, max(w, e^-low) elsewhere

Fidelity:
    Certain (paper, verl's geo_mean): tokens are clipped one by one in log space, low = high = 0.4,
    then pooled over the sequence.
    Our reading: the sequence is the trajectory. With an advantage for each turn, each token's
    multiplies the common mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio, pool
from turnwise.algorithms.parts.surrogate import Term
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.streams import Batch

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class GeometricMean:
    """-A exp(mean over the trajectory of the clipped log-ratio).

    Reports `clip_share` over tokens.
    """

    low: float = 0.4
    high: float = 0.4
    requirements = frozenset({"ratio", "span:trajectory"})

    def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term:
        advantage = batch.streams["advantage"]
        clipped = log_ratio.clamp(max=self.high).where(
            advantage > 0, log_ratio.clamp(min=-self.low)
        )
        shown = {"clip_share": (clipped != log_ratio).to(advantage.dtype)}
        return Term(-advantage * pool(clipped, batch, "trajectory").exp(), shown)


def recipe(
    *,
    clip: float = 0.4,
    clip_high: float | None = None,
    scale: Literal["std", "none"] = "std",
    ddof: int = 1,
    lone: Literal["zero", "raw"] = "zero",
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build GMPO. The clip range is in log space."""
    return common.build(
        "gmpo",
        advantage=PeerAdvantage(scale=scale, ddof=ddof, lone=lone),
        ratio=Ratio("token"),
        surrogate=GeometricMean(clip, clip if clip_high is None else clip_high),
    )
