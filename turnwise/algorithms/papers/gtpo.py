"""GTPO and GRPO-S: entropy shapes the reward of each token, or of each sequence.

"GTPO and GRPO-S: Token and Sequence-Level Reward Shaping with Policy Entropy", arXiv 2508.04349.
(Another paper called GTPO, arXiv 2508.03772, is unrelated.)

    solved   r_{i,t} =   a1 + a2 d_t H_{i,t} / sum_k H_{k,t}
    failed   r_{i,t} = -(a1 + a2 d_t H_{i,t}^-1 / sum_k H_{k,t}^-1)
             over the d_t solved (or failed) trajectories k of the task with a token at position t
    A_{i,t} = (r - mean) / std          among the solved and among the failed, each on its own
    GRPO-S: the same with the mean entropy of a trajectory, over trajectories instead of tokens

Fidelity:
    Second-hand: equations from a description, a1 = 0.9 and a2 = 0.1 from a re-implementation.
    Our reading: solved is `Trajectory.success`; H is the entropy that the engine recorded; t counts
    the policy's tokens of all turns. GRPO-S uses the token ratio here. Equal values in a normalised
    set have advantage 0.
    Note: normalised each on its own ("sides"), solved and failed tokens both have mean 0, so
    nothing is learned from the outcome, only from entropy. `normalise="group"` takes mean and
    deviation over both and keeps the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch, Ints, numbered
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.records import Floats


@dataclass(frozen=True, slots=True)
class EntropyShaped:
    """The advantage of rewards shaped by entropy, per token or per trajectory."""

    outcome: float = 0.9
    entropy: float = 0.1
    level: Literal["token", "trajectory"] = "token"
    normalise: Literal["sides", "group"] = "sides"
    epsilon: float = 1e-6
    requirements = frozenset({"rollout:entropy"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        of = batch.owner[batch.turn_of]
        number = np.bincount(of, minlength=len(batch.trajectories))
        entropy = np.maximum(batch.recorded("entropy"), self.epsilon)
        if self.level == "token":
            owner, place = of, np.arange(len(of)) - np.repeat(np.cumsum(number) - number, number)
        else:
            owner, place = np.arange(len(number)), np.zeros(len(number), dtype=np.int64)
            total = np.bincount(of, entropy, minlength=len(number))
            entropy = np.maximum(total / np.maximum(number, 1), self.epsilon)
        solved = np.array([t.success for t in batch.trajectories], dtype=np.bool_)[owner]
        group = batch.group[owner]
        value = np.where(solved, entropy, 1.0 / entropy)
        peers = numbered(zip(group.tolist(), solved.tolist(), place.tolist(), strict=True))
        share = _relative(value, peers)
        reward = np.where(solved, 1.0, -1.0) * (self.outcome + self.entropy * share)
        among = numbered(group.tolist())
        if self.normalise == "sides":
            among = numbered(zip(group.tolist(), solved.tolist(), strict=True))
        advantage = self._normal(reward, among)
        return batch.write(advantage=advantage if self.level == "token" else advantage[of])

    def _normal(self, reward: Floats, among: Ints) -> Floats:
        number = np.maximum(np.bincount(among), 1)
        gap = reward - (np.bincount(among, reward) / number)[among]
        gap[np.abs(gap) < 1e-12] = 0.0  # equal rewards: rounding noise over no deviation
        deviation = np.sqrt(np.bincount(among, gap**2) / np.maximum(number - 1, 1))
        return np.asarray(gap / (deviation[among] + self.epsilon))


def _relative(value: Floats, among: Ints) -> Floats:
    """Divide each value by the mean of the values with the same label."""
    return np.asarray(value * np.bincount(among)[among] / np.bincount(among, value)[among])


def recipe(
    *,
    outcome: float = 0.9,
    entropy: float = 0.1,
    normalise: Literal["sides", "group"] = "sides",
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    common: CommonOptions = CommonOptions(aggregate="token", drop_equal_groups=True),
) -> Recipe:
    """Build GTPO. `outcome` is a1 and `entropy` a2."""
    return common.build(
        "gtpo",
        advantage=EntropyShaped(outcome, entropy, "token", normalise),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high, dual_clip),
    )


def grpo_s(
    *,
    outcome: float = 0.9,
    entropy: float = 0.1,
    normalise: Literal["sides", "group"] = "sides",
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    common: CommonOptions = CommonOptions(aggregate="token", drop_equal_groups=True),
) -> Recipe:
    """Build GRPO-S: GTPO over trajectories instead of tokens."""
    return common.build(
        "grpo_s",
        advantage=EntropyShaped(outcome, entropy, "trajectory", normalise),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high, dual_clip),
    )
