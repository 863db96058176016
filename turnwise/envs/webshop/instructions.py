"""What a goal says, in the grammar that all 415 synthetic instructions of the official data follow.

    Find me {properties} {type}[ with {parts}][ for {uses}][ with {option}: {value}, and ...][, and price lower than N.00 dollars]

The price limit follows the law of WebShop's `get_synthetic_goals`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from turnwise.envs.webshop.draw import Draw
from turnwise.envs.webshop.product import Product


@dataclass(frozen=True, slots=True)
class Listing:
    """A product and what a goal about it would ask for."""

    product: Product
    request: str
    """The instruction without options and price; empty where the product is never a target."""
    limit: int | None
    """The price limit in dollars; None where it is too dear for one."""
    short: str = ""
    """A lower-case opener-less form of the request for paraphrases."""


def request(properties: Sequence[str], noun: str, parts: Sequence[str] = (), uses: Sequence[str] = ()) -> str:
    """`Find me waterproof boots with rubber sole for hiking`."""
    return "Find me " + described(properties, noun, parts, uses)


def described(properties: Sequence[str], noun: str, parts: Sequence[str] = (), uses: Sequence[str] = ()) -> str:
    """The noun phrase of a request: the three roles of attributes around the type."""
    before = f"{', '.join(properties)} " if properties else ""
    return before + noun + (f" with {', '.join(parts)}" if parts else "") + (f" for {', '.join(uses)}" if uses else "")


def conditions(options: Mapping[str, str], limit: int | None) -> str:
    """The part that names options (groups in alphabetical order) and the price limit."""
    text = " with " + ", and ".join(f"{name}: {options[name]}" for name in sorted(options)) if options else ""
    return text + (f", and price lower than {limit}.00 dollars" if limit is not None else "")


def price_limit(draw: Draw, price: float) -> int | None:
    """The larger of two of the first four multiples of ten above the price, up to 990; None where fewer than two remain."""
    steps = range(int(price // 10 + 1) * 10, 1000, 10)[:4]
    return max(draw.sample(steps, 2)) if len(steps) >= 2 else None
