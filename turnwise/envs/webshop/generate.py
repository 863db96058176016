"""A shop made from a seed: the default catalogue, so that no download is needed.

`generate_catalogue` builds products in one of two styles and states goals about them. `full` follows the distributions
of WebShop's 1,000 products; `compact` keeps the mechanics and makes the text small. Everything follows from
(style and its settings, n, seed), byte for byte on every machine. No text of the official data is used.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.compact import CompactStyle, compact_products
from turnwise.envs.webshop.draw import Draw
from turnwise.envs.webshop.goals import NO_LIMIT, Goal
from turnwise.envs.webshop.instructions import Listing, conditions
from turnwise.errors import ConfigError, unknown

Style = CompactStyle
STYLES: dict[str, tuple[type[Style], Callable[[int, int, Any], list[Listing]]]] = {"compact": (CompactStyle, compact_products)}


def generate_catalogue(n: int = 1000, seed: int = 0, style: str = "full", **settings: object) -> Catalogue:
    """A catalogue of `n` invented products with goals about them.

    Args:
        n: number of products, at least 1.
        seed: any integer; another seed is another shop over the same vocabulary.
        style: `full` or `compact`.
        **settings: fields of `FullStyle` or `CompactStyle`, such as `distractors=5`.

    Raises:
        ConfigError: for an unknown style or setting, or settings that make no shop.
    """
    if style not in STYLES:
        raise unknown("catalogue style", style, STYLES)
    if n < 1:
        raise ConfigError(f"a catalogue of {n} products cannot be generated: n is at least 1")
    kind, build = STYLES[style]
    for name in settings:
        if name not in kind.__dataclass_fields__:
            raise unknown("setting", name, kind.__dataclass_fields__, f"the catalogue style {style!r}")
    chosen = kind(**settings)  # type: ignore[arg-type]
    listings = build(n, seed, chosen)
    goals = goals_of(listings, chosen.goals_per_product, Draw("turnwise", "goals", style, n, seed))
    return Catalogue([listing.product for listing in listings], page_size=chosen.page_size, goals=goals)


def goals_of(listings: Sequence[Listing], most: int, draw: Draw) -> list[Goal]:
    """At most `most` goals about every product that makes a request, in random order.

    As in WebShop a goal is one combination of a product's option values, and its weight (how often an episode without
    a task draws it) is the mean over its attributes of 1 / (number of goals with that attribute).
    """
    wanted = [(listing, options) for listing in listings if listing.request for options in _choices(draw, listing, most)]
    count = Counter(attribute for listing, _ in wanted for attribute in listing.product.attributes)
    return draw.shuffled([_goal(listing, options, count) for listing, options in wanted])


def _choices(draw: Draw, listing: Listing, most: int) -> list[dict[str, str]]:
    """At most `most` different combinations of option values, one for each group."""
    names = sorted(listing.product.options)
    groups = [listing.product.options[name] for name in names]
    picked = draw.sample(range(math.prod(map(len, groups))), most)
    return [_combination(names, groups, number) for number in picked]


def _combination(names: Sequence[str], groups: Sequence[Sequence[str]], number: int) -> dict[str, str]:
    """The `number`-th element of the product of the groups."""
    chosen = {}
    for name, values in zip(names, groups, strict=True):
        number, place = divmod(number, len(values))
        chosen[name] = values[place]
    return chosen


def _goal(listing: Listing, options: dict[str, str], count: Counter[str]) -> Goal:
    product = listing.product
    return Goal(
        asin=product.asin, instruction=listing.request + conditions(options, listing.limit), title=product.title,
        category=product.category, query=product.query, product_category=product.product_category,
        attributes=product.attributes, options=tuple(sorted(options.items())),
        price_upper=float(listing.limit) if listing.limit is not None else NO_LIMIT,
        weight=sum(1 / count[attribute] for attribute in product.attributes) / len(product.attributes),
    )  # fmt: skip
