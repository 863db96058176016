"""BAPO: clip bounds that adapt until positive advantages have enough weight.

Z. Xi et al., "BAPO: Stabilizing Off-Policy Reinforcement Learning for LLMs via Balanced Policy
Optimization with Adaptive Clipping", arXiv 2510.18927.

    P(h) = sum_{A > 0} min(w, h) A       N(l) = sum_{A < 0} max(w, l) |A|       over the mini-batch

    start at (l, h) = (low, high); until the target is met, raise l to low_max, then h to high_max,
    one step at a time; then PPO's clip with [l, h], and dual clip 3

Fidelity:
    The target 0.5 has two readings, each with a name: `target_of="share"` is the paper's
    P / (P + N); `"ratio"` is the released code's P / N, whose 0.5 is a share of a third.
    The bounds are the paper's by default (low 0.6 to 0.9, high 1.2 to 3); the example script has
    0.8 to 0.95 and 1.2 to 2.
    Certain (code): the lower bound first, then the upper, steps of 0.05, sums over the whole
    mini-batch.
    Our reading: a token's contribution is weighted as in the loss; with the token mean that is the
    code's plain sum.
    Note (code, and the paper's equation as written): raising l raises N, because clipped tokens
    still count with the bound. The first half of the search therefore never comes closer to its
    target and runs to low_max whenever it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import MAX_LOG_RATIO, Ratio
from turnwise.algorithms.parts.surrogate import Clip, Term
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.streams import Batch
from turnwise.errors import ConfigError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class BalancedClip:
    """`Clip` with bounds found on the mini-batch.

    Reports `clip_low` and `clip_high`, the bounds on the ratio.
    """

    low: float = 0.6
    low_max: float = 0.9
    high: float = 1.2
    high_max: float = 3.0
    step: float = 0.05
    target: float = 0.5
    target_of: Literal["share", "ratio"] = "share"
    dual: float | None = 3.0
    requirements = frozenset({"ratio", "measure"})

    def __post_init__(self) -> None:
        if not (0 <= self.low <= self.low_max <= 1 <= self.high <= self.high_max and self.step > 0):
            raise ConfigError(
                "bounds must satisfy 0 <= low <= low_max <= 1 <= high <= high_max, and the step "
                "must be above 0"
            )

    def measure(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Sum P for every upper bound of the search and N for every lower one."""
        ratio = (batch.logp - batch.old_logp).detach().clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp()
        gain = batch.streams["weight"] * batch.streams["advantage"]
        positive = {
            f"bapo_p:{k}": (ratio.clamp(max=high) * gain.clamp(min=0)).sum()
            for k, high in enumerate(self._highs())
        }
        return positive | {
            f"bapo_n:{k}": (ratio.clamp(min=low) * -gain.clamp(max=0)).sum()
            for k, low in enumerate(self._lows())
        }

    def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term:
        low, high = self.bounds(batch.scalars)
        term = Clip(1 - low, high - 1, self.dual)(batch, log_ratio)
        same = term.value.detach() * 0.0
        return Term(term.value, {**term.metrics, "clip_low": same + low, "clip_high": same + high})

    def bounds(self, sums: Mapping[str, float]) -> tuple[float, float]:
        """Return the bounds at which the search ends."""
        lows, highs = self._lows(), self._highs()
        # Indices of the search: first the lower bound rises to its end, then the upper one.
        path = [(k, 0) for k in range(len(lows))] + [
            (len(lows) - 1, k) for k in range(1, len(highs))
        ]
        met = (at for at in path if self._met(sums[f"bapo_p:{at[1]}"], sums[f"bapo_n:{at[0]}"]))
        low, high = next(met, path[-1])
        return lows[low], highs[high]

    def _met(self, positive: float, negative: float) -> bool:
        return positive >= self.target * (
            negative + (positive if self.target_of == "share" else 0.0)
        )

    def _lows(self) -> list[float]:
        return _steps(self.low, self.low_max, self.step)

    def _highs(self) -> list[float]:
        return _steps(self.high, self.high_max, self.step)


def _steps(start: float, end: float, step: float) -> list[float]:
    """Return the values from start to end; the last step may be shorter."""
    whole = [start + k * step for k in range(int((end - start) / step - 1e-9) + 1)]
    return [*whole, end] if end > start else [start]


def recipe(
    *,
    low: float = 0.6,
    low_max: float = 0.9,
    high: float = 1.2,
    high_max: float = 3.0,
    step: float = 0.05,
    target: float = 0.5,
    target_of: Literal["share", "ratio"] = "share",
    dual_clip: float | None = 3.0,
    scale: Literal["std", "none"] = "std",
    ddof: int = 1,
    lone: Literal["zero", "raw"] = "zero",
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build BAPO. The bounds `low` to `high_max` are bounds on the ratio itself."""
    return common.build(
        "bapo",
        advantage=PeerAdvantage(scale=scale, ddof=ddof, lone=lone),
        ratio=Ratio("token"),
        surrogate=BalancedClip(low, low_max, high, high_max, step, target, target_of, dual_clip),
    )
