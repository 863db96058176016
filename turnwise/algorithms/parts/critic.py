"""Advantages from a critic, and the critic's loss.

J. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation",
arXiv 1506.02438.

    delta_t   = r_t + gamma * V_{t+1} - V_t
    A_t       = delta_t + gamma * lambda * A_{t+1}
    returns_t = A_t + V_t

over the tokens the policy generated; what the environment wrote in between is no step. A turn's
reward is earned at its last token, that of a turn without tokens at the last token before it (the
first after it where there is none), and nothing follows the last one. Over turns (the decision
process of Turn-PPO, arXiv 2512.17008), V is the critic's value at a turn's first token, every token
of the turn has its advantage, and only first tokens train the critic.

The critic's loss is the squared distance to the returns, clipped around the value it had when the
update began (PPO's released code; as in verl and TRL), with the weights of the policy's tokens:

    0.5 * max[ (V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2 ]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch, Ints
from turnwise.algorithms.parts.surrogate import Term
from turnwise.algorithms.reducer import Reducer
from turnwise.algorithms.streams import Batch
from turnwise.records import Floats


@dataclass(frozen=True, slots=True)
class GAE:
    """Write `advantage`, and for the critic `returns`, `value_old` and `value_mask`.

    `returns` is the critic's target and `value_mask` is 1 where it is trained. Without precomputed
    streams (`credit(groups)` outside a trainer) values are 0, those of a critic before its first
    step.
    """

    gamma: float = 1.0
    lam: float = 1.0
    over: Literal["token", "turn"] = "token"
    requirements = frozenset({"precomputed:value"})
    provides = frozenset({"stream:returns", "stream:value_old", "stream:value_mask"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        value = batch.recorded("value") if batch.precomputed else np.zeros(int(batch.length.sum()))
        at = _steps(batch) if self.over == "turn" else np.arange(len(value))
        owner = batch.owner[batch.turn_of][at]
        own = discounted(_rewards(batch, at, self.over), value[at], owner, self.gamma, self.lam)
        if self.over == "turn":
            turn = np.flatnonzero(batch.length > 0)
            wide = np.zeros(len(batch.turns))
            wide[turn] = own
            spread, first = batch.spread(wide), np.zeros(len(value))
            first[at] = 1.0
            baseline = np.zeros(len(batch.turns))
            baseline[turn] = value[at]
            return batch.write(
                advantage=spread,
                returns=spread + batch.spread(baseline),
                value_old=value,
                value_mask=first,
            )
        return batch.write(
            advantage=own, returns=own + value, value_old=value, value_mask=np.ones(len(value))
        )


def discounted(reward: Floats, value: Floats, owner: Ints, gamma: float, lam: float) -> Floats:
    """Compute advantages over the steps of all trajectories at once.

    Goes from the last step backwards, with one vector operation a step.

    Args:
        reward, value: [M] of each step; with values of 0 and lambda 1 the result is the discounted
            return.
        owner: [M] the trajectory of each step; never decreases.

    Returns:
        [M] the advantage of each step.
    """
    if not len(value):
        return value
    begins = np.flatnonzero(np.diff(owner, prepend=-1))
    lengths = np.diff(np.append(begins, len(owner)))
    # Longest first, so that the trajectories with a step this far from their end are a prefix.
    order = np.argsort(-lengths, kind="stable")
    begins, lengths = begins[order], lengths[order]
    result = np.zeros(len(value))
    # Advantage and value of the step after the present one, by trajectory; 0 past the end.
    ahead, beyond = np.zeros(len(begins)), np.zeros(len(begins))
    for back in range(1, int(lengths[0]) + 1):
        alive = int(np.searchsorted(-lengths, -back, side="right"))
        here = begins[:alive] + lengths[:alive] - back
        delta = reward[here] + gamma * beyond[:alive] - value[here]
        ahead[:alive] = delta + gamma * lam * ahead[:alive]
        beyond[:alive] = value[here]
        result[here] = ahead[:alive]
    return result


def token_rewards(batch: CreditBatch) -> Floats:
    """Return [N] the reward earned at each token: a turn's at its last."""
    return _rewards(batch, np.arange(int(batch.length.sum())), "token")


def _steps(batch: CreditBatch) -> Ints:
    """Return the position of the first token of every turn that has tokens."""
    ends = np.cumsum(batch.length)
    return np.asarray((ends - batch.length)[batch.length > 0], dtype=np.int64)


def _rewards(batch: CreditBatch, at: Ints, over: str) -> Floats:
    """Return the reward earned at each step."""
    spoken = np.flatnonzero(batch.length > 0)
    result = np.zeros(len(at))
    if not len(spoken):
        return result
    turns = np.arange(len(batch.turns))
    before = np.searchsorted(spoken, turns, side="right") - 1
    # A turn without tokens at the start of a trajectory has no token before it: the first token
    # after it earns its reward.
    wrong = (before < 0) | (batch.owner[spoken[np.maximum(before, 0)]] != batch.owner)
    step = np.where(wrong, before + 1, before)
    valid = step < len(spoken)
    valid &= batch.owner[spoken[np.minimum(step, len(spoken) - 1)]] == batch.owner
    last = np.cumsum(batch.length[spoken]) - 1 if over == "token" else np.arange(len(spoken))
    np.add.at(result, last[step[valid]], batch.reward[valid])
    return result


@dataclass(frozen=True, slots=True)
class ValueLoss:
    """The critic's loss.

    Reports `value_loss`, `value` (mean prediction), `returns` (mean target) and
    `value_clip_share`.
    """

    coefficient: float = 1.0
    clip: float | None = 0.5
    """Half-width of the interval around the old value; None does not clip."""
    requirements = frozenset({"value", "stream:returns", "stream:value_old", "stream:value_mask"})

    def __call__(self, batch: Batch) -> Term:
        assert batch.value is not None
        target, old, trained = (
            batch.streams[name] for name in ("returns", "value_old", "value_mask")
        )
        loss = (batch.value - target) ** 2
        hit = loss.new_zeros(len(loss))
        if self.clip is not None:
            bounded = (old + (batch.value - old).clamp(-self.clip, self.clip) - target) ** 2
            hit = (bounded > loss).detach().to(loss.dtype) * trained
            loss = loss.maximum(bounded)
        loss = 0.5 * loss * trained
        shown = {
            "value_loss": loss.detach(),
            "value": batch.value.detach(),
            "returns": target,
            "value_clip_share": hit,
        }
        return Term(self.coefficient * loss, shown)
