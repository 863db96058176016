"""A small shop with the mechanics of the large one, for models that learn on a CPU in minutes.

Everything that makes WebShop WebShop is there: a query must be written, results paged through,
near-duplicates told apart by attribute and price, options chosen before buying. Only the text is
small: a closed vocabulary of 170 words, titles of three to six words, four results a page, at most
two option groups of one-word values, whole-dollar prices that are never a multiple of ten, so that
a price is under a limit exactly when its tens are.

ASINs are one of 64 letter pairs, with digits behind them (`KT47`) only where there are more
products than that: a tokenizer that merges both parts has seen them all in training, also where it
has not seen the product.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from turnwise.envs.seeding import Draw
from turnwise.envs.webshop.instructions import Listing, Request, price_limit
from turnwise.envs.webshop.product import Product
from turnwise.envs.webshop.vocabulary.compact import BRANDS, CATEGORIES, LETTERS, CompactCategory
from turnwise.errors import ConfigError

HIGHEST_GOAL_PRICE = 59
"""A product that costs more is never a target, so that every limit has two digits before the point.
"""


@dataclass(frozen=True, slots=True)
class CompactStyle:
    """How hard the small shop is."""

    options: int = 2
    """Most option groups of a product, 0 to 2."""
    values: tuple[int, int] = (2, 4)
    """Fewest and most values of an option group."""
    attributes: int = 2
    """Most attributes of a product: 1 is the quality alone, 2 adds a use to most products."""
    distractors: int = 3
    """Near-duplicates made of every independent product: over its limit, of another use or quality,
    without one of its options. They share type and most words with it."""
    types: int | None = None
    """Kinds of product, at most 40; by default one for every 24 products, at least 4."""
    brands: bool = True
    """Whether titles begin with an invented brand, which no instruction mentions."""
    goals_per_product: int = 4
    paraphrases: float = 0.0
    """Share of goals told in a customer's own words; a few dozen more words."""
    page_size: int = 4

    def __post_init__(self) -> None:
        low, high = self.values
        if not (
            0 <= self.options <= 2
            and 1 <= low <= high
            and self.attributes in (1, 2)
            and self.distractors >= 0
        ):
            raise ConfigError(
                f"{self} is not a compact shop: options is 0 to 2, attributes 1 or 2, values (fewest, most) with 1 <= fewest, "
                "distractors at least 0"
            )
        if (
            self.goals_per_product < 1
            or self.page_size < 1
            or (self.types is not None and not 1 <= self.types <= 40)
        ):
            raise ConfigError(
                f"{self} is not a compact shop: goals_per_product and page_size are at least 1, types 1 to 40"
            )


@dataclass(frozen=True, slots=True)
class Draft:
    """A product before it has a name: what it is, not how it reads."""

    category: CompactCategory
    type: str
    quality: str
    use: str | None
    options: dict[str, tuple[str, ...]]
    price: int
    limit: int | None
    """The price limit of its goals; None where it is never a target."""

    @property
    def attributes(self) -> tuple[str, ...]:
        return (self.quality,) if self.use is None else (self.quality, self.use)


