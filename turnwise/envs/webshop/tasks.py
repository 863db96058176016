"""The goals of an environment and their splits.

A task is an index into the list of goals. Splits depend on the data alone, never on a worker's
seed. There are four rules: `product` keeps all goals of a product in one split (80 / 10 / 10 % by a
stable hash); `official` cuts the official list where WebShop's baselines do, which leaks (479 of
its 500 test goals are about a product that is also in train); `shop` keeps whole shops together
where there are several (80 / 10 / 10 %); `all` is a single split.
"""

from __future__ import annotations

import hashlib
import itertools
import operator
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from turnwise.envs.seeding import sum_in_order
from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.goals import (
    NO_PRICE_LIMIT,
    Goal,
    GoalOptions,
    official_split,
    product_split,
)
from turnwise.envs.webshop.products import Product
from turnwise.errors import DataError, TaskError, unknown

SPLITS = ("train", "dev", "test")
RULES: dict[str, Callable[[int, Goal, int], str]] = {
    "product": lambda index, goal, shop: product_split(goal.asin),
    "official": lambda index, goal, shop: official_split(index),
    "shop": lambda index, goal, shop: {8: "dev", 9: "test"}.get(shop % 10, "train"),
    "all": lambda index, goal, shop: "all",
}
"""Name of a rule -> function from (task, goal, number of its shop) to a split."""
SHUFFLE_SEED = 233
"""Seed with which the original shuffles its goals."""
_PRICE_LIMITS = tuple(10.0 * i for i in range(1, 100))


class GoalTasks:
    """Goals and the rule that splits them, shared by environments over the same data.

    Args:
        goals: task `i` is `goals[i]`.
        rule: a key of `RULES`.
        shops: number of the shop of each goal; None if there is one shop.

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
        """Return the goal of a task. Raises `TaskError` if there is none."""
        try:
            index = operator.index(task)
        except TypeError:
            raise TaskError(
                f"task {task!r} is not an integer: a WebShop task is the index of a goal"
            ) from None
        if not 0 <= index < len(self.goals):
            raise TaskError(
                f"there is no goal {index}: this WebShop has {len(self.goals)} goals, "
                "numbered from 0"
            )
        return self.goals[index]

    def split_of(self, task: int) -> str:
        """Return the split of a task."""
        return RULES[self.rule](task, self.goals[task], self.shops[task])

    def task_ids(self, split: str) -> Sequence[int]:
        """Return the tasks of a split in ascending order. Raises `TaskError` for an unknown one."""
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


def official_goals(catalogue: Catalogue, human: bool = False, seed: int = 0) -> list[Goal]:
    """Return the original's list of goals over an official catalogue, in its order.

    The original makes one goal for each combination of a product's option values (synthetic), or
    one for each instruction of a crowd worker (human). It draws the price limits from the global
    random state and shuffles the list with a fixed seed, so only the limits differ between its
    runs. With `seed=0` they are those of the original after `random.seed(0)`.

    Args:
        catalogue: loaded from the official files, which hold the instructions.
        human: whether to use human instead of synthetic instructions.
        seed: seed of the price limits; use the one that the catalogue drew its prices from.

    Raises:
        DataError: if the catalogue has no instructions of that kind.
    """
    rng = random.Random(seed)
    # The original draws prices first, from the same generator.
    for _ in range(catalogue.price_draws):
        rng.random()
    goals = list(_human(catalogue, rng) if human else _synthetic(catalogue, rng))
    if not goals:
        kind = "human" if human else "synthetic"
        raise DataError(
            f"this catalogue has no {kind} instructions: give goals=[...], "
            "or load the official files that hold them"
        )
    random.Random(SHUFFLE_SEED).shuffle(goals)
    return goals


def _price_limit(price: float, rng: random.Random) -> tuple[float, str]:
    """Return a price limit above `price` and the words that state it."""
    candidates = [limit for limit in _PRICE_LIMITS if limit > price][:4]
    if len(candidates) < 2:
        return NO_PRICE_LIMIT, ""
    limit = max(rng.sample(candidates, 2))
    return limit, f", and price lower than {limit:.2f} dollars"


def _synthetic(catalogue: Catalogue, rng: random.Random) -> Iterator[Goal]:
    goals: list[Goal] = []
    for asin, (instruction, attributes) in catalogue.synthetic_instructions.items():
        product = catalogue[asin]
        limit, limit_text = _price_limit(product.price, rng)
        names = sorted(product.options)
        for values in itertools.product(*(product.options[name] for name in names)):
            options = tuple(zip(names, values, strict=True))
            stated = ", and ".join(f"{name}: {value}" for name, value in options)
            text = instruction + (f" with {stated}" if stated else "") + limit_text
            goals.append(_goal(product, text, attributes, options, limit))
    counts = Counter(attribute for goal in goals for attribute in goal.attributes)
    for goal in goals:
        inverse = sum_in_order(1.0 / counts[attribute] for attribute in goal.attributes)
        yield replace(goal, weight=inverse / len(goal.attributes))


def _human(catalogue: Catalogue, rng: random.Random) -> Iterator[Goal]:
    for written in catalogue.human_instructions:
        if not written.attributes:
            continue
        product = catalogue[written.asin]
        limit, limit_text = _price_limit(product.price, rng)
        options = tuple((None, value) for value in written.options)
        text = written.text.strip(".") + limit_text
        yield _goal(product, text, written.attributes, options, limit)


def _goal(
    product: Product, text: str, attributes: Sequence[str], options: GoalOptions, limit: float
) -> Goal:
    return Goal(
        asin=product.asin,
        instruction=text,
        title=product.title,
        category=product.category,
        query=product.query,
        product_category=product.product_category,
        attributes=tuple(attributes),
        options=options,
        price_upper=limit,
    )
