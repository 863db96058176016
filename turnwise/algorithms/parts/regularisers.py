"""Loss terms that do not depend on the reward: entropy and distance to another policy.

Like a surrogate, each returns a `Term` per token and is averaged with the recipe's own weights.
`scale` names a number in `Batch.scalars` that multiplies the coefficient, so that a controller can
schedule it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from turnwise.algorithms.parts.ratio import MAX_LOG_RATIO
from turnwise.algorithms.parts.surrogate import Term
from turnwise.algorithms.streams import Batch

if TYPE_CHECKING:
    import torch

Estimator: TypeAlias = Literal["k1", "k2", "k3"]
"""Estimators of a KL divergence at sampled tokens; see `KL`."""


@dataclass(frozen=True, slots=True)
class EntropyBonus:
    """-coefficient * H(pi). Reports `entropy` (nats)."""

    coefficient: float
    scale: str = ""
    requirements = frozenset({"entropy"})

    def __call__(self, batch: Batch) -> Term:
        assert batch.entropy is not None
        factor = self.coefficient * batch.scalars.get(self.scale, 1.0)
        return Term(-factor * batch.entropy, {"entropy": batch.entropy.detach()})


@dataclass(frozen=True, slots=True)
class KL:
    """coefficient * KL(pi || pi_ref), estimated at the sampled tokens.

    With d = log pi_ref - log pi (J. Schulman, "Approximating KL divergence", 2020):

        k1 = -d            unbiased, but its gradient has mean zero
        k2 = d^2 / 2       biased, but its gradient is that of the KL
        k3 = e^d - 1 - d   unbiased and never negative; GRPO's

    Reports `kl_ref` by the same estimator.
    """

    coefficient: float
    estimator: Estimator = "k3"
    scale: str = ""
    requirements = frozenset({"ref_logp"})

    def __call__(self, batch: Batch) -> Term:
        assert batch.ref_logp is not None
        value = divergence(batch.ref_logp - batch.logp, self.estimator)
        factor = self.coefficient * batch.scalars.get(self.scale, 1.0)
        return Term(factor * value, {"kl_ref": value.detach()})


def divergence(log_ratio: torch.Tensor, estimator: Estimator) -> torch.Tensor:
    """Estimate KL(p || q) at samples of p, from log q - log p."""
    d = log_ratio.clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO)
    if estimator == "k1":
        return -d
    return d * d / 2 if estimator == "k2" else d.expm1() - d
