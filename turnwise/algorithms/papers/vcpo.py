"""VCPO: lower the learning rate where a few stale trajectories dominate the mini-batch.

"Stable Asynchrony: Variance-Controlled Off-Policy RL for LLMs", arXiv 2602.17616.

    w_i = pi(tau_i) / mu(tau_i)       the product over the trajectory's tokens; mu: the engine
    ESS = (sum w)^2 / sum w^2         effective sample size of the mini-batch, from the unclipped w
    lr  = lr_0 sqrt(min(1, (ESS / B) / rho_base))
    J   = mean_i min(w_i, 8) mean_t A_i log pi(y_t)

Fidelity:
    Certain (the authors' code): the equations, the cap 8, no clip, rho_base 1 for mathematics and
    0.55 over several turns.
    Left out: the paper's baseline of least variance (OPOB), which weighs rewards by
    |grad log pi(tau_i)|^2 and so needs a backward for every trajectory; the baseline here is the
    mean of the others.
    Our reading: the sample is the mini-batch of an optimizer step, over all processes. Weights are
    against the engine's recorded log-probabilities, so they reflect both staleness and the engine's
    own numerics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from turnwise.algorithms.options import CommonOptions, refuses
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import MAX_LOG_RATIO
from turnwise.algorithms.parts.surrogate import LogLikelihood, Term
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.streams import Batch
from turnwise.errors import ConfigError

if TYPE_CHECKING:
    import torch

MAX_LOG_WEIGHT = 300.0
"""Bound on the log-weights, in float64, so that the squares of the weights stay finite."""


@dataclass(frozen=True, slots=True)
class EffectiveSample:
    """min(w, cap) for every token of a trajectory, and a learning-rate factor from the ESS.

    Reports `ess` (the share ESS / B), `mismatch_weight` and `mismatch_share` (of tokens in capped
    trajectories).
    """

    cap: float = 8.0
    base: float = 1.0
    requirements = frozenset({"measure", "span:trajectory"})

    def __post_init__(self) -> None:
        if not (self.cap > 0 and 0 < self.base <= 1):
            raise ConfigError(f"cap = {self.cap} must be above 0, and base = {self.base} in (0, 1]")

    def measure(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Sum over trajectories the weights, their squares and their number."""
        log_weight, _ = self._weights(batch)
        weight = log_weight.clamp(-MAX_LOG_WEIGHT, MAX_LOG_WEIGHT).exp()
        return {
            "ess_sum": weight.sum(),
            "ess_squares": (weight**2).sum(),
            "ess_number": weight.new_ones(len(weight)).sum(),
        }

    def share(self, scalars: Mapping[str, float]) -> float:
        """Return ESS / B, in (0, 1]."""
        squares = scalars.get("ess_squares", 0.0) * scalars.get("ess_number", 0.0)
        return scalars["ess_sum"] ** 2 / squares if squares else 1.0

    def lr_scale(self, scalars: Mapping[str, float]) -> float:
        """Return the factor of the learning rate."""
        return math.sqrt(min(1.0, self.share(scalars) / self.base))

    def __call__(self, batch: Batch) -> Term:
        """Return a term whose value [N] is the weight, to be multiplied."""
        log_weight, place = self._weights(batch)
        weight = log_weight[place].clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp().to(batch.logp.dtype)
        used = weight.clamp(max=self.cap)
        shown = {"mismatch_weight": used, "mismatch_share": (weight > self.cap).to(used.dtype)}
        return Term(used, {**shown, "ess": used * 0.0 + self.share(batch.scalars)})

    def _weights(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return [trajectories] log w in float64, and [N] each token's index in it."""
        gap = (batch.logp - batch.rollout_logp).detach().double()
        unique, place = batch.trajectory.unique(return_inverse=True)
        return gap.new_zeros(len(unique)).index_add(0, place, gap), place


@refuses(
    truncate_mismatch="its own weight is the correction between engine and learner",
    mismatch="its own weight is the correction between engine and learner",
)
def recipe(
    *,
    cap: float = 8.0,
    base: float = 1.0,
    lone: Literal["zero", "raw"] = "zero",
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build VCPO without its baseline. `base` is the share ESS / B at the full learning rate."""
    return common.build(
        "vcpo",
        advantage=PeerAdvantage(centre="others", scale="none", lone=lone),
        surrogate=LogLikelihood(),
        mismatch=EffectiveSample(cap, base),
    )
