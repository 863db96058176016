"""Reward components that an algorithm adds to turns.

A shaper adds a column to `CreditBatch.rewards` and names it in `provides` as `reward:NAME`; the
recipe counts it with the weight it has in `Recipe.rewards`, and is not built when it forgot to.
Environments never shape: their reward is the benchmark's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.reducer import Reducer

InvalidRule: TypeAlias = Literal["invalid", "malformed"]
MALFORMED = "malformed"
"""The tag of a turn whose reply could not be read as an action."""


@dataclass(frozen=True, slots=True)
class InvalidPenalty:
    """-amount on every turn whose action could not be read or was not admissible (`Turn.valid` is
    False).

    With the rule `malformed` only on those whose reply could not be read, which is what the
    published WebShop and ALFWorld runs penalise: a well-formed act that the environment does not
    admit costs nothing there.
    """

    amount: float = 0.1
    rule: InvalidRule = "invalid"
    component: str = "invalid"
    requirements = frozenset[str]()

    @property
    def provides(self) -> frozenset[str]:
        return frozenset({f"reward:{self.component}"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        wrong = [
            MALFORMED in turn.tags if self.rule == "malformed" else not turn.valid
            for turn in batch.turns
        ]
        column = -self.amount * np.array(wrong, dtype=np.float64)
        return replace(batch, rewards={**batch.rewards, self.component: column})


@dataclass(frozen=True, slots=True)
class TagReward:
    """`amount` (negative: a penalty) on every turn that carries `tag`."""

    tag: str
    amount: float
    requirements = frozenset[str]()

    @property
    def provides(self) -> frozenset[str]:
        return frozenset({f"reward:{self.tag}"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        column = np.array(
            [self.amount if self.tag in turn.tags else 0.0 for turn in batch.turns],
            dtype=np.float64,
        )
        return replace(batch, rewards={**batch.rewards, self.tag: column})
