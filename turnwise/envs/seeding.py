"""Random draws that are the same on every machine and every Python.

`random.Random` keeps the sequence of `random()` across versions, but not those of `choice`,
`sample` or `shuffle`. Generated data must not change, so everything is drawn from `random()`. The
seed is a string, which Python hashes with SHA-512 and not with the per-process hash.
"""

from __future__ import annotations

import functools
import math
import operator
import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")


def sum_in_order(values: Iterable[float]) -> float:
    """Return the sum of the values, rounded after each addition.

    The built-in `sum` has compensated for rounding since Python 3.12, so the last bit of its result
    depends on the version of Python.
    """
    return functools.reduce(operator.add, values, 0.0)


class Draw:
    """Draws from one seeded sequence.

    Args:
        *key: identifies the sequence, such as `("full", n, seed)`; joined as text.
    """

    __slots__ = ("random",)

    def __init__(self, *key: object) -> None:
        self.random = random.Random("/".join(map(str, key))).random

    def below(self, n: int) -> int:
        """Return an integer in [0, n)."""
        return int(self.random() * n)

    def between(self, low: int, high: int) -> int:
        """Return an integer in [low, high], both included."""
        return low + int(self.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self.random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """Return one item, each equally likely."""
        return items[int(self.random() * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """Return one item, with probability proportional to its weight."""
        edges = list(accumulate(weights))
        point = self.random() * edges[-1]
        for item, edge in zip(items, edges, strict=True):
            if point < edge:
                return item
        return items[-1]

    def by_edges(self, edges: Sequence[float]) -> int:
        """Return an index drawn by running totals of weights: faster than `weighted`."""
        return min(bisect_right(edges, self.random() * edges[-1]), len(edges) - 1)

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """Return at most `k` different items, in random order."""
        return self.shuffled(items, min(k, len(items)))

    def skewed(self, items: Sequence[T], k: int, power: float = 2.0) -> list[T]:
        """Return at most `k` different items, early ones likelier.

        The place of each among those left is a uniform number to the power of `power`.
        """
        left = list(items)
        return [left.pop(int(self.random() ** power * len(left))) for _ in range(min(k, len(left)))]

    def ordered(self, items: Sequence[T], k: int) -> list[T]:
        """Return at most `k` different items, in the order of `items`."""
        chosen = self.shuffled(range(len(items)), min(k, len(items)))
        return [items[i] for i in sorted(chosen)]

    def shuffled(self, items: Sequence[T], k: int | None = None) -> list[T]:
        """Return all items, or `k` of them, in random order (Fisher-Yates on a copy)."""
        pool = list(items)
        count = len(pool) if k is None else k
        for i in range(count):
            j = i + int(self.random() * (len(pool) - i))
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:count]

    def lognormal(self, mu: float, sigma: float) -> float:
        """Return exp of a normal variate (Box-Muller)."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.random()))
        return math.exp(mu + sigma * radius * math.cos(2.0 * math.pi * self.random()))
