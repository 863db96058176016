"""SAPO: a soft gate instead of a clip.

C. Gao et al., "Soft Adaptive Policy Optimization", arXiv 2511.20347.

    J = mean_i mean_t (4 / tau) sigmoid(tau (w_t - 1)) A_i  tau = tau_pos where A > 0, else tau_neg

The slope in w is 1 at w = 1 and fades on both sides, faster for negative advantages.

Fidelity:
    Certain: the gate and its scale, tau_neg > tau_pos (1.05 and 1), the group's advantage (as in
    the paper and in verl and TRL).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Term
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.streams import Batch
from turnwise.errors import ConfigError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class SoftGate:
    """-(4 / tau) sigmoid(tau (w - 1)) A.

    Reports `gate`, the slope in w: 1 at w = 1, close to 0 far from it.
    """

    positive: float = 1.0
    negative: float = 1.05
    requirements = frozenset({"ratio"})

    def __post_init__(self) -> None:
        if self.positive <= 0 or self.negative <= 0:
            raise ConfigError(
                f"tau_pos = {self.positive} and tau_neg = {self.negative} must be above 0: "
                "they are the temperatures of a gate"
            )

    def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term:
        advantage = batch.streams["advantage"]
        tau = (advantage * 0.0 + self.negative).masked_fill(advantage > 0, self.positive)
        gate = (tau * (log_ratio.exp() - 1)).sigmoid()
        slope = 4 * gate.detach() * (1 - gate.detach())
        return Term(-4 / tau * gate * advantage, {"gate": slope})


def recipe(
    *,
    tau_pos: float = 1.0,
    tau_neg: float = 1.05,
    scale: Literal["std", "none"] = "std",
    ddof: int = 1,
    lone: Literal["zero", "raw"] = "zero",
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build SAPO. `tau_pos` and `tau_neg` are the temperatures of the gate."""
    return common.build(
        "sapo",
        advantage=PeerAdvantage(scale=scale, ddof=ddof, lone=lone),
        ratio=Ratio("token"),
        surrogate=SoftGate(tau_pos, tau_neg),
    )
