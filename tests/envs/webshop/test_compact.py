"""The compact style: vocabulary, short pages, near-duplicates, and the expert."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.envs.webshop.shopping import buy, visit
from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.compact import MAX_GOAL_PRICE, CompactStyle, compact_products
from turnwise.envs.webshop.env import WebShopEnv
from turnwise.envs.webshop.goals import Goal
from turnwise.errors import ConfigError

SEEDS = st.integers(0, 10**9)
_NUMBER = re.compile(r"\$?\d+(\.\d+)?")


@pytest.fixture(scope="module")
def shop() -> Catalogue:
    return Catalogue.generate(1000, 0, "compact")


def words_of(shop: Catalogue) -> set[str]:
    """Return all words of a catalogue and its goals, except numbers and ASINs."""
    text = [goal.instruction for goal in shop.goals]
    for product in (shop[asin] for asin in shop.asins):
        text += [
            product.title,
            product.description,
            *product.bullets,
            product.category,
            product.query,
        ]
        text += [word for name, values in product.options.items() for word in (name, *values)]
    return {
        word
        for word in re.split(r"[\s,:]+", " ".join(text))
        if word and not _NUMBER.fullmatch(word)
    }


@cache
def vocabulary() -> set[str]:
    """Return all words of a large shop."""
    return words_of(Catalogue.generate(3000, 0, "compact"))


def fits(shop: Catalogue, goal: Goal, asin: str, options: bool = True) -> bool:
    """Return whether a product fits a goal.

    Without `options`, only as far as a page of results shows it.
    """
    product = shop[asin]
    seen = (
        product.query == goal.query
        and set(goal.attributes) <= set(product.attributes)
        and product.price <= goal.price_upper
    )
    return seen and (
        not options
        or all(value in product.options.get(str(name), ()) for name, value in goal.options)
    )


@settings(max_examples=25, deadline=None)
@given(
    seed=SEEDS,
    n=st.integers(8, 60),
    options=st.integers(0, 2),
    attributes=st.integers(1, 2),
    distractors=st.integers(0, 5),
)
def test_the_expert_earns_everything_on_every_goal(
    seed: int, n: int, options: int, attributes: int, distractors: int
) -> None:
    shop = Catalogue.generate(
        n, seed, "compact", options=options, attributes=attributes, distractors=distractors
    )
    for reward in ("official", "fixed"):
        env = WebShopEnv(shop, shop.goals, reward=reward)
        assert all(buy(env, task) == 1.0 for task in range(0, len(shop.goals), 3))


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_the_vocabulary_is_closed(seed: int) -> None:
    assert words_of(Catalogue.generate(150, seed, "compact")) <= vocabulary()
    assert 150 <= len(vocabulary()) <= 350


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_products_are_small(seed: int) -> None:
    shop = Catalogue.generate(120, seed, "compact")
    for product in (shop[asin] for asin in shop.asins):
        assert re.fullmatch(r"[A-Z]{2}\d", product.asin)
        assert (
            3 <= len(product.title.split()) <= 6
            and product.description == ""
            and product.bullets == ()
        )
        assert (
            product.price_tag == f"${product.price}"
            and product.price % 1 == 0
            and product.price % 10 != 0
        )
        assert 11 <= product.price <= 99
        assert len(product.options) <= 2 and all(
            2 <= len(values) <= 4 for values in product.options.values()
        )
        assert all(" " not in value for values in product.options.values() for value in values)
    for goal in shop.goals:
        assert (
            len(goal.instruction.split()) <= 25
            and goal.price_upper % 10 == 0
            and goal.price_upper < 100
        )
        assert shop[goal.asin].price <= MAX_GOAL_PRICE
    # Whole dollars that end in no zero: under the limit exactly when the tens are.
    prices = {product.price for product in map(shop.__getitem__, shop.asins)}
    assert all(
        (price <= limit) == (price // 10 < limit // 10)
        for price in prices
        for limit in range(20, 100, 10)
    )


def test_knobs_do_what_they_say() -> None:
    plain = compact_products(200, 0, CompactStyle(options=0, attributes=1, brands=False, types=5))
    assert {len(listing.product.options) for listing in plain} == {0}
    assert {len(listing.product.attributes) for listing in plain} == {1}
    assert len({listing.product.query for listing in plain}) == 5
    assert {len(listing.product.title.split()) for listing in plain} <= {2, 3}
    assert Catalogue.generate(50, 0, "compact", page_size=7).page_size == 7
    assert (
        max(
            Counter(
                goal.asin
                for goal in Catalogue.generate(100, 0, "compact", goals_per_product=2).goals
            ).values()
        )
        == 2
    )
    alone = Catalogue.generate(400, 0, "compact", distractors=0, types=40)
    crowded = Catalogue.generate(400, 0, "compact", distractors=7, types=40)
    assert candidates(alone) < candidates(crowded)


def candidates(shop: Catalogue) -> float:
    """Return the mean number of results that match both words of the expert's first query."""
    found = [
        sum(
            goal.attributes[0] in shop[asin].attributes and shop[asin].query == goal.query
            for asin in shop.search(f"{goal.attributes[0]} {goal.query}")
        )
        for goal in shop.goals
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize(
    ("products", "length"), [(32, 2), (64, 2), (65, 3), (640, 3), (641, 4), (6401, 5)]
)
def test_asins_are_as_short_as_the_shop_allows(products: int, length: int) -> None:
    asins = {listing.product.asin for listing in compact_products(products, 0, CompactStyle())}
    assert len(asins) == products and {len(asin) for asin in asins} == {length}


def test_a_small_shop_uses_only_as_many_letter_pairs_as_it_has_products() -> None:
    names = [
        {listing.product.asin for listing in compact_products(24, seed, CompactStyle())}
        for seed in (0, 1)
    ]
    assert names[0] == names[1] and len(names[0]) == 24


def test_choosing_matters(shop: Catalogue) -> None:
    """The first result mostly fails, reading titles helps, and opening products suffices."""
    first = careful = on_first_page = 0
    for goal in shop.goals:
        found = shop.search(f"{goal.attributes[0]} {goal.query}")
        on_first_page += goal.asin in found[: shop.page_size]
        first += fits(shop, goal, found[0])
        careful += fits(
            shop, goal, next(asin for asin in found if fits(shop, goal, asin, options=False))
        )
    total = len(shop.goals)
    assert 0.85 <= on_first_page / total <= 0.97
    assert 0.2 <= first / total <= 0.4
    assert 0.65 <= careful / total <= 0.85
    assert 3 <= candidates(shop) <= 5


def test_an_episode_is_short(shop: Catalogue) -> None:
    env = WebShopEnv(shop, shop.goals)
    lengths, turns = [], []
    for task in range(0, len(shop.goals), 10):
        texts = visit(env, task)
        lengths.append(sum(len(text.replace("[SEP]", " ").split()) for text in texts))
        turns.append(len(texts) // 2)
    assert 150 <= sorted(lengths)[len(lengths) // 2] <= 260
    assert 4 <= sum(turns) / len(turns) <= 6 and max(turns) <= 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"options": 3},
        {"values": (4, 2)},
        {"attributes": 0},
        {"types": 41},
        {"goals_per_product": 0},
        {"distractors": -1},
    ],
)
def test_settings_that_make_no_shop(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="is out of range"):
        Catalogue.generate(10, 0, "compact", **wrong)
