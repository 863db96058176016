"""Random draws that are the same on every machine and every Python.

`random.Random` promises to keep the sequence of `random()` across versions, but not what `choice`,
`sample` or `shuffle` make of it. Generated data must not change, so everything is drawn from
`random()` alone, and the seed is a string, which Python hashes with SHA-512 and never with the
per-process hash.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """Draws from one seeded sequence.

    Args:
        *key: whatever identifies the sequence, such as `("full", n, seed)`; joined as text.
    """

    __slots__ = ("random",)

    def __init__(self, *key: object) -> None:
        self.random = random.Random("/".join(map(str, key))).random

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        return int(self.random() * n)

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high], both included."""
        return low + int(self.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.random() < probability

    def pick(self, items: Sequence[T]) -> T:
        """One item, each equally likely."""
        return items[int(self.random() * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """One item with probability proportional to its weight."""
        point = self.random() * sum(weights)
        for item, edge in zip(items, accumulate(weights), strict=True):
            if point < edge:
                return item
        return items[-1]

    def by_edges(self, edges: Sequence[float]) -> int:
        """An index drawn by running totals of weights: as `weighted`, for long lists drawn from
        often.
        """
        return min(bisect_right(edges, self.random() * edges[-1]), len(edges) - 1)

    def sample(self, items: Sequence[T], k: int) -> list[T]:
        """At most `k` different items, in random order."""
        return self.shuffled(items, min(k, len(items)))

    def skewed(self, items: Sequence[T], k: int, power: float = 2.0) -> list[T]:
        """At most `k` different items, early ones likelier: each is the item at `power` of a
        uniform number among those left.
        """
        left = list(items)
        return [left.pop(int(self.random() ** power * len(left))) for _ in range(min(k, len(left)))]

    def ordered(self, items: Sequence[T], k: int) -> list[T]:
        """At most `k` different items, in the order they stand in `items`."""
        chosen = self.shuffled(range(len(items)), min(k, len(items)))
        return [items[i] for i in sorted(chosen)]

    def shuffled(self, items: Sequence[T], k: int | None = None) -> list[T]:
        """All items (or the first `k` of them) in random order: Fisher-Yates on a copy."""
        pool = list(items)
        count = len(pool) if k is None else k
        for i in range(count):
            j = i + int(self.random() * (len(pool) - i))
            pool[i], pool[j] = pool[j], pool[i]
        return pool[:count]

    def lognormal(self, mu: float, sigma: float) -> float:
        """exp of a normal variate (Box-Muller)."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.random()))
        return math.exp(mu + sigma * radius * math.cos(2.0 * math.pi * self.random()))
