"""Filters: which groups, trajectories and turns count.

A filter runs before the advantage. `CreditBatch.only` removes trajectories from the batch and from
every statistic; `CreditBatch.mask_turns` leaves them in the statistics and removes them from the
loss. Papers differ in exactly this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.reducer import Reducer


@dataclass(frozen=True, slots=True)
class DropEqualGroups:
    """Drop groups whose trajectories all have the same return.

    Their advantage is 0 and they would only dilute the mean. This is the filter half of DAPO's
    dynamic sampling (arXiv 2503.14476); drawing others in their place is the sampler's half.
    """

    tolerance: float = 0.0
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        if not len(batch.trajectories):
            return batch
        size = int(batch.group.max()) + 1
        low, high = np.full(size, np.inf), np.full(size, -np.inf)
        np.minimum.at(low, batch.group, batch.returns)
        np.maximum.at(high, batch.group, batch.returns)
        return batch.only((high - low > self.tolerance)[batch.group])


@dataclass(frozen=True, slots=True)
class OnlySuccesses:
    """Keep trajectories that solved their task: rejection sampling, or clean demonstrations."""

    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        return batch.only(np.array([t.success for t in batch.trajectories], dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class MaskTurns:
    """Remove turns from the loss, but not from the statistics.

    Those that carry `tag`, or the invalid ones when it is None.
    """

    tag: str | None = None
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        keep = [t.valid if self.tag is None else self.tag not in t.tags for t in batch.turns]
        return batch.mask_turns(np.array(keep, dtype=np.bool_))
