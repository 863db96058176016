"""The full style: shops with the distributions of WebShop's 1,000 products.

Means and shares are in the vocabulary files. Products come in families: one is drawn freely, and a
few near-duplicates share its type and differ in one thing a goal may ask for (a missing attribute,
other option values, a price over the limit).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from turnwise.envs.seeding import Draw
from turnwise.envs.webshop.instructions import GoalRequest, Listing, price_limit
from turnwise.envs.webshop.product_text import ProductFacts, write
from turnwise.envs.webshop.products import Product
from turnwise.envs.webshop.vocabulary import Aisle, Department, OptionGroup, departments
from turnwise.errors import ConfigError

ATTRIBUTES = ((0, 1, 2, 3, 4, 5, 6, 7), (0.185, 0.17, 0.2, 0.16, 0.115, 0.07, 0.06, 0.04))
"""(numbers of attributes of a product, their shares): median 2, upper quartile 4."""
GOAL_ATTRIBUTES = ((2, 3, 4, 5), (0.28, 0.22, 0.25, 0.25))
"""(numbers of attributes in a goal, their shares), at most those of the product."""
ROLES = (("P", "W"), ("P", "F"), ("P",), ("P", "W", "F"), ("W",), ("W", "F"), ("F",))
"""Combinations of roles of attributes: property, part (`with`), use (`for`)."""
ROLE_WEIGHTS = (156, 78, 59, 48, 31, 28, 15)
"""Number of official instructions with each combination."""
TARGETS_WITHOUT_OPTIONS = 0.08
"""Share of products without options that are targets. Nearly all official goals have options,
because a product with many values makes hundreds of them; here it makes a few, so the share is
reached by leaving out products without options."""
TARGETS_OF_TWO_ATTRIBUTES = 0.75
"""Share of products with two attributes that are targets; it makes goals with three and more as
frequent as among the official ones."""
PRICE_RANGES, MISSING_PRICES = 0.09, 0.09
"""Shares of products whose page shows a range or no price."""
DEFAULT_PRICE = 100.0
"""WebShop's price in dollars for a product without one."""
_CODE_LETTERS = "bcdfghjklmnpqrstvwxz"
_ASIN_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@dataclass(frozen=True, slots=True)
class FullStyle:
    """Settings of the full style.

    Raises:
        ConfigError: for a value out of range.
    """

    distractors: int = 2
    """Maximum number of near-duplicates of a product; drawn uniformly from 0 on."""
    noise: float = 0.3
    """Share of option groups whose values contain a seller's codes (`tx204-beige`)."""
    paraphrases: float = 0.0
    """Share of goals that are paraphrased instead of following the synthetic grammar."""
    goals_per_product: int = 8
    """Maximum number of goals about a product."""
    page_size: int = 10
    """Products on a page of results."""

    def __post_init__(self) -> None:
        if not (self.distractors >= 0 and 0 <= self.noise <= 1 and 0 <= self.paraphrases <= 1):
            raise ConfigError(
                f"{self} is out of range: distractors must be at least 0, noise and paraphrases "
                "from 0 to 1"
            )
        if self.goals_per_product < 1 or self.page_size < 1:
            raise ConfigError(
                f"{self} is out of range: goals_per_product and page_size must be at least 1"
            )


@dataclass(frozen=True, slots=True)
class FullDraft:
    """The facts of a product, before they are put into words."""

    department: Department
    aisle: Aisle
    type: str
    qualities: tuple[str, ...]
    parts: tuple[str, ...]
    uses: tuple[str, ...]
    options: dict[str, tuple[str, ...]]
    price: float
    tag: str
    limit: int | None
    """Price limit of its goals in dollars; None if it is too expensive for one."""


def full_products(n: int, seed: int, style: FullStyle) -> list[Listing]:
    """Return `n` products in random order; only those with two attributes or more are targets."""
    draw = Draw("turnwise", "full", n, seed, style)
    kinds = [
        (department, aisle, type_)
        for department in departments()
        for aisle in department.aisles
        for type_ in aisle.types
    ]
    sizes = {
        department.name: sum(len(aisle.types) for aisle in department.aisles)
        for department in departments()
    }
    edges, total = [], 0.0  # cumulative weights; types of a department differ in popularity
    for department, _, _ in kinds:
        total += department.share / sizes[department.name] * (0.3 + 2 * draw.random() ** 2)
        edges.append(total)
    drafts: list[FullDraft] = []
    while len(drafts) < n:
        base = _base(draw, *kinds[draw.by_edges(edges)], style)
        drafts.append(base)
        drafts += [
            _near_duplicate(draw, base, style) for _ in range(draw.between(0, style.distractors))
        ]
    drafts = draw.shuffled(drafts[:n])
    return [
        _listing(draw, draft, asin) for draft, asin in zip(drafts, _asins(draw, n), strict=True)
    ]


def _base(
    draw: Draw, department: Department, aisle: Aisle, type_: str, style: FullStyle
) -> FullDraft:
    qualities, parts, uses = _attributes(draw, aisle)
    price, tag = _price(draw, department)
    options = _options(draw, department, aisle, style)
    limit = price_limit(draw, price)
    return FullDraft(department, aisle, type_, qualities, parts, uses, options, price, tag, limit)


