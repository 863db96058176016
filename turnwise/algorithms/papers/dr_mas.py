"""Dr. MAS: each agent of a team is compared with itself.

L. Feng et al., "Dr. MAS: Stable Reinforcement Learning for Multi-Agent LLM Systems", arXiv
2602.08847.

    Y_k      the steps of a task's trajectories at which agent k acts; each carries its trajectory's return R_i
    A_{i,k} = (R_i - mean over Y_k of R) / (std over Y_k of R + eps)

A team's agents act on different steps of different trajectories, so one mean and deviation for all
is wrong for each: the gradient of agent k is scaled by (sigma_k^2 + (mu_k - mu)^2) / sigma^2.

Fidelity:
    Certain: the statistics, from the paper and its code: over steps, so that a trajectory in which
    the agent acts often weighs more (`unit="trajectory"`: one vote each). The paper's algorithm
    writes the whole batch; the code, and this, compare within a task. The paper's deviation is the
    population's, the code's the sample's (torch): `ddof=1` is the default, `ddof=0` the paper's. An
    agent that acts once in a group has advantage 0 (`lone="raw"`: its return, as in the code); one
    that acts only in trajectories of equal return has advantage 0, by the formula.
    Departure: weights. The authors update each agent's model on its own steps with a mean of its
    own; `per_agent=True`, the default, gives each agent the same share of the batch and its tokens
    a mean within that share.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch, Ints, numbered
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
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer


def same_agent(batch: CreditBatch) -> Ints:
    """[S] steps of a group at which the same agent acts."""
    groups = batch.group[batch.owner].tolist()
    return numbered((g, turn.agent) for g, turn in zip(groups, batch.turns, strict=True))


PLACES = 4096
"""Processes may know different agents, so sums by agent are added in places that follow from the
names alone.
"""


@dataclass(frozen=True, slots=True)
class MeanPerAgent:
    """Every agent of the batch has the same share of the weights, and `over` divides it within the
    agent's tokens.
    """

    over: Literal["token", "turn"] = "token"
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        trained = batch.mask.astype(np.float64)
        places = {
            name: zlib.crc32(name.encode()) % PLACES
            for name in {turn.agent for turn in batch.turns}
        }
        agent = np.array([places[turn.agent] for turn in batch.turns], dtype=np.int64)[
            batch.turn_of
        ]
        size = np.bincount(batch.turn_of, trained, minlength=len(batch.turns))[batch.turn_of]
        own = (
            trained
            if self.over == "token"
            else np.divide(trained, size, out=np.zeros_like(trained), where=size > 0)
        )
        shares = reducer.add(np.bincount(agent, own, minlength=PLACES).astype(np.float64))
        whole = shares[agent] * np.count_nonzero(shares)
        return batch.write(weight=np.divide(own, whole, out=np.zeros_like(own), where=own > 0))


def recipe(
    unit: Literal["turn", "trajectory"] = "turn",
    lone: Literal["zero", "raw"] = "zero",
    ddof: int = 1,
    per_agent: bool = True,
    clip: float = 0.2,
    clip_high: float | None = None,
    kl: float = 0.0,
    kl_estimator: Literal["k1", "k2", "k3"] = "k3",
    entropy_bonus: float = 0.0,
    aggregate: Literal["token", "turn"] = "token",
    drop_equal_groups: bool = False,
    invalid_penalty: float = 0.0,
    truncate_mismatch: float | None = None,
    mismatch: MismatchRule | None = None,
    invalid_rule: InvalidRule = "invalid",
    success_reward: float | None = None,
) -> Recipe:
    """Dr. MAS; see `options` for the settings that recipes share."""
    return Recipe(
        name="dr_mas",
        filters=equal_groups(drop_equal_groups),
        shapers=invalid(invalid_penalty, invalid_rule),
        rewards=reward_weights(invalid_penalty, success_reward),
        advantage=PeerAdvantage(unit=unit, peers=same_agent, ddof=ddof, lone=lone),
        ratio=Ratio("token"),
        surrogate=Clip(clip, clip if clip_high is None else clip_high),
        aggregate=MeanPerAgent(aggregate) if per_agent else Mean(aggregate),
        regularisers=penalties(kl, kl_estimator, entropy_bonus),
        mismatch=correction(truncate_mismatch, mismatch),
    )
