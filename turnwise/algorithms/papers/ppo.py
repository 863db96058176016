"""PPO: proximal policy optimisation with a critic, token by token.

J. Schulman et al., "Proximal Policy Optimization Algorithms", arXiv 1707.06347.

    w_t = pi(y_t) / pi_old(y_t)         A_t = GAE(gamma, lambda) of a critic
    J   = mean_t min(w_t A_t, clip(w_t, 1 - low, 1 + high) A_t) - 0.5 mean_t (V_t - R_t)^2, clipped

Fidelity:
    Certain: ratio, clip, GAE (arXiv 1506.02438).
    Our reading for agents over many turns: one episode is one sequence of the tokens the policy
    generated. What the environment wrote is skipped, so the last value of a turn is followed by the
    first of the next. gamma = lambda = 1 as in the settings of Search-R1 and the Practitioner's
    Guide (arXiv 2510.01132). Advantages are whitened over the trained tokens of the batch, as in
    verl. Weights are a mean over tokens ("token").
"""

from __future__ import annotations

from typing import Literal

from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import Whiten
from turnwise.algorithms.parts.critic import GAE, ValueLoss
from turnwise.algorithms.parts.ratio import Level, Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe


def recipe(
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
    ratio: Level = "token",
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build PPO. `gae` is the level of a decision, `ratio` that of the importance ratio."""
    return common.build(
        "ppo",
        advantage=GAE(gamma, lam, gae),
        reweighters=(Whiten(),) if whiten else (),
        ratio=Ratio(ratio),
        surrogate=Clip.of(clip, clip_high, dual_clip),
        critic=ValueLoss(value_coefficient, value_clip),
    )
