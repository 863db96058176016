"""Advantages from a critic: generalised advantage estimation over tokens or over turns.

J. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", arXiv 1506.02438.

    delta_t = r_t + gamma * V_{t+1} - V_t          A_t = delta_t + gamma * lambda * A_{t+1}          returns_t = A_t + V_t

over the tokens the policy wrote: what the environment wrote in between is no step. A turn's reward is earned at its last
token, that of a turn without tokens at the last token before it (the first after it where there is none), and nothing
follows the last one. Over turns (the decision process of Turn-PPO, arXiv 2512.17008), V is the critic's value at a turn's
first token, every token of the turn has its advantage, and only first tokens train the critic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.ledger import Ints, Ledger
from turnwise.algorithms.totals import Totals
from turnwise.records import Floats


@dataclass(frozen=True, slots=True)
class GAE:
    """Writes `advantage`, and for the critic `returns` (its target), `value_old` and `value_mask` (1 where it is trained).

    Where nothing at all is given (`credit(groups)` outside a trainer) values are 0, those of a critic before its first step.
    """

    gamma: float = 1.0
    lam: float = 1.0
    over: Literal["token", "turn"] = "token"
    requires = frozenset({"given:value"})
    provides = frozenset({"stream:returns", "stream:value_old", "stream:value_mask"})

    def __call__(self, ledger: Ledger, totals: Totals) -> Ledger:
        value = ledger.recorded("value") if ledger.given else np.zeros(int(ledger.length.sum()))
        at = _steps(ledger) if self.over == "turn" else np.arange(len(value))
        owner = ledger.owner[ledger.turn_of][at]
        own = discounted(_rewards(ledger, at, self.over), value[at], owner, self.gamma, self.lam)
        if self.over == "turn":
            turn = np.flatnonzero(ledger.length > 0)
            wide = np.zeros(len(ledger.turns))
            wide[turn] = own
            spread, first = ledger.spread(wide), np.zeros(len(value))
            first[at] = 1.0
            baseline = np.zeros(len(ledger.turns))
            baseline[turn] = value[at]
            return ledger.write(advantage=spread, returns=spread + ledger.spread(baseline), value_old=value, value_mask=first)
        return ledger.write(advantage=own, returns=own + value, value_old=value, value_mask=np.ones(len(value)))


def discounted(reward: Floats, value: Floats, owner: Ints, gamma: float, lam: float) -> Floats:
    """The recursion over the steps of all trajectories at once: from the last step backwards, one vector operation a step.

    Args:
        reward, value: [M] of each step; with values of 0 and lambda 1 the result is the discounted return.
        owner: [M] the trajectory of each step; never falls.
    """
    if not len(value):
        return value
    begins = np.flatnonzero(np.diff(owner, prepend=-1))
    lengths = np.diff(np.append(begins, len(owner)))
    order = np.argsort(-lengths, kind="stable")
    begins, lengths = begins[order], lengths[order]
    result = np.zeros(len(value))
    ahead, beyond = np.zeros(len(begins)), np.zeros(len(begins))
    for back in range(1, int(lengths[0]) + 1):
        alive = int(np.searchsorted(-lengths, -back, side="right"))
        here = begins[:alive] + lengths[:alive] - back
        delta = reward[here] + gamma * beyond[:alive] - value[here]
        ahead[:alive] = delta + gamma * lam * ahead[:alive]
        beyond[:alive] = value[here]
        result[here] = ahead[:alive]
    return result


def token_rewards(ledger: Ledger) -> Floats:
    """[N] the reward earned at each token: a turn's at its last."""
    return _rewards(ledger, np.arange(int(ledger.length.sum())), "token")


def _steps(ledger: Ledger) -> Ints:
    """Positions of the first token of every turn that has tokens."""
    ends = np.cumsum(ledger.length)
    return np.asarray((ends - ledger.length)[ledger.length > 0], dtype=np.int64)


def _rewards(ledger: Ledger, at: Ints, over: str) -> Floats:
    """The reward earned at each step."""
    spoken = np.flatnonzero(ledger.length > 0)
    result = np.zeros(len(at))
    if not len(spoken):
        return result
    turns = np.arange(len(ledger.turns))
    before = np.searchsorted(spoken, turns, side="right") - 1
    # A silent turn at the beginning of a trajectory has no token before it: the next one earns its reward.
    wrong = (before < 0) | (ledger.owner[spoken[np.maximum(before, 0)]] != ledger.owner)
    step = np.where(wrong, before + 1, before)
    valid = step < len(spoken)
    valid &= ledger.owner[spoken[np.minimum(step, len(spoken) - 1)]] == ledger.owner
    last = np.cumsum(ledger.length[spoken]) - 1 if over == "token" else np.arange(len(spoken))
    np.add.at(result, last[step[valid]], ledger.reward[valid])
    return result
