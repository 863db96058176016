"""What a goal says, in the grammar that all 415 synthetic instructions of the official data follow,
or in a customer's words.

    Find me {qualities} {type}[ with {parts}][ for {uses}][ with {option}: {value}, and ...][, and
    price lower than N.00 dollars]

The price limit follows the law of WebShop's `get_synthetic_goals`, and is announced in the same
words in both manners.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from turnwise.envs.seeding import Draw
from turnwise.envs.webshop.product import Product

OPENERS = (
    "i am looking for",
    "i would like",
    "im looking for",
    "i want to find",
    "i need",
    "i am interested in",
    "find me",
    "looking for",
)
OPENER_WEIGHTS = (27, 9, 8, 3, 4, 2, 3, 2)
"""How crowd workers begin (share in the official human goals, %)."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a goal asks for, but for options and price: a type and attributes in their three roles."""

    type: str
    qualities: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    @property
    def attributes(self) -> tuple[str, ...]:
        return self.qualities + self.parts + self.uses


@dataclass(frozen=True, slots=True)
class Listing:
    """A product and what goals about it ask for."""

    product: Product
    request: Request | None
    """None where the product is never a target."""
    limit: int | None
    """The price limit in dollars; None where the product is too dear for one."""


def price_limit(draw: Draw, price: float) -> int | None:
    """The larger of two of the first four multiples of ten above the price, up to 990; None where
    fewer than two remain.
    """
    steps = range(int(price // 10 + 1) * 10, 1000, 10)[:4]
    return max(draw.sample(steps, 2)) if len(steps) >= 2 else None


def synthetic(request: Request, options: Mapping[str, str], limit: int | None) -> str:
    """`Find me waterproof boots for hiking with color: red, and size: small, and price lower than
    30.00 dollars`.
    """
    text = (
        "Find me "
        + (f"{', '.join(request.qualities)} " if request.qualities else "")
        + request.type
    )
    text += f" with {', '.join(request.parts)}" if request.parts else ""
    text += f" for {', '.join(request.uses)}" if request.uses else ""
    if options:
        text += " with " + ", and ".join(f"{name}: {options[name]}" for name in sorted(options))
    return text + announced(limit)


def announced(limit: int | None) -> str:
    """The price limit in WebShop's words."""
    return f", and price lower than {limit}.00 dollars" if limit is not None else ""


def paraphrased(draw: Draw, request: Request, options: Mapping[str, str], limit: int | None) -> str:
    """The same wish in lower-case prose without punctuation, options woven in, as crowd workers
    write.
    """
    words = [draw.weighted(OPENERS, OPENER_WEIGHTS)]
    if "color" in options and draw.chance(0.5):
        words.append(options["color"])
        options = {name: value for name, value in options.items() if name != "color"}
    words += [*request.qualities, request.type]
    if request.parts:
        words.append(
            draw.pick(("with", "that have", "that come with")) + " " + " and ".join(request.parts)
        )
    if request.uses:
        words.append(
            draw.pick(("for", "to use for", "that i can use for"))
            + " "
            + " and ".join(request.uses)
        )
    for name, value in draw.shuffled(sorted(options.items())):
        forms = (
            (f"in {value}", f"{value} in color")
            if name == "color"
            else (f"in {value} {name}", f"and the {name} should be {value}")
        )
        words.append(draw.pick(forms))
    return " ".join(words) + announced(limit)
