"""GDPO: every reward is normalised before rewards are added.

"GDPO: Group reward-Decoupled Normalization Policy Optimization for Multi-reward RL Optimization", arXiv 2601.05242.

    A_i = whiten( sum_r w_r (x_i^r - mean_q x^r) / (std_q x^r + eps) )          r: the components of the reward

Added first, different mixes of rewards collapse to one return and one advantage.

Fidelity:
    Certain (the authors' code, verl, TRL): normalisation of each component within the group, the weighted sum, whitening over the
    batch.
    Our reading: whitening is over the trained tokens, with the sample's variance. The components are those the recipe
    counts: `components`, and the penalty on invalid turns as one of its own where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from turnwise.algorithms import grpo
from turnwise.algorithms.advantage import PeerAdvantage
from turnwise.algorithms.ledger import Ledger
from turnwise.algorithms.options import extends
from turnwise.algorithms.recipe import Recipe
from turnwise.algorithms.totals import Totals
from turnwise.algorithms.whiten import Whiten
from turnwise.records import Floats


@dataclass(frozen=True, slots=True)
class Component:
    """[S] the sum of one reward component over the turn's trajectory."""

    name: str

    def __call__(self, ledger: Ledger) -> Floats:
        column = ledger.rewards.get(self.name, np.zeros(len(ledger.turns)))
        summed: Floats = np.bincount(ledger.owner, column, minlength=len(ledger.trajectories)).astype(np.float64)
        return summed[ledger.owner]


@dataclass(frozen=True, slots=True)
class PerComponent:
    """The weighted sum of the advantages that each counted component would give alone."""

    one: PeerAdvantage = field(default_factory=PeerAdvantage)
    requires = frozenset[str]()

    def __call__(self, ledger: Ledger, totals: Totals) -> Ledger:
        total = np.zeros(len(ledger.mask))
        for name, weight in ledger.counted.items():
            total += weight * replace(self.one, value=Component(name))(ledger, totals).tokens["advantage"]
        return ledger.write(advantage=total)


@extends(grpo.recipe)
def recipe(components: dict[str, float] | None = None, **shared: Any) -> Recipe:
    """GDPO. `components` are weights by name, in place of the environment's reward; see `grpo` for the other settings."""
    base = grpo.recipe(**shared)
    assert isinstance(base.advantage, PeerAdvantage)
    penalty = {name: weight for name, weight in base.rewards.items() if name == "invalid"}
    rewards: Mapping[str, float] = base.rewards if components is None else {**components, **penalty}
    own = PerComponent(base.advantage)
    return replace(base, name="gdpo", rewards=rewards, advantage=own, reweighters=(Whiten(),))
