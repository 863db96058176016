"""ST-PPO's correction: where clipping removed much of the gradient, the step is made shorter.

The clipped objective's gradient is that of the unclipped one less the clipping bias (arXiv
2511.20718, lemma 4.2),

    grad J = grad J_IS - C          C = grad of  sum_t weight_t * 1{t is clipped} * w_t * A_t

and the correction divides by the size of C: the loss is multiplied, without gradient, by delta /
max(delta, ||C||), which is 1 where nothing clips and falls as the bias grows. What ||C|| is
measured in is a choice:

    gradient      the norm over all weights, by a backward pass of its own over the mini-batch (exact)
    score         the norm in the space of the tokens' log-probabilities, as if every score had norm one and all were orthogonal
    coefficient   sum_t weight_t * 1{t is clipped} * |w_t * A_t|: an upper bound for scores of norm one
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from turnwise.algorithms.parts.ratio import Ratio, pool
from turnwise.algorithms.parts.surrogate import Clip, Term
from turnwise.algorithms.requirements import SPANS
from turnwise.algorithms.streams import Batch
from turnwise.errors import ConfigError

if TYPE_CHECKING:
    import torch

BIAS = "clip_bias"


@dataclass(frozen=True, slots=True)
class CorrectedClip:
    """PPO's clipped surrogate times delta / max(delta, ||C||).

    Reports `clip_share`, `clip_bias_norm` (||C||) and `clip_bias_scale` beside what `Clip` reports.
    Outside a trainer, where nobody has measured the mini-batch, `Recipe.loss` takes the batch it is
    given for the whole and `gradient` for `score`.

    Raises:
        ConfigError: for `gradient` with the scope `trajectory`, which would take a backward pass
            for each trajectory.
    """

    clip: Clip = field(default_factory=Clip)
    ratio: Ratio = field(default_factory=Ratio)
    """The recipe's own ratio."""
    norm: Literal["gradient", "score", "coefficient"] = "gradient"
    scope: Literal["batch", "trajectory"] = "batch"
    """One factor for the mini-batch, or one for each trajectory from its own bias."""
    delta: float = 1.0
    """Below this norm nothing is scaled."""

    def __post_init__(self) -> None:
        if self.delta <= 0:
            raise ConfigError(
                f"a clipping bias is compared with delta = {self.delta}: give a number above 0"
            )
        if self.norm == "gradient" and self.scope == "trajectory":
            raise ConfigError(
                "a clipping bias for each trajectory is measured as 'score' or 'coefficient', not as 'gradient'"
            )

    @property
    def requirements(self) -> frozenset[str]:
        if self.scope == "trajectory":
            return frozenset({"ratio"}) | SPANS["trajectory"]
        return frozenset({"ratio", "probe" if self.norm == "gradient" else "measure"})

    def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term:
        term = self.clip(batch, log_ratio)
        size = self._trajectories(batch) if self.scope == "trajectory" else self._size(batch)
        scale = self.delta / size.clamp(min=self.delta)
        shown = {"clip_bias_norm": size, "clip_bias_scale": scale}
        return Term(term.value * scale, {**term.metrics, **shown})

    def probe(self, batch: Batch) -> torch.Tensor:
        """The scalar whose gradient is C."""
        log_ratio = self.ratio(batch)
        objective = log_ratio.exp() * batch.streams["advantage"]
        return (batch.streams["weight"] * objective * self._clipped(batch, log_ratio)).sum()

    def measure(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Sums over tokens that make up ||C||."""
        return {BIAS: self._parts(batch, batch.streams["weight"]).sum()}

    def _size(self, batch: Batch) -> torch.Tensor:
        """[N] the norm over the mini-batch, the same for all."""
        known = batch.scalars.get("probe_norm" if self.norm == "gradient" else BIAS)
        if known is None:
            known = float(self._parts(batch, batch.streams["weight"]).sum())
            known = known if self.norm == "coefficient" else known**0.5
        elif self.norm == "score":
            known = known**0.5
        return batch.logp.detach().new_full(batch.logp.shape, known)

    def _trajectories(self, batch: Batch) -> torch.Tensor:
        """[N] the norm of each token's trajectory, whose own weights sum to one."""
        weight = batch.streams["weight"]
        parts = self._parts(batch, weight / pool(weight, batch, "trajectory", "sum"))
        total = pool(parts, batch, "trajectory", "sum")
        return total if self.norm == "coefficient" else total.sqrt()

    def _parts(self, batch: Batch, weight: torch.Tensor) -> torch.Tensor:
        """[N] what each token adds to the square of the norm (`score`) or to the norm itself
        (`coefficient`).
        """
        import torch

        with torch.enable_grad():
            logp = batch.logp.detach().requires_grad_()
            moved = replace(batch, logp=logp)
            log_ratio = self.ratio(moved)
            clipped = self._clipped(moved, log_ratio)
            objective = weight * log_ratio.exp() * batch.streams["advantage"] * clipped
            if self.norm == "coefficient":
                return objective.detach().abs()
            return torch.autograd.grad(objective.sum(), logp, materialize_grads=True)[0] ** 2

    def _clipped(self, batch: Batch, log_ratio: torch.Tensor) -> torch.Tensor:
        return self.clip(batch, log_ratio).metrics["clip_share"]
