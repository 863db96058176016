"""MinPRO: weight a token by the smallest ratio before it.

"A Step Back: Prefix Importance Ratio Stabilizes Policy Optimization", arXiv 2601.22718.

    p_t = min_{j < t} w_j,  p_1 = 1                       w_j = pi(y_j) / pi_old(y_j)
    J   = mean_t sg[clip(p_t w_t, 1 - low, 1 + high)] A_i log pi(y_t)

The exact off-policy weight of a token is the product of all ratios up to it, whose variance grows
with the length. The smallest of the earlier ratios replaces the product of them.

Fidelity:
    Second-hand: the objective is quoted from a survey that quotes the paper, and agrees with its
    abstract. The clip bounds are not given there; the defaults are DAPO's.
    Our reading: in an agent's episode the prefix runs over the policy's tokens of all its turns, in
    however many rows, and skips what the environment wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.papers.cispo import ClippedWeight
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import MAX_LOG_RATIO
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.streams import Batch

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class WorstPrefix:
    """log w_t plus the smallest log w_j of the trajectory's earlier tokens.

    The first token has no earlier ones and adds 0. Only log w_t has a gradient.
    """

    requirements = frozenset({"span:trajectory"})

    def __call__(self, batch: Batch) -> torch.Tensor:
        own = batch.logp - batch.old_logp
        worst = own.detach() * 0.0
        for trajectory in batch.trajectory.unique():
            place = (batch.trajectory == trajectory).nonzero()[:, 0]
            worst[place[1:]] = own.detach()[place[:-1]].cummin(0).values
        return (own + worst).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)


def recipe(
    *,
    clip: float | None = 0.2,
    clip_high: float = 0.28,
    scale: Literal["std", "none"] = "std",
    ddof: int = 1,
    lone: Literal["zero", "raw"] = "zero",
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build MinPRO. `clip=None` leaves the weight without a lower bound."""
    return common.build(
        "min_pro",
        advantage=PeerAdvantage(scale=scale, ddof=ddof, lone=lone),
        ratio=WorstPrefix(),
        surrogate=ClippedWeight(clip, clip_high),
    )
