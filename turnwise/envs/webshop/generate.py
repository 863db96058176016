"""Generated shops: the default catalogues, which need no download.

There are two styles. `full` follows the distributions of WebShop's 1,000 products; `compact` keeps
the mechanics and shortens the text. The arguments (style and settings, n, seed) determine a shop
byte for byte on every machine. No text of the official data is used.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from turnwise.envs.seeding import Draw, sum_in_order
from turnwise.envs.webshop.compact import CompactStyle, compact_products
from turnwise.envs.webshop.full import FullStyle, full_products
from turnwise.envs.webshop.goals import NO_PRICE_LIMIT, Goal
from turnwise.envs.webshop.instructions import GoalRequest, Listing, paraphrased, synthetic
from turnwise.envs.webshop.products import CatalogueData
from turnwise.errors import ConfigError, unknown

Style = CompactStyle | FullStyle
STYLES: dict[str, tuple[type[Style], Callable[[int, int, Any], list[Listing]]]] = {
    "compact": (CompactStyle, compact_products),
    "full": (FullStyle, full_products),
}
"""Name of a style -> its settings, and the function that makes its products."""


def generate_shop(
    n: int = 1000, seed: int = 0, style: str = "full", **settings: object
) -> CatalogueData:
    """Return `n` invented products with goals about them.

    Args:
        n: number of products, at least 1.
        seed: any integer; another seed gives another shop over the same vocabulary.
        style: `full` or `compact`.
        **settings: fields of `FullStyle` or `CompactStyle`, such as `distractors=5`.

    Raises:
        ConfigError: for an unknown style or setting, an impossible setting, or so few products
            that no goal can be made.
    """
    if style not in STYLES:
        raise unknown("catalogue style", style, STYLES)
    if n < 1:
        raise ConfigError(f"a catalogue of {n} products cannot be generated: give at least 1")
    kind, make_products = STYLES[style]
    chosen = _style_with(kind, dict(frozen(settings)))
    listings = make_products(n, seed, chosen)
    goals = goals_of(listings, chosen, Draw("turnwise", "goals", n, seed, chosen))
    if not goals:
        raise ConfigError(
            f"no goal can be made of {n} products in style {style!r} with seed {seed}: "
            "take more products"
        )
    products = [listing.product for listing in listings]
    return CatalogueData(products, page_size=chosen.page_size, goals=goals)


def frozen(settings: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
    """Return settings as hashable pairs sorted by name; lists from config files become tuples."""
    return tuple(
        (name, tuple(value) if isinstance(value, list) else value)
        for name, value in sorted(settings.items())
    )


def _style_with(kind: type[Style], settings: dict[str, Any]) -> Style:
    """Return a style with these settings, each of the type of its default."""
    known = {field.name: field.default for field in fields(kind)}
    for name, value in settings.items():
        if name not in known:
            raise unknown("setting", name, known, f"a catalogue of {kind.__name__}")
        if not _same_type(value, known[name]):
            raise ConfigError(
                f"{name}={value!r} has the wrong type for {kind.__name__}: give a value like its "
                f"default, {known[name]!r}"
            )
    return kind(**settings)


def _same_type(value: object, default: object) -> bool:
    if isinstance(default, tuple):
        if not isinstance(value, tuple) or len(value) != len(default):
            return False
        return all(map(_same_type, value, default))
    if default is None:
        return value is None or type(value) is int
    if type(default) is float:
        return isinstance(value, int | float)
    return type(value) is type(default)


def goals_of(listings: Sequence[Listing], style: Style, draw: Draw) -> list[Goal]:
    """Return at most `style.goals_per_product` goals about each requested product, shuffled.

    As in WebShop, a goal is one combination of a product's option values, and its weight (how often
    an episode without a task draws it) is the mean over its attributes of 1 / (number of goals with
    that attribute).
    """
    goals = [
        _goal(listing, listing.request, options, style, draw)
        for listing in listings
        if listing.request is not None
        for options in _choices(draw, listing.product.options, style.goals_per_product)
    ]
    counts = Counter(attribute for goal in goals for attribute in goal.attributes)
    weighted = []
    for goal in goals:
        inverse = sum_in_order(1 / counts[attribute] for attribute in goal.attributes)
        weighted.append(replace(goal, weight=inverse / len(goal.attributes)))
    return draw.shuffled(weighted)


def _choices(draw: Draw, options: Mapping[str, Sequence[str]], limit: int) -> list[dict[str, str]]:
    """Return at most `limit` different combinations of one value from each group."""
    names = sorted(options)
    count = math.prod(len(options[name]) for name in names)
    numbers: dict[int, None] = dict.fromkeys(range(count)) if count <= limit else {}
    while len(numbers) < min(count, limit):
        numbers.setdefault(draw.below(count))
    return [_combination({name: options[name] for name in names}, number) for number in numbers]


def _combination(options: Mapping[str, Sequence[str]], number: int) -> dict[str, str]:
    """Return the `number`-th combination of one value from each group."""
    chosen = {}
    for name, values in options.items():
        number, position = divmod(number, len(values))
        chosen[name] = values[position]
    return chosen


def _goal(
    listing: Listing, request: GoalRequest, options: dict[str, str], style: Style, draw: Draw
) -> Goal:
    product, limit = listing.product, listing.limit
    if draw.chance(style.paraphrases):
        instruction = paraphrased(draw, request, options, limit)
    else:
        instruction = synthetic(request, options, limit)
    return Goal(
        asin=product.asin,
        instruction=instruction,
        title=product.title,
        category=product.category,
        query=product.query,
        product_category=product.product_category,
        attributes=request.attributes,
        options=tuple(sorted(options.items())),
        price_upper=float(limit) if limit is not None else NO_PRICE_LIMIT,
    )
