"""Reward components that an algorithm adds to turns.

A shaper adds a column to `CreditBatch.rewards` and names it in `provides` as `reward:NAME`. The
recipe gives it a weight in `Recipe.rewards`; building a recipe without that weight is an error.
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
"""Tag of a turn whose reply could not be parsed as an action."""


@dataclass(frozen=True, slots=True)
class InvalidPenalty:
    """Subtract `amount` from the reward of every invalid turn.

    With the rule `invalid` those are the turns whose action could not be parsed or was not
    admissible (`Turn.valid` is False); with `malformed` only those whose reply could not be parsed,
    which is what the published WebShop and ALFWorld runs penalise.
    """

    amount: float = 0.1
    rule: InvalidRule = "invalid"
    component: str = "invalid"
    requirements = frozenset[str]()

    @property
    def provides(self) -> frozenset[str]:
        return frozenset({f"reward:{self.component}"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        if self.rule == "malformed":
            wrong = [MALFORMED in turn.tags for turn in batch.turns]
        else:
            wrong = [not turn.valid for turn in batch.turns]
        column = -self.amount * np.array(wrong, dtype=np.float64)
        return replace(batch, rewards={**batch.rewards, self.component: column})


@dataclass(frozen=True, slots=True)
class TagReward:
    """Add `amount` to the reward of every turn that carries `tag`; negative is a penalty."""

    tag: str
    amount: float
    requirements = frozenset[str]()

    @property
    def provides(self) -> frozenset[str]:
        return frozenset({f"reward:{self.tag}"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        tagged = np.array([self.tag in turn.tags for turn in batch.turns], dtype=np.float64)
        return replace(batch, rewards={**batch.rewards, self.tag: self.amount * tagged})
