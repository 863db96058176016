"""ST-PPO and its family: PPO with turn-level ratios and a correction for what clipping takes away.

Li et al., "ST-PPO: Stabilized Off-Policy Proximal Policy Optimization for Multi-Turn Agents
Training", arXiv 2511.20718.

    turn ratio    w_k = (pi(y^k) / pi_old(y^k))^(1 / |y^k|) = exp( mean over turn k of log w_t ), differentiated through the mean
    J           = mean_t min(w A_t, clip(w, 1 - eps, 1 + eps) A_t),  A_t: token GAE of a critic,  w: of the token or of its turn
    correction    grad J is multiplied by delta / max(delta, ||C||), C the gradient that clipping removed (`clip_bias`)

                    token ratio     turn ratio
    plain           ppo             turn_ppo
    corrected       s_ppo           st_ppo

Fidelity:
    The paper's body was not read. Certain: the two mechanisms and the four names. From notes that
    agree with one another and with the lemma that follows (checked numerically): the geometric
    mean, token GAE, eps = 0.2. Our reading: the exact normaliser was never reached. "Adding the
    clipping bias to normalise gradients" is read as above (delta = 1): the literal grad J / ||C||
    once the bias is large, plain PPO while nothing clips, which is also what the second version of
    the paper (SORL, "clipping-triggered normalization") is called after. `bias="none"` leaves it
    out, `"score"` and `"coefficient"` are cheap stand-ins for the exact `"gradient"`;
    `scope="trajectory"` scales each trajectory by its own bias. gamma, lambda and rates are not
    known; the defaults are Search-R1's settings from memory. No number of the paper is claimed to
    be reproduced. Not to be confused with Turn-PPO of arXiv 2512.17008, a turn-level decision
    process: that is `gae="turn"`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

from turnwise.algorithms.options import InvalidRule, MismatchRule, extends
from turnwise.algorithms.papers import ppo
from turnwise.algorithms.parts.clip_bias import CorrectedClip
from turnwise.algorithms.parts.ratio import Level, Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe


def recipe(
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
    """ST-PPO. `ratio_gradient="own"` stops the gradient of the pooled ratio (GSPO-token's form).
    See `ppo` for the rest.
    """
    base = ppo.recipe(
        clip, clip_high, dual_clip, gamma, lam, gae, whiten, value_coefficient, value_clip, ratio, kl, kl_estimator,
        entropy_bonus, aggregate, invalid_penalty, truncate_mismatch, mismatch, invalid_rule, success_reward,
    )  # fmt: skip
    pooled = Ratio(ratio, gradient=ratio_gradient)
    plain = Clip(clip, clip if clip_high is None else clip_high, dual_clip)
    surrogate = plain if bias == "none" else CorrectedClip(plain, pooled, bias, scope, delta)
    return replace(base, name="st_ppo", ratio=pooled, surrogate=surrogate)


@extends(recipe, without=("ratio", "ratio_gradient", "bias", "scope", "delta"))
def turn_ppo(**shared: Any) -> Recipe:
    """Turn-level ratios without the correction."""
    return replace(recipe("turn", bias="none", **shared), name="turn_ppo")


@extends(recipe, without=("ratio", "ratio_gradient"))
def s_ppo(bias: Literal["gradient", "score", "coefficient"] = "gradient", **shared: Any) -> Recipe:
    """Token-level ratios with the correction."""
    return replace(recipe("token", bias=bias, **shared), name="s_ppo")
