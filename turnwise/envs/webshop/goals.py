"""The goal of an episode: the product to buy, its attributes and options, and a price limit."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from turnwise.errors import DataError

NO_PRICE_LIMIT = 1_000_000.0
"""WebShop's price limit in dollars for products too expensive for a real one."""
GoalOptions: TypeAlias = tuple[tuple[str | None, str], ...]
"""(option group, value) pairs; human instructions do not name the group, which is then None."""


@dataclass(frozen=True, slots=True)
class Goal:
    """The product to buy. Fields are named as in the original, but for `title` (there `name`)."""

    asin: str
    """The product the goal was made from; others that fit as well earn the same reward."""
    instruction: str
    title: str
    category: str
    query: str
    product_category: str
    attributes: tuple[str, ...]
    options: GoalOptions = ()
    price_upper: float = NO_PRICE_LIMIT
    """Highest price in dollars, inclusive."""
    weight: float = 1.0
    """Relative frequency with which the original draws this goal."""

    @classmethod
    def from_official(cls, row: Mapping[str, Any]) -> Goal:
        """Return the goal of a row of the original's goal list.

        Args:
            row: `goal_options` is a mapping from groups to values or a list of values.

        Raises:
            DataError: if one of the original's keys is missing.
        """
        try:
            given = row["goal_options"]
            options: GoalOptions
            if isinstance(given, Mapping):
                options = tuple((str(name), str(value)) for name, value in given.items())
            else:
                options = tuple((None, str(value)) for value in given)
            return cls(
                asin=row["asin"],
                instruction=row["instruction_text"],
                title=row["name"],
                category=row["category"],
                query=row["query"],
                product_category=row["product_category"],
                attributes=tuple(row["attributes"]),
                options=options,
                price_upper=float(row["price_upper"]),
                weight=float(row.get("weight", 1.0)),
            )
        except KeyError as missing:
            raise DataError(
                f"this row is not an official WebShop goal: it has no {missing} "
                f"(it has: {', '.join(row)})"
            ) from None

    @property
    def tags(self) -> list[str]:
        """Groupings for tables of results."""
        return [
            f"category={self.category}",
            f"options={len(self.options)}",
            f"attributes={len(self.attributes)}",
        ]


def product_split(asin: str) -> str:
    """Return the split of a product's goals: 80 / 10 / 10 % by a hash of the ASIN."""
    bucket = int.from_bytes(hashlib.blake2b(asin.encode(), digest_size=4).digest(), "big") % 100
    return "train" if bucket < 80 else "dev" if bucket < 90 else "test"


def official_split(index: int) -> str:
    """Return the split of the goal at `index` in WebShop's baselines.

    0-499 are test, 500-1499 dev, and the rest train.
    """
    return "test" if index < 500 else "dev" if index < 1500 else "train"
