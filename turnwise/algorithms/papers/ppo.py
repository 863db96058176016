"""PPO: proximal policy optimisation with a critic, token by token.

J. Schulman et al., "Proximal Policy Optimization Algorithms", arXiv 1707.06347.

    w_t = pi(y_t) / pi_old(y_t)         A_t = GAE(gamma, lambda) of a critic
    J   = mean_t min(w_t A_t, clip(w_t, 1 - low, 1 + high) A_t)  -  0.5 mean_t (V_t - R_t)^2, clipped

Fidelity:
    Certain: ratio, clip, GAE (arXiv 1506.02438).
    Our reading for agents over many turns: one episode is one sequence of the tokens the policy
    wrote; what the environment wrote is skipped, so a turn's last value is followed by the next
    turn's first. gamma = lambda = 1 as in Search-R1's and the Practitioner's Guide's settings
    (arXiv 2510.01132). Advantages are whitened over the trained tokens of the batch, as in verl.
    Weights are a mean over tokens ("token").
"""

from __future__ import annotations

from typing import Literal

from turnwise.algorithms.options import (
    InvalidRule,
    MismatchRule,
    correction,
    invalid,
    penalties,
    reward_weights,
)
from turnwise.algorithms.parts.aggregate import Mean
from turnwise.algorithms.parts.critic import ValueLoss
from turnwise.algorithms.parts.gae import GAE
from turnwise.algorithms.parts.ratio import Level, Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.parts.whiten import Whiten
from turnwise.algorithms.recipes import Recipe


def recipe(
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
    kl: float = 0.0,
    kl_estimator: Literal["k1", "k2", "k3"] = "k3",
    entropy_bonus: float = 0.0,
    aggregate: Literal["token", "turn", "trajectory"] = "token",
    invalid_penalty: float = 0.0,
    truncate_mismatch: float | None = None,
    mismatch: MismatchRule | None = None,
    invalid_rule: InvalidRule = "invalid",
    success_reward: float | None = None,
) -> Recipe:
    """PPO. `gae` is the level of the decision process, `ratio` that of the importance ratio; see
    `options` for the rest.
    """
    return Recipe(
        name="ppo",
        shapers=invalid(invalid_penalty, invalid_rule),
        rewards=reward_weights(invalid_penalty, success_reward),
        advantage=GAE(gamma, lam, gae),
        reweighters=(Whiten(),) if whiten else (),
        ratio=Ratio(ratio),
        surrogate=Clip(clip, clip if clip_high is None else clip_high, dual_clip),
        critic=ValueLoss(value_coefficient, value_clip),
        aggregate=Mean(aggregate),
        regularisers=penalties(kl, kl_estimator, entropy_bonus),
        mismatch=correction(truncate_mismatch, mismatch),
    )
