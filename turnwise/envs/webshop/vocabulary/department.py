"""The shape of the vocabulary: a department holds aisles, an aisle holds types of products and what
fits them.
"""

from __future__ import annotations

from dataclasses import dataclass

_IRREGULAR = {
    "cookies": "cookie", "mice": "mouse", "jerkies": "jerky", "gummies": "gummy candy", "chinos": "chino pants", "hoses": "hose",
    "hoodies": "hoodie", "beanies": "beanie", "scarves": "scarf", "brownies": "brownie", "eyelashes": "eyelashes",
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
    """The phrases of a list written as `a; b; c`."""
    return tuple(" ".join(phrase.split()) for phrase in text.split(";") if phrase.strip())


def singular(plural: str) -> str:
    """The noun phrase a title uses for a type: `console tables` -> `console table`."""
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
    """One way in which a type comes in variants."""

    name: str
    values: tuple[str, ...]
    weight: float = 1.0
    """How often a product of the aisle has this group, relative to the aisle's others."""


@dataclass(frozen=True, slots=True)
class Aisle:
    """Types of products that share what can be said of them."""

    chain: tuple[str, ...]
    """The chain of categories above the type, most general first."""
    alias: str
    """What sellers write who name the thing loosely."""
    types: tuple[str, ...]
    """Leaf types as the shop lists them, plural and lower case."""
    qualities: tuple[str, ...]
    parts: tuple[str, ...]
    uses: tuple[str, ...]
    groups: tuple[OptionGroup, ...]
    extras: tuple[str, ...]
    """Words that titles add and nobody asks for."""


@dataclass(frozen=True, slots=True)
class Department:
    """A top category with its laws of price and of options (measured on the official 1,000
    products).
    """

    name: str
    share: float
    """Products out of 1,000."""
    mu: float
    """Mean of ln price ($)."""
    sigma: float
    """Standard deviation of ln price."""
    optional: float
    """Share of products with at least one option group."""
    pairs: float
    """Share of those that have more than one."""
    aisles: tuple[Aisle, ...]
    sentences: tuple[str, ...]
    """Sentences of descriptions and bullets; `{noun}`, `{brand}` and `{thing}` are filled in."""
