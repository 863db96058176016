"""Advantages without a critic, and whitening.

    A = scale * (x - centre of x over the peers)

covers most group-relative methods by choice of x (return, reward to go, one component), of the
peers (same task, same task and agent, same state), of the centre (mean, mean of the others, none)
and of the scale (standard deviation or none).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from turnwise.algorithms.credit_batch import Bools, CreditBatch, Ints
from turnwise.algorithms.reducer import Reducer
from turnwise.records import Floats

Value: TypeAlias = Callable[[CreditBatch], Floats]
"""-> [S] the value of each turn that is compared."""
Peers: TypeAlias = Callable[[CreditBatch], Ints]
"""-> [S] a label for each turn; turns with the same label are compared. Turns of different groups
must not share a label."""


def episode_return(batch: CreditBatch) -> Floats:
    """Return [S] the return of each turn's trajectory."""
    return batch.returns[batch.owner]


def same_task(batch: CreditBatch) -> Ints:
    """Return [S] labels: all turns of a group."""
    return batch.group[batch.owner]


@dataclass(frozen=True, slots=True)
class PeerAdvantage:
    """(x - centre) / scale over peers, for every token of a turn.

    Where the values of all peers are equal the advantage is exactly 0, with any scale. Otherwise
    rounding noise divided by a tiny deviation would look like a signal.
    """

    centre: Literal["mean", "others"] = "mean"
    """`others` leaves the turn's own trajectory (or turn) out of its baseline, which is n / (n - 1)
    times the deviation from the mean."""
    scale: Literal["std", "none"] = "std"
    unit: Literal["trajectory", "turn"] = "trajectory"
    """Unit that counts once in the statistics: each trajectory among its peers, or every turn."""
    value: Value = episode_return
    peers: Peers = same_task
    ddof: int = 1
    """1: the sample's standard deviation (torch's default); 0: the population's."""
    epsilon: float = 1e-6
    lone: Literal["zero", "raw"] = "zero"
    """The advantage of a value without peers: 0, or the value itself."""
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        return batch.write(advantage=batch.spread(self.per_turn(batch)))

    def per_turn(self, batch: CreditBatch) -> Floats:
        """Return [S] the advantage of each turn."""
        _, peers = np.unique(self.peers(batch), return_inverse=True)
        return self._compare(self.value(batch), peers, self._votes(batch, peers))

    def _votes(self, batch: CreditBatch, peers: Ints) -> Bools:
        if self.unit == "turn":
            return np.ones(len(peers), dtype=np.bool_)
        # The first turn of each (trajectory, peers) pair votes for it.
        votes = np.zeros(len(peers), dtype=np.bool_)
        votes[np.unique(np.stack([batch.owner, peers]), axis=1, return_index=True)[1]] = True
        return votes

    def _compare(self, value: Floats, peers: Ints, votes: Bools) -> Floats:
        if not len(value):
            return value
        own, size = peers[votes], int(peers.max()) + 1
        number = np.bincount(own, minlength=size)
        mean = np.bincount(own, value[votes], minlength=size) / number
        result = value - mean[peers]
        if self.centre == "others":
            result *= (number / np.maximum(number - 1, 1))[peers]
        if self.scale == "std":
            squares = np.bincount(own, (value[votes] - mean[own]) ** 2, minlength=size)
            result /= (np.sqrt(squares / np.maximum(number - self.ddof, 1)) + self.epsilon)[peers]
        # Equality is read off the values: a deviation of equal values need not be exactly 0.
        low, high = np.full(size, np.inf), np.full(size, -np.inf)
        np.minimum.at(low, own, value[votes])
        np.maximum.at(high, own, value[votes])
        result[(low == high)[peers]] = 0.0
        return np.where((number == 1)[peers], value if self.lone == "raw" else 0.0, result)


@dataclass(frozen=True, slots=True)
class RewardToGo:
    """The discounted sum of rewards from the turn on, less a baseline.

    The baseline is 0, or the mean over all turns of the batch.
    """

    gamma: float = 1.0
    baseline: Literal["none", "batch"] = "none"
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        value = batch.to_go(self.gamma)
        if self.baseline == "batch":
            value = value - reducer.mean(value)
        return batch.write(advantage=batch.spread(value))


@dataclass(frozen=True, slots=True)
class Constant:
    """The same advantage for every token; 1 makes a policy-gradient loss maximum likelihood."""

    value: float = 1.0
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        return batch.write(advantage=np.full(len(batch.mask), self.value))


@dataclass(frozen=True, slots=True)
class Whiten:
    """(A - mean A) / sqrt(var A + epsilon) over the trained tokens of the global batch.

    Masked tokens become 0, and so do all where the advantages are equal. PPO, REINFORCE++ (arXiv
    2501.03262) and GDPO (arXiv 2601.05242) whiten after their own advantage.
    """

    centre: bool = True
    ddof: int = 1
    """1: the sample's variance, as in verl's `masked_whiten`; 0: the population's."""
    epsilon: float = 1e-8
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        values = batch.tokens["advantage"]
        trained = values[batch.mask]
        mean, deviation = reducer.mean(trained), reducer.std(trained, self.ddof)
        scaled = (values - mean) / np.sqrt(deviation**2 + self.epsilon)
        whitened = scaled if self.centre else scaled + mean
        return batch.write(advantage=np.where(batch.mask, whitened, 0.0))
