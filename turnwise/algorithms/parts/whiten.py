"""Advantages of mean 0 and standard deviation 1 over the whole batch, every trained token having
one vote.

What PPO, REINFORCE++ (arXiv 2501.03262) and GDPO (arXiv 2601.05242) do after their own advantage.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.reducer import Reducer


@dataclass(frozen=True, slots=True)
class Whiten:
    """(A - mean A) / sqrt(var A + epsilon) over the trained tokens of the global batch. What is
    masked is 0.

    Where all advantages are equal they become 0.
    """

    centre: bool = True
    ddof: int = 1
    """1: the sample's variance (verl's `masked_whiten`); 0: the population's."""
    epsilon: float = 1e-8
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        values = batch.tokens["advantage"]
        trained = values[batch.mask]
        mean, deviation = reducer.mean(trained), reducer.std(trained, self.ddof)
        scaled = (values - mean) / np.sqrt(deviation**2 + self.epsilon)
        return batch.write(
            advantage=np.where(batch.mask, scaled if self.centre else scaled + mean, 0.0)
        )
