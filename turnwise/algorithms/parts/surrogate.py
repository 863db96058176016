"""Surrogates: the per-token loss of the policy, from the ratio and the advantage.

A surrogate returns a `Term`: a loss for each of N tokens, with gradient, and detached per-token
values to be reported. The recipe multiplies both by the token weights and sums, so a surrogate
never averages and does not depend on the size of a micro-batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from turnwise.algorithms.streams import Batch
from turnwise.errors import ConfigError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One addend of the loss, token by token."""

    value: torch.Tensor
    """[N] loss, with gradient."""
    metrics: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """[N] values without gradient, reported as weighted means over the batch."""


@dataclass(frozen=True, slots=True)
class LogLikelihood:
    """-A log pi(y_t): the policy gradient without a ratio (with A = 1, maximum likelihood)."""

    requirements = frozenset[str]()

    def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term:
        return Term(-batch.streams["advantage"] * batch.logp)


@dataclass(frozen=True, slots=True)
class Unclipped:
    """-w A: the importance-weighted policy gradient without a trust region."""

    requirements = frozenset({"ratio"})

    def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term:
        return Term(-log_ratio.exp() * batch.streams["advantage"])


@dataclass(frozen=True, slots=True)
class Clip:
    """-min(w A, clip(w, 1 - low, 1 + high) A), and where A < 0 never above `-dual * A`.

    PPO, arXiv 1707.06347; `high > low` is DAPO's clip-higher (arXiv 2503.14476); `dual > 1` is dual
    clip (arXiv 1912.09729). Reports `clip_share`, the share of tokens whose gradient the clip
    removed, and with `dual` also `dual_clip_share`.
    """

    low: float = 0.2
    high: float = 0.2
    dual: float | None = None
    requirements = frozenset({"ratio"})

    @staticmethod
    def of(low: float, high: float | None = None, dual: float | None = None) -> Clip:
        """Build a clip whose upper range is the lower one when `high` is None."""
        return Clip(low, low if high is None else high, dual)

    def __post_init__(self) -> None:
        if not (0 <= self.low <= 1 and self.high >= 0):
            raise ConfigError(
                f"the clip range [1 - {self.low}, 1 + {self.high}] is empty: "
                "give 0 <= low <= 1 and high >= 0"
            )
        if self.dual is not None and self.dual <= 1:
            raise ConfigError(
                f"dual_clip = {self.dual} must be above 1: it bounds the loss of large ratios"
            )

    def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term:
        advantage = batch.streams["advantage"]
        ratio = log_ratio.exp()
        free = ratio * advantage
        bound = ratio.clamp(1 - self.low, 1 + self.high) * advantage
        objective = free.minimum(bound)
        metrics = {"clip_share": (bound < free).detach().to(free.dtype)}
        if self.dual is not None:
            floor = (self.dual * advantage).where(advantage < 0, objective)
            metrics["dual_clip_share"] = (floor > objective).detach().to(free.dtype)
            objective = objective.maximum(floor)
        return Term(-objective, metrics)