def compact_products(n: int, seed: int, style: CompactStyle) -> list[Listing]:
    """`n` products in random order; those dearer than `HIGHEST_GOAL_PRICE` make no request."""
    draw = Draw("turnwise", "compact", n, seed, style)
    kinds = draw.shuffled(
        [(category, type_) for category in CATEGORIES for type_ in category.types]
    )
    kinds = kinds[: style.types or max(4, min(len(kinds), n // 24))]
    order = {type_: draw.shuffled(category.qualities) for category, type_ in kinds}
    drafts: list[Draft] = []
    while len(drafts) < n:
        turn, kind = divmod(len(drafts) // (1 + style.distractors), len(kinds))
        category, type_ = kinds[kind]
        base = _base(draw, category, type_, order[type_][turn % len(category.qualities)], style)
        drafts.append(base)
        drafts += [_near_duplicate(draw, base, style) for _ in range(style.distractors)]
    drafts = draw.shuffled(drafts[:n])
    return [
        _listing(draw, draft, asin, style)
        for draft, asin in zip(drafts, _asins(draw, n), strict=True)
    ]


def _price(draw: Draw, low: int, high: int) -> int:
    """A whole number of dollars that is no multiple of ten, in the tens from `low` to `high`."""
    return 10 * draw.between(low, high) + draw.between(1, 9)


def _limit(draw: Draw, price: int) -> int | None:
    return price_limit(draw, price) if price <= HIGHEST_GOAL_PRICE else None


def _options(
    draw: Draw, category: CompactCategory, style: CompactStyle
) -> dict[str, tuple[str, ...]]:
    count = draw.weighted((0, 1, 2)[: style.options + 1], (0.1, 0.35, 0.55)[: style.options + 1])
    low, high = style.values
    return {
        name: tuple(draw.ordered(values, draw.between(low, high)))
        for name, values in draw.ordered(category.options, count)
    }


def _base(
    draw: Draw, category: CompactCategory, type_: str, quality: str, style: CompactStyle
) -> Draft:
    use = draw.pick(category.uses) if style.attributes == 2 and draw.chance(0.7) else None
    price = _price(draw, 1, 5)
    options = _options(draw, category, style)
    return Draft(category, type_, quality, use, options, price, _limit(draw, price))


def _near_duplicate(draw: Draw, base: Draft, style: CompactStyle) -> Draft:
    """A product that a careless reader would take for `base`: it fails one thing that the goals of
    `base` ask for.
    """
    kind = draw.weighted(("price", "use", "quality", "option"), (0.35, 0.3, 0.2, 0.15))
    price = _price(draw, 1, 5)
    other = replace(base, price=price, limit=_limit(draw, price))
    if kind == "price":
        assert base.limit is not None
        price = min(99, base.limit + draw.between(1, 19))
        price += price % 10 == 0
        return replace(base, price=price, limit=_limit(draw, price))
    if kind == "use" and style.attributes == 2:
        uses = [use for use in (*base.category.uses, None) if use != base.use]
        return replace(other, use=draw.pick(uses), options=_options(draw, base.category, style))
    if kind == "option" and base.options:
        name = draw.pick(tuple(base.options))
        lost = draw.pick(base.options[name])
        others = [value for value in dict(base.category.options)[name] if value != lost]
        values = tuple(draw.ordered(others, draw.between(*style.values)))
        return replace(other, options={**base.options, name: values})
    quality = draw.pick([word for word in base.category.qualities if word != base.quality])
    return replace(other, quality=quality, options=_options(draw, base.category, style))


def _asins(draw: Draw, n: int) -> list[str]:
    """`n` different ASINs: a letter pair and as few digits as make enough of them, none in a shop
    of 64 products.
    """
    letters = LETTERS[:n]
    digits = 0
    while len(letters) * 10**digits < n:
        digits += 1
    numbers = draw.sample(range(len(letters) * 10**digits), n)
    return [
        letters[number % len(letters)] + (f"{number // len(letters):0{digits}d}" if digits else "")
        for number in numbers
    ]


def _listing(draw: Draw, draft: Draft, asin: str, style: CompactStyle) -> Listing:
    words = [draw.pick(BRANDS)] if style.brands else []
    words += [draft.quality, draft.type]
    if draft.use is not None:
        words += ["for", draft.use]
    product = Product(
        asin=asin, title=" ".join(words), description="", bullets=(), price=float(draft.price), price_tag=f"${float(draft.price)}",
        options=draft.options, attributes=draft.attributes, category=draft.category.name, query=draft.type,
        product_category=f"{draft.category.name} › {draft.type}",
    )  # fmt: skip
    uses = () if draft.use is None else (draft.use,)
    return Listing(
        product,
        Request(draft.type, (draft.quality,), uses=uses) if draft.limit is not None else None,
        draft.limit,
    )
