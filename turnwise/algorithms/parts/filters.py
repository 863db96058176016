"""Which groups, trajectories and turns count.

A filter runs before the advantage. One that uses `CreditBatch.only` takes trajectories out of the
batch and of every statistic; one that uses `CreditBatch.mask_turns` leaves them in the statistics
and takes them out of the loss. Papers differ in exactly that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.reducer import Reducer


@dataclass(frozen=True, slots=True)
class DropEqualGroups:
    """Drops groups whose trajectories all have the same return: their advantage is 0 and they would
    only thin the mean.

    The filter half of DAPO's dynamic sampling (arXiv 2503.14476); drawing others in their place is
    the sampler's half.
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
    """Keeps trajectories that solved their task: rejection sampling, or clean demonstrations."""

    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        return batch.only(np.array([t.success for t in batch.trajectories], dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class MaskTurns:
    """Takes turns out of the loss, after statistics: those that carry `tag`, or all but the valid
    ones when it is None.
    """

    tag: str | None = None
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        keep = [t.valid if self.tag is None else self.tag not in t.tags for t in batch.turns]
        return batch.mask_turns(np.array(keep, dtype=np.bool_))
