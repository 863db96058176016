"""Dr. MAS: normalise the advantage of each agent of a team separately.

L. Feng et al., "Dr. MAS: Stable Reinforcement Learning for Multi-Agent LLM Systems", arXiv
2602.08847.

    Y_k       the turns of a task's trajectories at which agent k acts, each with its return R_i
    A_{i,k} = (R_i - mean over Y_k of R) / (std over Y_k of R + eps)

A team's agents act on different turns of different trajectories, so one mean and deviation for all
is wrong for each: the gradient of agent k is scaled by (sigma_k^2 + (mu_k - mu)^2) / sigma^2.

Fidelity:
    Certain: the statistics, from the paper and its code. They are over turns, so a trajectory in
    which the agent acts often has more weight (`unit="trajectory"`: one vote each). The paper's
    algorithm uses the whole batch; the code, and this file, compare within a task. The paper's
    deviation is the population's, the code's the sample's (torch): `ddof=1` is the default,
    `ddof=0` the paper's. An agent that acts once in a group has advantage 0 (`lone="raw"`: its
    return, as in the code); one that acts only in trajectories of equal return has advantage 0, by
    the formula.
    Departure: weights. The authors update each agent's model on its own turns with a mean of its
    own. `per_agent=True`, the default, gives each agent the same share of the batch and averages
    over its tokens within that share.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch, Ints, numbered
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.aggregate import Mean
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError


def same_agent(batch: CreditBatch) -> Ints:
    """Return [S] labels: turns of a group at which the same agent acts."""
    groups = batch.group[batch.owner].tolist()
    return numbered((g, turn.agent) for g, turn in zip(groups, batch.turns, strict=True))


AGENT_BUCKETS = 4096
"""Length of the array of sums by agent. Processes may have different agents, so the position of
each follows from a hash of its name."""


@dataclass(frozen=True, slots=True)
class MeanPerAgent:
    """Give every agent the same share of the weights, divided among its tokens or turns."""

    over: Literal["token", "turn"] = "token"
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        trained = batch.mask.astype(np.float64)
        names = {turn.agent for turn in batch.turns}
        # Not `hash`, which differs from process to process.
        buckets = {name: zlib.crc32(name.encode()) % AGENT_BUCKETS for name in names}
        by_turn = np.array([buckets[turn.agent] for turn in batch.turns], dtype=np.int64)
        agent, own = by_turn[batch.turn_of], trained
        if self.over == "turn":
            size = np.bincount(batch.turn_of, trained, minlength=len(batch.turns))[batch.turn_of]
            own = np.divide(trained, size, out=np.zeros_like(trained), where=size > 0)
        shares = reducer.add(np.bincount(agent, own, minlength=AGENT_BUCKETS).astype(np.float64))
        whole = shares[agent] * np.count_nonzero(shares)
        return batch.write(weight=np.divide(own, whole, out=np.zeros_like(own), where=own > 0))


def recipe(
    *,
    unit: Literal["turn", "trajectory"] = "turn",
    lone: Literal["zero", "raw"] = "zero",
    ddof: int = 1,
    per_agent: bool = True,
    clip: float = 0.2,
    clip_high: float | None = None,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build Dr. MAS. With `per_agent`, `aggregate` is a mean within the share of each agent.

    Raises:
        ConfigError: for a mean over trajectories within the share of an agent.
    """
    over = common.aggregate
    if per_agent and over == "trajectory":
        raise ConfigError(
            "recipe 'dr_mas' cannot average over the trajectories of one agent: set aggregate to "
            "'token' or 'turn', or per_agent to false"
        )
    return common.build(
        "dr_mas",
        advantage=PeerAdvantage(unit=unit, peers=same_agent, ddof=ddof, lone=lone),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high),
        aggregate=MeanPerAgent(over) if per_agent and over != "trajectory" else Mean(over),
    )
