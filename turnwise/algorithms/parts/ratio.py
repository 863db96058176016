"""The importance ratio: its level, its pooling and its gradient.

    token       log w_t = log pi(y_t) - log pi_old(y_t)
    turn        log w_t = mean (or sum) of that over the trained tokens of t's turn
    trajectory  the same over the trained tokens of t's trajectory, in however many rows

The mean is the geometric mean of token ratios (GSPO, arXiv 2507.18071, for sequences; ST-PPO, arXiv
2511.20718, for turns), the sum their product. `gradient="full"` differentiates through the pooling,
so every token of a turn receives the mean of the turn's coefficients; `"own"` keeps the value but
gives each token the gradient of its own log-probability (GSPO-token: sg[w] * pi_t / sg[pi_t]).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from turnwise.algorithms.streams import SPANS, Batch

if TYPE_CHECKING:
    import torch

Level: TypeAlias = Literal["token", "turn", "trajectory"]
MAX_LOG_RATIO = 20.0
"""Bound on log-ratios: e^20 is beyond any clip, and its products stay finite in float32."""


def pool(
    values: torch.Tensor, batch: Batch, level: Level, pooling: Literal["mean", "sum"] = "mean"
) -> torch.Tensor:
    """Give each token the mean or sum of `values` over its turn or trajectory.

    Args:
        values: [N] one number per token of `batch`.

    Returns:
        [N] the pooled value of each token.
    """
    if level == "token":
        return values
    ids = batch.turn if level == "turn" else batch.trajectory
    unique, place = ids.unique(return_inverse=True)
    sums = values.new_zeros(len(unique)).index_add(0, place, values)
    if pooling == "mean":
        sums = sums / values.new_zeros(len(unique)).index_add(
            0, place, values.new_ones(len(values))
        )
    return sums[place]


@dataclass(frozen=True, slots=True)
class Ratio:
    """log(pi / pi_old) of each token, pooled over `level`."""

    level: Level = "token"
    pooling: Literal["mean", "sum"] = "mean"
    gradient: Literal["full", "own"] = "full"

    @property
    def requirements(self) -> frozenset[str]:
        return SPANS[self.level]

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Return [N] log-ratios with gradient."""
        own = batch.logp - batch.old_logp
        pooled = pool(own, batch, self.level, self.pooling)
        if self.gradient == "own" and self.level != "token":
            # The value of the pooled ratio with the gradient of the token's own: the bracket is 0.
            pooled = pooled.detach() + (batch.logp - batch.logp.detach())
        return pooled.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
