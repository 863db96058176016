"""The compact style: small shops for models that learn on a CPU in minutes.

The mechanics of WebShop are complete: write a query, page through results, tell near-duplicates
apart by attribute and price, and choose options before buying. Only the text is short: a closed
vocabulary of 170 words, titles of three to six words, four results a page and at most two option
groups of one-word values. Prices are whole dollars and never multiples of ten, so a price is under
a limit exactly if its tens are.

An ASIN is one of 64 letter pairs, followed by digits (`KT47`) only in shops of more products. A
tokenizer that keeps letters and digits apart has thus seen both parts of any ASIN in training.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from turnwise.envs.seeding import Draw
from turnwise.envs.webshop.instructions import GoalRequest, Listing, price_limit
from turnwise.envs.webshop.products import Product
from turnwise.envs.webshop.vocabulary.compact import BRANDS, CATEGORIES, LETTERS, CompactCategory
from turnwise.errors import ConfigError

MAX_GOAL_PRICE = 59
"""Price in dollars above which a product is never a target, so that all limits have two digits."""


@dataclass(frozen=True, slots=True)
class CompactStyle:
    """Settings of the compact style.

    Raises:
        ConfigError: for a value out of range.
    """

    options: int = 2
    """Maximum number of option groups of a product, 0 to 2."""
    values: tuple[int, int] = (2, 4)
    """Minimum and maximum number of values of an option group."""
    attributes: int = 2
    """Maximum number of attributes of a product: 1 for a quality, 2 adds a use to most products."""
    distractors: int = 3
    """Near-duplicates of every independent product: over its price limit, of another use or
    quality, or without one of its option values; type and most words are the same."""
    types: int | None = None
    """Types of products, at most 40; by default one for every 24 products, at least 4."""
    brands: bool = True
    """Whether titles begin with an invented brand, which no instruction mentions."""
    goals_per_product: int = 4
    """Maximum number of goals about a product."""
    paraphrases: float = 0.0
    """Share of goals that are paraphrased, which takes a few dozen more words."""
    page_size: int = 4
    """Products on a page of results."""

    def __post_init__(self) -> None:
        low, high = self.values
        if not (
            0 <= self.options <= 2
            and 1 <= low <= high
            and self.attributes in (1, 2)
            and self.distractors >= 0
        ):
            raise ConfigError(
                f"{self} is out of range: options must be 0 to 2, attributes 1 or 2, values "
                "(fewest, most) with 1 <= fewest, and distractors at least 0"
            )
        if (
            self.goals_per_product < 1
            or self.page_size < 1
            or (self.types is not None and not 1 <= self.types <= 40)
        ):
            raise ConfigError(
                f"{self} is out of range: goals_per_product and page_size must be at least 1, and "
                "types 1 to 40"
            )


@dataclass(frozen=True, slots=True)
class CompactDraft:
    """The facts of a product, before they are put into words."""

    category: CompactCategory
    type: str
    quality: str
    use: str | None
    options: dict[str, tuple[str, ...]]
    price: int
    limit: int | None
    """Price limit of its goals in dollars; None if it is never a target."""

    @property
    def attributes(self) -> tuple[str, ...]:
        return (self.quality,) if self.use is None else (self.quality, self.use)


def compact_products(n: int, seed: int, style: CompactStyle) -> list[Listing]:
    """Return `n` products in random order; those above `MAX_GOAL_PRICE` are never targets."""
    draw = Draw("turnwise", "compact", n, seed, style)
    kinds = draw.shuffled(
        [(category, type_) for category in CATEGORIES for type_ in category.types]
    )
    kinds = kinds[: style.types or max(4, min(len(kinds), n // 24))]
    order = {type_: draw.shuffled(category.qualities) for category, type_ in kinds}
    drafts: list[CompactDraft] = []
    while len(drafts) < n:
        # Types take turns, and each type takes its qualities in turn.
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
    """Return whole dollars with `low` to `high` tens, not a multiple of ten."""
    return 10 * draw.between(low, high) + draw.between(1, 9)


def _limit(draw: Draw, price: int) -> int | None:
    return price_limit(draw, price) if price <= MAX_GOAL_PRICE else None


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
) -> CompactDraft:
    use = draw.pick(category.uses) if style.attributes == 2 and draw.chance(0.7) else None
    price = _price(draw, 1, 5)
    options = _options(draw, category, style)
    return CompactDraft(category, type_, quality, use, options, price, _limit(draw, price))


def _near_duplicate(draw: Draw, base: CompactDraft, style: CompactStyle) -> CompactDraft:
    """Return a product like `base` that fails one thing the goals about `base` ask for."""
    kind = draw.weighted(("price", "use", "quality", "option"), (0.35, 0.3, 0.2, 0.15))
    price = _price(draw, 1, 5)
    other = replace(base, price=price, limit=_limit(draw, price))
    if kind == "price":
        assert base.limit is not None  # base prices are below `MAX_GOAL_PRICE`
        price = min(99, base.limit + draw.between(1, 19))
        price += price % 10 == 0  # never a multiple of ten
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
    """Return `n` different ASINs: a letter pair, and as few digits as needed."""
    letters = LETTERS[:n]
    digits = 0
    while len(letters) * 10**digits < n:
        digits += 1
    numbers = draw.sample(range(len(letters) * 10**digits), n)
    return [
        letters[number % len(letters)] + (f"{number // len(letters):0{digits}d}" if digits else "")
        for number in numbers
    ]


def _listing(draw: Draw, draft: CompactDraft, asin: str, style: CompactStyle) -> Listing:
    words = [draw.pick(BRANDS)] if style.brands else []
    words += [draft.quality, draft.type]
    if draft.use is not None:
        words += ["for", draft.use]
    product = Product(
        asin=asin,
        title=" ".join(words),
        description="",
        bullets=(),
        price=float(draft.price),
        price_tag=f"${float(draft.price)}",
        options=draft.options,
        attributes=draft.attributes,
        category=draft.category.name,
        query=draft.type,
        product_category=f"{draft.category.name} › {draft.type}",
    )
    if draft.limit is None:
        return Listing(product, None, None)
    uses = () if draft.use is None else (draft.use,)
    return Listing(product, GoalRequest(draft.type, (draft.quality,), uses=uses), draft.limit)
