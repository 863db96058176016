"""What a customer wants: the goal of one episode, and the official list of goals rebuilt from a
catalogue.

The original makes its goals when it starts: one for each combination of a product's option values
(synthetic), or one for each instruction written by a person (human). It draws a price limit for
each from the global random state, then shuffles the list with seed 233, so the order is always the
same and the limits never were. Here one seed decides both, and seed 0 gives what the original gives
after `random.seed(0)`.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from turnwise.envs.webshop.product import Product
from turnwise.errors import DataError

if TYPE_CHECKING:
    from turnwise.envs.webshop.catalogue import Catalogue

NO_LIMIT = 1_000_000.0
"""The original's price limit for products so dear that fewer than two limits are left."""
SHUFFLE_SEED = 233
Wanted: TypeAlias = tuple[tuple[str | None, str], ...]
"""Pairs of (option group, value); the group is None where the instruction does not say which (human
instructions).
"""
_LIMITS = tuple(10.0 * i for i in range(1, 100))


@dataclass(frozen=True, slots=True)
class Goal:
    """What to buy. Field names follow the original where it has one; `title` is its `name`."""

    asin: str
    """The product the goal was made from. Others that fit as well earn as much."""
    instruction: str
    title: str
    category: str
    query: str
    product_category: str
    attributes: tuple[str, ...]
    options: Wanted = ()
    price_upper: float = NO_LIMIT
    """Dollars; the price may equal it."""
    weight: float = 1.0
    """How often the original draws this goal, relative to the others."""

    @classmethod
    def from_official(cls, row: Mapping[str, Any]) -> Goal:
        """A goal from a row of the original's goal list, whose `goal_options` is a dict or a list
        of values.

        Raises:
            DataError: for a row without one of the original's keys.
        """
        try:
            given = row["goal_options"]
            options: Wanted
            if isinstance(given, Mapping):
                options = tuple((str(name), str(value)) for name, value in given.items())
            else:
                options = tuple((None, str(value)) for value in given)
            return cls(
                asin=row["asin"], instruction=row["instruction_text"], title=row["name"], category=row["category"],
                query=row["query"], product_category=row["product_category"], attributes=tuple(row["attributes"]),
                options=options, price_upper=float(row["price_upper"]), weight=float(row.get("weight", 1.0)),
            )  # fmt: skip
        except KeyError as missing:
            raise DataError(
                f"this row is not an official WebShop goal: it has no {missing} (it has: {', '.join(row)})"
            ) from None

    @property
    def tags(self) -> list[str]:
        """What kind of goal this is, for tables of results."""
        return [
            f"category={self.category}",
            f"options={len(self.options)}",
            f"attributes={len(self.attributes)}",
        ]


def official_goals(catalogue: Catalogue, human: bool = False, seed: int = 0) -> list[Goal]:
    """The original's list of goals over `catalogue`, in its order.

    Args:
        catalogue: loaded from the official files (it keeps their instructions).
        human: goals from people's instructions rather than from the synthetic ones.
        seed: seeds the price limits; the same seed gave the catalogue its prices.

    Raises:
        DataError: where the catalogue has no instructions of that kind.
    """
    rng = random.Random(seed)
    for _ in range(
        catalogue.price_draws
    ):  # the original draws prices first, from the same generator
        rng.random()
    goals = list(_human(catalogue, rng) if human else _synthetic(catalogue, rng))
    if not goals:
        kind = "human" if human else "synthetic"
        raise DataError(
            f"this catalogue has no {kind} instructions: give goals=[...], or load the official files that hold them"
        )
    random.Random(SHUFFLE_SEED).shuffle(goals)
    return goals


def _limit(price: float, rng: random.Random) -> tuple[float, str]:
    """A price limit above `price` and the words that announce it."""
    candidates = [limit for limit in _LIMITS if limit > price][:4]
    if len(candidates) < 2:
        return NO_LIMIT, ""
    limit = max(rng.sample(candidates, 2))
    return limit, f", and price lower than {limit:.2f} dollars"


def _synthetic(catalogue: Catalogue, rng: random.Random) -> Iterator[Goal]:
    goals: list[Goal] = []
    for asin, (instruction, attributes) in catalogue.synthetic_instructions.items():
        product = catalogue[asin]
        limit, limit_text = _limit(product.price, rng)
        names = sorted(product.options)
        for values in itertools.product(*(product.options[name] for name in names)):
            wanted = ", and ".join(
                f"{name}: {value}" for name, value in zip(names, values, strict=True)
            )
            text = instruction + (f" with {wanted}" if wanted else "") + limit_text
            goals.append(
                _goal(product, text, attributes, tuple(zip(names, values, strict=True)), limit)
            )
    counts = Counter(attribute for goal in goals for attribute in goal.attributes)
    for goal in goals:
        yield replace(
            goal,
            weight=sum(1.0 / counts[attribute] for attribute in goal.attributes)
            / len(goal.attributes),
        )


def _human(catalogue: Catalogue, rng: random.Random) -> Iterator[Goal]:
    for written in catalogue.human_instructions:
        if not written.attributes:
            continue
        product = catalogue[written.asin]
        limit, limit_text = _limit(product.price, rng)
        options = tuple((None, value) for value in written.options)
        yield _goal(
            product, written.text.strip(".") + limit_text, written.attributes, options, limit
        )


def _goal(
    product: Product,
    text: str,
    attributes: Sequence[str],
    options: tuple[tuple[str | None, str], ...],
    limit: float,
) -> Goal:
    return Goal(
        asin=product.asin, instruction=text, title=product.title, category=product.category, query=product.query,
        product_category=product.product_category, attributes=tuple(attributes), options=options, price_upper=limit,
    )  # fmt: skip


def product_split(asin: str) -> str:
    """The split of every goal of a product: about 80 / 10 / 10 %, by a hash that never changes."""
    bucket = int.from_bytes(hashlib.blake2b(asin.encode(), digest_size=4).digest(), "big") % 100
    return "train" if bucket < 80 else "dev" if bucket < 90 else "test"


def official_split(index: int) -> str:
    """The split the original's baselines give the goal at `index`: 0-499 test, 500-1499 dev, the
    others train.
    """
    return "test" if index < 500 else "dev" if index < 1500 else "train"
