"""ST-PPO: PPO with turn-level ratios and a correction for the gradient that clipping removes.

Li et al., "ST-PPO: Stabilized Off-Policy Proximal Policy Optimization for Multi-Turn Agents
Training", arXiv 2511.20718.

    turn ratio    w_k = (pi(y^k) / pi_old(y^k))^(1 / |y^k|) = exp( mean over turn k of log w_t ),
                  differentiated through the mean
    J           = mean_t min(w A_t, clip(w, 1 - eps, 1 + eps) A_t)
                  A_t: token GAE of a critic,  w: of the token or of its turn
    correction    grad J is multiplied by delta / max(delta, ||C||)

                    token ratio     turn ratio
    plain           ppo             turn_ppo
    corrected       s_ppo           st_ppo

The gradient of the clipped objective is that of the unclipped one less the clipping bias (lemma
4.2): grad J = grad J_IS - C, with C the gradient of sum_t weight_t * 1{t is clipped} * w_t * A_t.
The factor is 1 where nothing clips and falls as the bias grows. ||C|| can be measured as

    gradient      the exact norm over all model weights, by an extra backward over the mini-batch
    score         the norm in the space of the tokens' log-probabilities, as if every score had
                  norm one and all were orthogonal
    coefficient   sum_t weight_t * 1{t is clipped} * |w_t * A_t|: an upper bound for scores of norm
                  one

Fidelity:
    The paper's body was not read. Certain: the two mechanisms and the four names. From notes that
    agree with one another and with the lemma (checked numerically): the geometric mean, token GAE,
    eps = 0.2.
    Our reading: the exact normaliser could not be found. "Adding the clipping bias to normalise
    gradients" is read as above (delta = 1): the literal grad J / ||C|| once the bias is large,
    plain PPO while nothing clips, which is also what the second version of the paper (SORL,
    "clipping-triggered normalization") is called after. `bias="none"` leaves it out, `"score"` and
    `"coefficient"` are cheap stand-ins for the exact `"gradient"`; `scope="trajectory"` scales each
    trajectory by its own bias. gamma, lambda and rates are not known; the defaults are Search-R1's
    settings from memory. No number of the paper is claimed to be reproduced. Not to be confused
    with Turn-PPO of arXiv 2512.17008, a turn-level decision process: that is `gae="turn"`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.papers import ppo
from turnwise.algorithms.parts.ratio import Level, Ratio, pool
from turnwise.algorithms.parts.surrogate import Clip, Term
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.streams import SPANS, Batch
from turnwise.errors import ConfigError

if TYPE_CHECKING:
    import torch

BIAS_SCALAR = "clip_bias"
"""Name of the measured sum in `Batch.scalars`."""


@dataclass(frozen=True, slots=True)
class CorrectedClip:
    """PPO's clipped surrogate times delta / max(delta, ||C||), a factor without gradient.

    Reports `clip_share`, `clip_bias_norm` (||C||) and `clip_bias_scale` besides what `Clip`
    reports. Outside a trainer, where the mini-batch was not measured, `Recipe.loss` takes the batch
    it is given for the whole and `score` for `gradient`.

    Raises:
        ConfigError: for `gradient` with the scope `trajectory`, which would take a backward for
            each trajectory.
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
                f"delta = {self.delta} must be above 0: the clipping bias is divided by it"
            )
        if self.norm == "gradient" and self.scope == "trajectory":
            raise ConfigError(
                "the clipping bias of a trajectory cannot be measured as 'gradient': set bias to "
                "'score' or 'coefficient'"
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
        """Return the scalar whose gradient is C."""
        log_ratio = self.ratio(batch)
        objective = log_ratio.exp() * batch.streams["advantage"]
        return (batch.streams["weight"] * objective * self._clipped(batch, log_ratio)).sum()

    def measure(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Sum over tokens what makes up ||C||."""
        return {BIAS_SCALAR: self._parts(batch, batch.streams["weight"]).sum()}

    def _size(self, batch: Batch) -> torch.Tensor:
        """Return [N] the norm over the mini-batch, the same for all tokens."""
        known = batch.scalars.get("probe_norm" if self.norm == "gradient" else BIAS_SCALAR)
        if known is None:
            known = float(self._parts(batch, batch.streams["weight"]).sum())
            known = known if self.norm == "coefficient" else known**0.5
        elif self.norm == "score":
            known = known**0.5
        return batch.logp.detach().new_full(batch.logp.shape, known)

    def _trajectories(self, batch: Batch) -> torch.Tensor:
        """Return [N] the norm of each token's trajectory, whose own weights sum to one."""
        weight = batch.streams["weight"]
        parts = self._parts(batch, weight / pool(weight, batch, "trajectory", "sum"))
        total = pool(parts, batch, "trajectory", "sum")
        return total if self.norm == "coefficient" else total.sqrt()

    def _parts(self, batch: Batch, weight: torch.Tensor) -> torch.Tensor:
        """Return [N] what each token adds to ||C||^2 (`score`) or to ||C|| (`coefficient`)."""
        import torch

        # Differentiated with respect to the log-probabilities alone, also where `measure` runs
        # without gradient.
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


def recipe(
    *,
    ratio: Level = "turn",
    ratio_gradient: Literal["full", "own"] = "full",
    bias: Literal["none", "gradient", "score", "coefficient"] = "gradient",
    scope: Literal["batch", "trajectory"] = "batch",
    delta: float = 1.0,
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    gamma: float = 1.0,
    lam: float = 1.0,
    gae: Literal["token", "turn"] = "token",
    whiten: bool = True,
    value_coefficient: float = 1.0,
    value_clip: float | None = 0.5,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build ST-PPO. `ratio_gradient="own"` is GSPO-token's; see `ppo` for the other settings."""
    base = ppo.recipe(
        gamma=gamma,
        lam=lam,
        gae=gae,
        whiten=whiten,
        value_coefficient=value_coefficient,
        value_clip=value_clip,
        common=common,
    )
    pooled = Ratio(ratio, gradient=ratio_gradient)
    plain = Clip.of(clip, clip_high, dual_clip)
    surrogate = plain if bias == "none" else CorrectedClip(plain, pooled, bias, scope, delta)
    return replace(base, name="st_ppo", ratio=pooled, surrogate=surrogate)


def turn_ppo(
    *,
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    gamma: float = 1.0,
    lam: float = 1.0,
    gae: Literal["token", "turn"] = "token",
    whiten: bool = True,
    value_coefficient: float = 1.0,
    value_clip: float | None = 0.5,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build `turn_ppo`: turn-level ratios without the correction."""
    base = ppo.recipe(
        ratio="turn",
        clip=clip,
        clip_high=clip_high,
        dual_clip=dual_clip,
        gamma=gamma,
        lam=lam,
        gae=gae,
        whiten=whiten,
        value_coefficient=value_coefficient,
        value_clip=value_clip,
        common=common,
    )
    return replace(base, name="turn_ppo")


def s_ppo(
    *,
    bias: Literal["gradient", "score", "coefficient"] = "gradient",
    scope: Literal["batch", "trajectory"] = "batch",
    delta: float = 1.0,
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    gamma: float = 1.0,
    lam: float = 1.0,
    gae: Literal["token", "turn"] = "token",
    whiten: bool = True,
    value_coefficient: float = 1.0,
    value_clip: float | None = 0.5,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build `s_ppo`: token-level ratios with the correction."""
    base = recipe(
        ratio="token",
        bias=bias,
        scope=scope,
        delta=delta,
        clip=clip,
        clip_high=clip_high,
        dual_clip=dual_clip,
        gamma=gamma,
        lam=lam,
        gae=gae,
        whiten=whiten,
        value_coefficient=value_coefficient,
        value_clip=value_clip,
        common=common,
    )
    return replace(base, name="s_ppo")