def _attributes(
    draw: Draw, aisle: Aisle
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return qualities, parts and uses."""
    count = draw.weighted(*ATTRIBUTES)
    if count == 0:
        return (), (), ()
    fitting = [
        (roles, weight)
        for roles, weight in zip(ROLES, ROLE_WEIGHTS, strict=True)
        if len(roles) <= count
    ]
    roles = draw.weighted([r for r, _ in fitting], [w for _, w in fitting])
    numbers = dict.fromkeys(roles, 1)
    for _ in range(count - len(roles)):
        numbers[draw.pick(roles)] += 1
    pools = (("P", aisle.qualities), ("W", aisle.parts), ("F", aisle.uses))
    qualities, parts, uses = (
        tuple(draw.skewed(pool, numbers.get(role, 0))) for role, pool in pools
    )
    return qualities, parts, uses


def _price(draw: Draw, department: Department) -> tuple[float, str]:
    """Return a price and its tag: mostly a single price, sometimes a range or a missing price."""
    if draw.chance(MISSING_PRICES):
        return DEFAULT_PRICE, f"${DEFAULT_PRICE}"
    price = min(4000.0, max(1.5, draw.lognormal(department.mu, department.sigma)))
    cents = draw.weighted((0.99, 0.95, 0.0, draw.below(100) / 100), (0.5, 0.12, 0.13, 0.25))
    price = round(int(price) + cents, 2)
    if draw.chance(PRICE_RANGES):
        high = round(price * (1.1 + 1.2 * draw.random()), 2)
        return round(price + (high - price) * draw.random(), 2), f"${price} to ${high}"
    return price, f"${price}"


def _options(
    draw: Draw, department: Department, aisle: Aisle, style: FullStyle
) -> dict[str, tuple[str, ...]]:
    if not draw.chance(department.optional):
        return {}
    count = 1 if not draw.chance(department.pairs) else 3 if draw.chance(0.06) else 2
    chosen: dict[str, tuple[str, ...]] = {}
    left: list[OptionGroup] = list(aisle.groups)
    while left and len(chosen) < count:
        group = draw.weighted(left, [group.weight for group in left])
        left = [other for other in left if other.name != group.name]
        # No value in two groups: it would be a single clickable.
        taken = {value for values in chosen.values() for value in values}
        size = max(1, min(45, round(draw.lognormal(1.35, 0.7))))
        values = draw.ordered([value for value in group.values if value not in taken], size)
        noisy = draw.chance(style.noise)
        chosen[group.name] = _noisy(draw, group.name, values) if noisy else tuple(values)
    return chosen


def _noisy(draw: Draw, name: str, values: Sequence[str]) -> tuple[str, ...]:
    """Return option values with a seller's codes."""
    code = draw.pick(_CODE_LETTERS) + draw.pick(_CODE_LETTERS)
    number = draw.between(100, 900)
    kind = draw.below(3)
    if name != "color" or kind == 0:
        return tuple(f"{value} ({code}{number})" for value in values)
    if kind == 1:
        return tuple(f"{code}{number + i}-{value}" for i, value in enumerate(values))
    return tuple(f"style {i} {value}" for i, value in enumerate(values, start=1))


def _near_duplicate(draw: Draw, base: FullDraft, style: FullStyle) -> FullDraft:
    """Return a product like `base` that fails one thing the goals about `base` may ask for."""
    price, tag = _price(draw, base.department)
    if base.limit is not None and " to " not in tag and tag != f"${DEFAULT_PRICE}":
        # A similar price, so that the price alone does not tell them apart.
        price = round(max(1.5, base.price * (0.75 + 0.35 * draw.random())), 2)
        tag = f"${price}"
    other = replace(base, price=price, tag=tag, limit=price_limit(draw, price))
    kinds = (
        ["price"] * (base.limit is not None)
        + ["attribute"] * bool(base.qualities + base.parts + base.uses)
        + ["option"] * bool(base.options)
    )
    kind = draw.pick(kinds) if kinds else "option"
    if kind == "price" and base.limit is not None:
        price = round(base.limit * (1.03 + 0.7 * draw.random()), 2)
        return replace(base, price=price, tag=f"${price}", limit=price_limit(draw, price))
    if kind == "attribute":
        lost = draw.pick(base.qualities + base.parts + base.uses)
        kept = [
            tuple(word for word in held if word != lost)
            for held in (base.qualities, base.parts, base.uses)
        ]
        return replace(other, qualities=kept[0], parts=kept[1], uses=kept[2])
    return replace(other, options=_options(draw, base.department, base.aisle, style))


def _asins(draw: Draw, n: int) -> list[str]:
    """Return `n` different ASINs of ten characters that begin with `B0`."""
    made: dict[str, None] = {}
    while len(made) < n:
        made.setdefault("B0" + "".join(draw.pick(_ASIN_CHARACTERS) for _ in range(8)))
    return list(made)


def _listing(draw: Draw, draft: FullDraft, asin: str) -> Listing:
    in_title = "color" in draft.options and draw.chance(0.4)
    shown = draw.pick(draft.options["color"]) if in_title else ""
    facts = ProductFacts(
        draft.department, draft.aisle, draft.type, draft.qualities, draft.parts, draft.uses, shown
    )
    text = write(draw, facts)
    chain = " › ".join((*draft.aisle.chain, draft.type.title()))
    product = Product(
        asin=asin,
        title=text.title,
        description=text.description,
        bullets=text.bullets,
        price=draft.price,
        price_tag=draft.tag,
        options=draft.options,
        attributes=facts.attributes,
        category=draft.department.name,
        query=draft.type,
        product_category=chain,
    )
    target = draw.chance(1.0 if draft.options else TARGETS_WITHOUT_OPTIONS) and draw.chance(
        1.0 if len(facts.attributes) > 2 else TARGETS_OF_TWO_ATTRIBUTES
    )
    if len(facts.attributes) < 2 or not target:
        return Listing(product, None, draft.limit)
    requested = set(draw.sample(facts.attributes, draw.weighted(*GOAL_ATTRIBUTES)))
    by_role = [
        tuple(word for word in words if word in requested)
        for words in (draft.qualities, draft.parts, draft.uses)
    ]
    return Listing(product, GoalRequest(draft.type, *by_role), draft.limit)
