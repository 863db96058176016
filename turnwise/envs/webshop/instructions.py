"""Instructions of generated goals: in WebShop's synthetic grammar, or paraphrased.

    Find me {qualities} {type}[ with {parts}][ for {uses}]
    [ with {option}: {value}, and ...][, and price lower than N.00 dollars]

All 415 synthetic instructions of the official data follow this grammar. The price limit is drawn
as in WebShop's `get_synthetic_goals` and worded the same way in both kinds of instructions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from turnwise.envs.seeding import Draw
from turnwise.envs.webshop.products import Product

OPENERS = (
    "i am looking for", "i would like", "im looking for", "i want to find", "i need",
    "i am interested in", "find me", "looking for",
)  # fmt: skip
OPENER_WEIGHTS = (27, 9, 8, 3, 4, 2, 3, 2)
"""Share of each opener among the official human instructions, in %."""


@dataclass(frozen=True, slots=True)
class GoalRequest:
    """A type of product and attributes in three roles; options and price are added per goal."""

    type: str
    qualities: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()

    @property
    def attributes(self) -> tuple[str, ...]:
        return self.qualities + self.parts + self.uses


@dataclass(frozen=True, slots=True)
class Listing:
    """A generated product and the request that its goals make."""

    product: Product
    request: GoalRequest | None
    """None for a product that is never a target."""
    limit: int | None
    """Price limit in dollars; None for a product too expensive for one."""


def price_limit(draw: Draw, price: float) -> int | None:
    """Return the larger of two random multiples of ten among the first four above the price.

    Multiples go up to 990; the result is None if fewer than two of them are above the price.
    """
    steps = range(int(price // 10 + 1) * 10, 1000, 10)[:4]
    return max(draw.sample(steps, 2)) if len(steps) >= 2 else None


def synthetic(request: GoalRequest, options: Mapping[str, str], limit: int | None) -> str:
    """Return the instruction in the synthetic grammar.

    For example `Find me waterproof boots for hiking with color: red, and size: small, and price
    lower than 30.00 dollars`.
    """
    qualities = f"{', '.join(request.qualities)} " if request.qualities else ""
    text = f"Find me {qualities}{request.type}"
    text += f" with {', '.join(request.parts)}" if request.parts else ""
    text += f" for {', '.join(request.uses)}" if request.uses else ""
    if options:
        text += " with " + ", and ".join(f"{name}: {options[name]}" for name in sorted(options))
    return text + _price_clause(limit)


def _price_clause(limit: int | None) -> str:
    return f", and price lower than {limit}.00 dollars" if limit is not None else ""


def paraphrased(
    draw: Draw, request: GoalRequest, options: Mapping[str, str], limit: int | None
) -> str:
    """Return the instruction as lower-case prose without punctuation, as crowd workers write."""
    words = [draw.weighted(OPENERS, OPENER_WEIGHTS)]
    if "color" in options and draw.chance(0.5):
        words.append(options["color"])
        options = {name: value for name, value in options.items() if name != "color"}
    words += [*request.qualities, request.type]
    if request.parts:
        words.append(draw.pick(("with", "that have", "that come with")))
        words.append(" and ".join(request.parts))
    if request.uses:
        words.append(draw.pick(("for", "to use for", "that i can use for")))
        words.append(" and ".join(request.uses))
    for name, value in draw.shuffled(sorted(options.items())):
        if name == "color":
            forms = f"in {value}", f"{value} in color"
        else:
            forms = f"in {value} {name}", f"and the {name} should be {value}"
        words.append(draw.pick(forms))
    return " ".join(words) + _price_clause(limit)
