"""ARPO: agentic reinforced policy optimisation. Roll out where the tool's answer left the policy
unsure.

G. Dong et al., "Agentic Reinforced Policy Optimization", arXiv 2507.19849.

    H_t      entropy of the first k tokens after a tool's result;  dH_t = (H_t - H_first turn) / log V
    P_t    = alpha + beta dH_t                                  branch there, until M - N branches are made
    A_i    = (R_i - mean R) / std R over the M trajectories
    hard:    a token in a prefix shared by d trajectories has (1/d) sum of their A;   soft (default): A_i everywhere

Fidelity:
    From notes that agree (the paper's body was not read) and the authors' code. Certain: the
    budget, the rule, that soft is plain GRPO on all M trajectories and is what their experiments
    used. Our reading: branch with probability clip(P, 0, 1), as the code does; `rule="threshold"`
    with `tau` is the paper's. The entropy is measured after the tool's result (the code is a
    segment late), is the full vocabulary's (the code sums the top ten) and a mean over the window
    (the code's sum is `entropy_reduction="sum"`: about 20 times larger, so beta means something
    else). A branch goes on from the state before the unsure turn and shares nothing after it; what
    began the episode is inherited. Weights: soft equals hard on shared tokens only where every
    token counts alike and nothing is clipped, so the mean is over tokens. With `initial = total` it
    is GRPO. A group of one has advantage 0. Departure: their reward (F1 over text without
    punctuation) is the environment's own here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch, numbered
from turnwise.algorithms.options import (
    InvalidRule,
    MismatchRule,
    correction,
    equal_groups,
    invalid,
    penalties,
    reward_weights,
)
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.aggregate import Mean
from turnwise.algorithms.parts.branching import Entropy, EntropyBranching
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """Turns that several trajectories inherited from the same act share the mean of their
    advantages (hard attribution).
    """

    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        if not len(batch.turns):
            return batch
        parents = {t.uid: t.parent for t in batch.trajectories}
        acts = numbered(
            _origin(batch.trajectories[owner].uid, int(k), parents)
            for owner, k in zip(batch.owner, batch.index, strict=True)
        )
        own = batch.turn_mean(batch.tokens["advantage"])
        mean = np.bincount(acts, own) / np.bincount(acts)
        return batch.write(advantage=batch.spread(mean[acts]))


def _origin(uid: str, turn: int, parents: dict[str, tuple[str, int] | None]) -> tuple[str, int]:
    """The trajectory that a turn was first written in, and the turn."""
    while (parent := parents.get(uid)) is not None and turn < parent[1]:
        uid = parent[0]
    return uid, turn


def recipe(
    total: int = 16,
    initial: int = 8,
    copies: int = 1,
    alpha: float = 0.5,
    beta: float = 0.2,
    rule: Literal["bernoulli", "threshold"] = "bernoulli",
    tau: float = 0.5,
    window: int = 20,
    vocabulary: int = 151_936,
    entropy_reduction: Literal["mean", "sum"] = "mean",
    attribution: Literal["soft", "hard"] = "soft",
    ddof: int = 1,
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = 3.0,
    kl: float = 0.0,
    kl_estimator: Literal["k1", "k2", "k3"] = "k3",
    entropy_bonus: float = 0.0,
    aggregate: Literal["token", "turn", "trajectory"] = "token",
    drop_equal_groups: bool = False,
    invalid_penalty: float = 0.0,
    truncate_mismatch: float | None = None,
    mismatch: MismatchRule | None = None,
    invalid_rule: InvalidRule = "invalid",
    success_reward: float | None = None,
) -> Recipe:
    """ARPO. `total` and `initial` are M and N; `vocabulary` is the model's. See `options` for the
    settings that recipes share.
    """
    unsure = Entropy(window, vocabulary, entropy_reduction)
    return Recipe(
        name="arpo",
        strategy=EntropyBranching(total, initial, copies, alpha, beta, rule, tau, unsure),
        filters=equal_groups(drop_equal_groups),
        shapers=invalid(invalid_penalty, invalid_rule),
        rewards=reward_weights(invalid_penalty, success_reward),
        advantage=PeerAdvantage(ddof=ddof),
        reweighters=(SharedPrefix(),) if attribution == "hard" else (),
        ratio=Ratio("token"),
        surrogate=Clip(clip, clip if clip_high is None else clip_high, dual_clip),
        aggregate=Mean(aggregate),
        regularisers=penalties(kl, kl_estimator, entropy_bonus),
        mismatch=correction(truncate_mismatch, mismatch),
    )
