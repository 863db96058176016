"""Loss weights over the trained tokens of the *global* batch.

    token       1 / N                      every token alike (DAPO's token mean)
    turn        1 / (turns x n_turn)       every turn alike
    trajectory  1 / (trajectories x n)     every trajectory alike (GRPO's sequence mean)
    fixed       1 / (trajectories x L)     a constant length instead of n (Dr. GRPO)

The loss is then a plain weighted sum, so it cannot depend on how the tokens are cut into rows,
micro-batches or processes. The first three sum to one. The fixed one sums to (mean length) / L,
which it also writes as the stream `mass`, so that reported values are still means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError
from turnwise.records import Floats


@dataclass(frozen=True, slots=True)
class Mean:
    """Weights that are equal over tokens, turns or trajectories.

    Turns and trajectories without trained tokens have no weight.
    """

    over: Literal["token", "turn", "trajectory"] = "token"
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        trained = batch.mask.astype(np.float64)
        if self.over == "token":
            return batch.write(weight=_divide(trained, np.full(len(trained), reducer.sum(trained))))
        # `minlength` fits both: there are at least as many turns as trajectories.
        unit = batch.turn_of if self.over == "turn" else batch.owner[batch.turn_of]
        size: Floats = np.bincount(unit, trained, minlength=len(batch.turns)).astype(np.float64)
        units = reducer.sum((size > 0).astype(np.float64))
        return batch.write(weight=_divide(trained, size[unit] * units))


@dataclass(frozen=True, slots=True)
class Fixed:
    """A weight of 1 / (trajectories x `length`) for every token (Dr. GRPO, arXiv 2503.20783)."""

    length: int
    requirements = frozenset[str]()

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ConfigError(
                f"length = {self.length} must be at least 1 token: "
                "give the longest completion you allow"
            )

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        trained = batch.mask.astype(np.float64)
        alive = np.zeros(len(batch.trajectories))
        alive[batch.owner[batch.turn_of[batch.mask]]] = 1.0
        trajectories = reducer.sum(alive)
        weight = _divide(trained, np.full(len(trained), trajectories * self.length))
        return batch.write(weight=weight, mass=np.full(len(trained), reducer.sum(weight)))


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    """Divide, with 0 where the numerator is 0 (and the denominator may be as well)."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=numerator > 0)
