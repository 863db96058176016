"""Vocabulary of the full style: five departments and some 240 types of products.

The words are in the TOML files of this folder. A department holds aisles, and an aisle holds types
of products and the words that fit them. As in the official instructions, the three roles of
attributes (qualities before the noun, parts after `with`, uses after `for`) have disjoint
vocabularies. All names are invented or generic.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

NAMES = ("beauty", "electronics", "garden", "fashion", "grocery")
_IRREGULAR = {
    "cookies": "cookie", "mice": "mouse", "jerkies": "jerky", "gummies": "gummy candy",
    "chinos": "chino pants", "hoses": "hose", "hoodies": "hoodie", "beanies": "beanie",
    "scarves": "scarf", "brownies": "brownie", "eyelashes": "eyelashes",
}  # fmt: skip
_SAME = frozenset(
    [
        "sunglasses",
        "leggings",
        "binoculars",
        "joggers",
        "shorts",
        "trunks",
        "pants",
        "headphones",
        "earbuds",
    ]
)


def words(text: str) -> tuple[str, ...]:
    """Return the phrases of a list written as `a; b; c`."""
    return tuple(" ".join(phrase.split()) for phrase in text.split(";") if phrase.strip())


def singular(plural: str) -> str:
    """Return the singular of a type of product: `console tables` -> `console table`."""
    *before, last = plural.split()
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last in _SAME or not last.endswith("s"):
        pass
    elif last.endswith("ies"):
        last = last[:-3] + "y"
    elif last.endswith(("ses", "xes", "ches", "shes")) and not last.endswith(
        ("cases", "vases", "blouses")
    ):
        last = last[:-2]
    else:
        last = last[:-1]
    return " ".join([*before, last])


@dataclass(frozen=True, slots=True)
class OptionGroup:
    """A group of options, such as colors."""

    name: str
    values: tuple[str, ...]
    weight: float = 1.0
    """Relative frequency of this group among those of an aisle."""


@dataclass(frozen=True, slots=True)
class Aisle:
    """Types of products that share a vocabulary."""

    chain: tuple[str, ...]
    """Categories above the type, most general first."""
    alias: str
    """A looser name for the types, in the singular."""
    types: tuple[str, ...]
    """Types of products, in the plural and lower case."""
    qualities: tuple[str, ...]
    parts: tuple[str, ...]
    uses: tuple[str, ...]
    groups: tuple[OptionGroup, ...]
    extras: tuple[str, ...]
    """Words for titles that are not attributes."""


@dataclass(frozen=True, slots=True)
class Department:
    """A top category, with statistics of the official 1,000 products."""

    name: str
    share: float
    """Number of products out of 1,000."""
    mu: float
    """Mean of ln price ($)."""
    sigma: float
    """Standard deviation of ln price."""
    optional: float
    """Share of products with an option group."""
    pairs: float
    """Share of those with more than one."""
    aisles: tuple[Aisle, ...]
    sentences: tuple[str, ...]
    """Templates of sentences with `{noun}`, `{brand}` and `{others}`."""


@cache
def departments() -> tuple[Department, ...]:
    """Return all departments, read once."""
    groups = {
        key: OptionGroup(entry["name"], words(entry["values"]), entry["weight"])
        for key, entry in _read("options").items()
    }
    return tuple(_department(_read(name), groups) for name in NAMES)


@cache
def generic() -> dict[str, tuple[str, ...]]:
    """Return phrases for any kind of product, by their use; see `generic.toml`."""
    return {name: words(text) for name, text in _read("generic").items()}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files(__name__) / f"{name}.toml").read_text(encoding="utf8"))


def _department(data: dict[str, Any], groups: dict[str, OptionGroup]) -> Department:
    aisles = tuple(
        Aisle(
            tuple(aisle["chain"]),
            aisle["alias"],
            words(aisle["types"]),
            words(aisle["qualities"]),
            words(aisle["parts"]),
            words(aisle["uses"]),
            tuple(groups[key] for key in aisle["options"]),
            words(aisle["extras"]),
        )
        for aisle in data["aisles"]
    )
    numbers = (data["share"], data["mu"], data["sigma"], data["optional"], data["pairs"])
    return Department(data["name"], *numbers, aisles, words(data["sentences"]))
