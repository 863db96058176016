"""A shop made from a seed: the default catalogue, so that no download is needed.

`generate_catalogue` builds products in one of two styles and states goals about them. `full`
follows the distributions of WebShop's 1,000 products; `compact` keeps the mechanics and makes the
text small. Everything follows from (style and its settings, n, seed), byte for byte on every
machine. No text of the official data is used.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from turnwise.envs.seeding import Draw
from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.compact import CompactStyle, compact_products
from turnwise.envs.webshop.full import FullStyle, full_products
from turnwise.envs.webshop.goals import NO_LIMIT, Goal
from turnwise.envs.webshop.instructions import Listing, Request, paraphrased, synthetic
from turnwise.errors import ConfigError, unknown

Style = CompactStyle | FullStyle
STYLES: dict[str, tuple[type[Style], Callable[[int, int, Any], list[Listing]]]] = {
    "compact": (CompactStyle, compact_products),
    "full": (FullStyle, full_products),
}


def generate_catalogue(
    n: int = 1000, seed: int = 0, style: str = "full", **settings: object
) -> Catalogue:
    """A catalogue of `n` invented products with goals about them.

    Args:
        n: number of products, at least 1.
        seed: any integer; another seed is another shop over the same vocabulary.
        style: `full` or `compact`.
        **settings: fields of `FullStyle` or `CompactStyle`, such as `distractors=5`.

    Raises:
        ConfigError: for an unknown style or setting, settings that make no shop, or so few products
            that none makes a goal.
    """
    if style not in STYLES:
        raise unknown("catalogue style", style, STYLES)
    if n < 1:
        raise ConfigError(f"a catalogue of {n} products cannot be generated: n is at least 1")
    kind, build = STYLES[style]
    chosen = _settled(kind, dict(frozen(settings)))
    listings = build(n, seed, chosen)
    goals = goals_of(listings, chosen, Draw("turnwise", "goals", n, seed, chosen))
    if not goals:
        raise ConfigError(
            f"no goal can be made of {n} products in style {style!r} with seed {seed}: take more products"
        )
    return Catalogue(
        [listing.product for listing in listings], page_size=chosen.page_size, goals=goals
    )


def frozen(settings: Mapping[str, object]) -> tuple[tuple[str, object], ...]:
    """Settings as hashable pairs, in order of name; lists, as a config file writes them, become
    tuples.
    """
    return tuple(
        (name, tuple(value) if isinstance(value, list) else value)
        for name, value in sorted(settings.items())
    )


def _settled(kind: type[Style], settings: dict[str, Any]) -> Style:
    """A style with these settings, each checked against the kind of value its default has."""
    known = {field.name: field.default for field in fields(kind)}
    for name, value in settings.items():
        if name not in known:
            raise unknown("setting", name, known, f"a catalogue of {kind.__name__}")
        if not _like(value, known[name]):
            raise ConfigError(
                f"{name}={value!r} is not a setting of {kind.__name__}: give a value like its default, {known[name]!r}"
            )
    return kind(**settings)


def _like(value: object, default: object) -> bool:
    if isinstance(default, tuple):
        return (
            isinstance(value, tuple)
            and len(value) == len(default)
            and all(map(_like, value, default))
        )
    if default is None or type(default) is int:
        return type(value) is int or (default is None and value is None)
    return (
        isinstance(value, (int, float)) if type(default) is float else type(value) is type(default)
    )


def goals_of(listings: Sequence[Listing], style: Style, draw: Draw) -> list[Goal]:
    """At most `style.goals_per_product` goals about every product that makes a request, in random
    order.

    As in WebShop a goal is one combination of a product's option values, and its weight (how often
    an episode without a task draws it) is the mean over its attributes of 1 / (number of goals with
    that attribute).
    """
    goals = [
        _goal(listing, listing.request, options, style, draw)
        for listing in listings
        if listing.request is not None
        for options in _choices(draw, listing.product.options, style.goals_per_product)
    ]
    count = Counter(attribute for goal in goals for attribute in goal.attributes)
    weighed = [
        replace(
            goal, weight=sum(1 / count[word] for word in goal.attributes) / len(goal.attributes)
        )
        for goal in goals
    ]
    return draw.shuffled(weighed)


def _choices(draw: Draw, options: Mapping[str, Sequence[str]], most: int) -> list[dict[str, str]]:
    """At most `most` different combinations of option values, one for each group."""
    names = sorted(options)
    count = math.prod(len(options[name]) for name in names)
    numbers: dict[int, None] = dict.fromkeys(range(count)) if count <= most else {}
    while len(numbers) < min(count, most):
        numbers.setdefault(draw.below(count))
    return [_combination({name: options[name] for name in names}, number) for number in numbers]


def _combination(options: Mapping[str, Sequence[str]], number: int) -> dict[str, str]:
    """The `number`-th combination of one value from each group."""
    chosen = {}
    for name, values in options.items():
        number, place = divmod(number, len(values))
        chosen[name] = values[place]
    return chosen


def _goal(
    listing: Listing, request: Request, options: dict[str, str], style: Style, draw: Draw
) -> Goal:
    product, limit = listing.product, listing.limit
    told = draw.chance(style.paraphrases)
    return Goal(
        asin=product.asin, instruction=paraphrased(draw, request, options, limit) if told else synthetic(request, options, limit),
        title=product.title, category=product.category, query=product.query, product_category=product.product_category,
        attributes=request.attributes, options=tuple(sorted(options.items())),
        price_upper=float(limit) if limit is not None else NO_LIMIT,
    )  # fmt: skip
