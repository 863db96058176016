"""Importance weights for the difference between the engine's and the learner's log-probabilities.

The engine samples with its own numerics (another kernel, another precision, weights of an earlier
version); the learner differentiates its own. The weight is w = pi_old / pi_rollout, without
gradient, multiplied onto the policy's loss:

    truncate   min(w, high)                   truncated importance sampling ("TIS", C about 2)
    mask       w inside [low, high], else 0   masked importance sampling ("MIS", "IcePop")
    reject     1 inside [low, high], else 0   rejection without weighting (KernelGYM's "MRS", arXiv
                                              2602.05885)

over tokens, or pooled over a turn or a trajectory (geometric mean or product). With `veto`, a
trajectory that has any token of a ratio below it counts 0 as a whole. Denominators do not change: a
masked token still counts in the mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from turnwise.algorithms.parts.ratio import MAX_LOG_RATIO, Level, pool
from turnwise.algorithms.parts.surrogate import Term
from turnwise.algorithms.streams import SPANS, Batch
from turnwise.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Weight of each token for being sampled by the engine instead of the learner.

    Reports `mismatch_weight` (the mean weight), `mismatch_share` (the share truncated or masked)
    and `mismatch_kl` (k3 estimate of KL(engine || learner), nats per token).
    """

    rule: Literal["truncate", "mask", "reject"] = "truncate"
    high: float = 2.0
    low: float = 0.0
    level: Level = "token"
    pooling: Literal["mean", "sum"] = "mean"
    veto: float | None = None

    def __post_init__(self) -> None:
        if self.veto is not None and not 0 < self.veto < 1:
            raise ConfigError(f"veto = {self.veto} must be between 0 and 1")
        if not 0 <= self.low < self.high:
            raise ConfigError(
                f"mismatch bounds [{self.low}, {self.high}] must satisfy 0 <= low < high"
            )

    @property
    def requirements(self) -> frozenset[str]:
        return SPANS[self.level if self.veto is None else "trajectory"]

    def __call__(self, batch: Batch) -> Term:
        """Return a term whose value [N] is the weight, to be multiplied."""
        gap = (batch.old_logp - batch.rollout_logp).detach()
        weight = (
            pool(gap, batch, self.level, self.pooling).clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
        )
        if self.rule == "truncate":
            used, hit = weight.clamp(max=self.high), weight > self.high
        else:
            hit = (weight < self.low) | (weight > self.high)
            used = (weight if self.rule == "mask" else weight.new_ones(len(weight))).masked_fill(
                hit, 0.0
            )
        if self.veto is not None:
            barred = pool((gap < math.log(self.veto)).to(gap.dtype), batch, "trajectory", "sum") > 0
            used, hit = used.masked_fill(barred, 0.0), hit | barred
        own = gap.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
        return Term(
            used,
            {
                "mismatch_weight": used,
                "mismatch_share": hit.to(used.dtype),
                "mismatch_kl": own.expm1() - own,
            },
        )
