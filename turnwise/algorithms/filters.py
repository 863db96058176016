"""Which groups, trajectories and turns count.

A filter runs before the advantage. One that uses `Ledger.only` takes trajectories out of the batch and of every statistic;
one that uses `Ledger.mask_turns` leaves them in the statistics and takes them out of the loss. Papers differ in exactly that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from turnwise.algorithms.ledger import Ledger
from turnwise.algorithms.totals import Totals


@dataclass(frozen=True, slots=True)
class DropEqualGroups:
    """Drops groups whose trajectories all have the same return: their advantage is 0 and they would only thin the mean.

    The filter half of DAPO's dynamic sampling (arXiv 2503.14476); drawing others in their place is the sampler's half.
    """

    tolerance: float = 0.0
    requires = frozenset[str]()

    def __call__(self, ledger: Ledger, totals: Totals) -> Ledger:
        if not len(ledger.trajectories):
            return ledger
        size = int(ledger.group.max()) + 1
        low, high = np.full(size, np.inf), np.full(size, -np.inf)
        np.minimum.at(low, ledger.group, ledger.returns)
        np.maximum.at(high, ledger.group, ledger.returns)
        return ledger.only((high - low > self.tolerance)[ledger.group])


@dataclass(frozen=True, slots=True)
class OnlySuccesses:
    """Keeps trajectories that solved their task: rejection sampling, or clean demonstrations."""

    requires = frozenset[str]()

    def __call__(self, ledger: Ledger, totals: Totals) -> Ledger:
        return ledger.only(np.array([t.success for t in ledger.trajectories], dtype=np.bool_))


@dataclass(frozen=True, slots=True)
class MaskTurns:
    """Takes turns out of the loss, after statistics: those that carry `tag`, or all but the valid ones when it is None."""

    tag: str | None = None
    requires = frozenset[str]()

    def __call__(self, ledger: Ledger, totals: Totals) -> Ledger:
        keep = [t.valid if self.tag is None else self.tag not in t.tags for t in ledger.turns]
        return ledger.mask_turns(np.array(keep, dtype=np.bool_))
