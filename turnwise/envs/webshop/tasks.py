"""Which goals an environment offers, and how they are divided: fixed by the data, never by a
worker's seed.

A task is an index into the list of goals. Rules: `product` keeps all goals of a product in one
split (about 80 / 10 / 10 % by a stable hash), `official` cuts the official list where WebShop's
baselines cut it (and leaks: 479 of its 500 test goals are about a product that is also in train),
`shop` keeps whole shops together where there are several (80 / 10 / 10 %), `all` is one split.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from turnwise.envs.webshop.goals import Goal, official_split, product_split
from turnwise.errors import TaskError, unknown

SPLITS = ("train", "dev", "test")
RULES: dict[str, Callable[[int, Goal, int], str]] = {
    "product": lambda index, goal, shop: product_split(goal.asin),
    "official": lambda index, goal, shop: official_split(index),
    "shop": lambda index, goal, shop: (
        "dev" if shop % 10 == 8 else "test" if shop % 10 == 9 else "train"
    ),
    "all": lambda index, goal, shop: "all",
}


class Tasks:
    """Goals and the rule that divides them. Shared by environments over the same data.

    Args:
        shops: for each goal the number of the shop it is about; None where there is one shop.

    Raises:
        ConfigError: for an unknown rule.
    """

    def __init__(
        self, goals: Sequence[Goal], rule: str, shops: Sequence[int] | None = None
    ) -> None:
        if rule not in RULES:
            raise unknown("split rule", rule, RULES, "WebShop")
        self.goals, self.rule = tuple(goals), rule
        self.shops = tuple(shops) if shops is not None else (0,) * len(self.goals)
        self.splits: tuple[str, ...] = ("all",) if rule == "all" else SPLITS

    def goal(self, task: Any) -> Goal:
        """The goal of a task. Raises `TaskError` where there is none."""
        try:
            index = operator.index(task)
        except TypeError:
            raise TaskError(
                f"a WebShop task is the index of a goal, and {task!r} is not an integer"
            ) from None
        if not 0 <= index < len(self.goals):
            raise TaskError(
                f"there is no goal {index}: this WebShop has {len(self.goals)} goals, numbered from 0"
            )
        return self.goals[index]

    def split_of(self, task: int) -> str:
        """The split that a task belongs to."""
        return RULES[self.rule](task, self.goals[task], self.shops[task])

    def of(self, split: str) -> Sequence[int]:
        """The tasks of a split, in increasing order. Raises `TaskError` for an unknown split."""
        if split not in self.splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self.splits)}"
            )
        return self._by_split[split]

    @cached_property
    def _by_split(self) -> dict[str, Sequence[int]]:
        found: dict[str, list[int]] = {split: [] for split in self.splits}
        for index in range(len(self.goals)):
            found[self.split_of(index)].append(index)
        return {split: tuple(indices) for split, indices in found.items()}

    @cached_property
    def data_hash(self) -> str:
        """Hash of the goals and the rule."""
        digest = hashlib.blake2b(self.rule.encode(), digest_size=16)
        for goal, shop in zip(self.goals, self.shops, strict=True):
            digest.update(repr((goal, shop) if shop else goal).encode("utf8", "surrogatepass"))
        return digest.hexdigest()
