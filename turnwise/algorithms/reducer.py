"""Statistics of the whole batch, of which each process holds a share.

One primitive is enough: a function that adds an array over all processes. Sums, counts and means
follow from it directly, and so do exact minima, maxima and quantiles (see `Reducer.order`). Every
process must ask for the same statistics in the same order, even with an empty share, so nothing
here returns early.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from turnwise.records import Floats

AllSum: TypeAlias = Callable[[Floats], Floats]
"""Adds a float64 array of fixed shape over all processes and gives every process the result."""

_SIGN = np.uint64(1 << 63)


@dataclass(frozen=True, slots=True)
class Reducer:
    """Statistics over all processes. `all_sum=None` is one process."""

    all_sum: AllSum | None = None

    def sum(self, values: Floats) -> float:
        """Sum all values of all processes."""
        return float(self.add(np.array([float(np.sum(values))]))[0])

    def add(self, array: Floats) -> Floats:
        """Sum one array per process, all of the same shape, elementwise."""
        return self.all_sum(array) if self.all_sum is not None else array

    def count(self, values: Floats) -> int:
        """Count the values of all processes."""
        return round(self.sum(np.array([float(len(values))])))

    def mean(self, values: Floats) -> float:
        """Return the mean of all values; 0 when there are none."""
        total, number = self.add(np.array([float(np.sum(values)), float(len(values))]))
        return float(total / number) if number else 0.0

    def std(self, values: Floats, ddof: int = 1) -> float:
        """Return the standard deviation of all values, in two passes.

        It is 0 when there are no more than `ddof` of them.
        """
        centred = np.asarray(values, dtype=np.float64) - self.mean(values)
        squares, number = self.add(np.array([float(np.sum(centred**2)), float(len(centred))]))
        return float(np.sqrt(squares / (number - ddof))) if number > ddof else 0.0

    def minimum(self, values: Floats) -> float:
        """Return the smallest of all values; NaN when there are none."""
        return self.order(values, 0)

    def maximum(self, values: Floats) -> float:
        """Return the largest of all values; NaN when there are none."""
        return self.order(values, self.count(values) - 1)

    def quantile(self, values: Floats, q: float) -> float:
        """Return the smallest value that at least a share `q` of all values does not exceed.

        It is NaN when there are none.
        """
        return self.order(values, max(0, int(np.ceil(q * self.count(values))) - 1))

    def order(self, values: Floats, rank: int) -> float:
        """Return the value at `rank` (from 0) in the sorted order of all values.

        Exact; NaN when there is no such value. The bits of a double, read as an integer, keep its
        order, so a histogram of eight bits at a time finds the value in eight additions.
        """
        # Gathering and sorting is not shorter: an all-sum knows no ranks, so no process knows where
        # in a gathered array its values go, and every process would hold all values of the batch.
        # Without a value at `rank` the loop goes on all the same: every process has to join every
        # addition.
        left, found, wanted = _ordered(values), 0, rank
        present = True
        for shift in range(56, -8, -8):
            digits = ((left >> np.uint64(shift)) & np.uint64(255)).astype(np.int64)
            upto = np.cumsum(self.add(np.bincount(digits, minlength=256).astype(np.float64)))
            present = present and 0 <= wanted < upto[-1]
            digit = int(np.searchsorted(upto, wanted, side="right")) if present else 0
            wanted -= int(upto[digit - 1]) if digit else 0
            left, found = left[digits == digit], (found << 8) | digit
        return _value(found) if present else float("nan")


def _ordered(values: Floats) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Map doubles to integers of the same order.

    Negative numbers have all bits flipped, the others the sign bit set.
    """
    # Adding 0 turns -0.0 into 0.0: they are equal, and their bits are not.
    bits = (np.ascontiguousarray(values, dtype=np.float64) + 0.0).view(np.uint64)
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def _value(ordered: int) -> float:
    code = np.array([ordered], dtype=np.uint64)
    return float(np.where(code & _SIGN, code & ~_SIGN, ~code).view(np.float64)[0])
