"""Goals from official rows, the original's list of goals, and stable splits."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.envs.webshop.corner_shop import catalogue
from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.goals import NO_PRICE_LIMIT, Goal, official_split, product_split
from turnwise.envs.webshop.tasks import official_goals
from turnwise.errors import DataError

ROW = {
    "asin": "B0X", "category": "garden", "query": "lamps", "name": "A Lamp",
    "product_category": "A › B",
    "instruction_text": "find a lamp", "attributes": ["bright"], "price_upper": 30, "weight": 0.25,
    "goal_options": {"size": "large", "color": "red"},
}  # fmt: skip


def test_a_synthetic_row() -> None:
    goal = Goal.from_official(ROW)
    assert (
        goal.title == "A Lamp"
        and goal.instruction == "find a lamp"
        and goal.attributes == ("bright",)
    )
    assert (
        goal.options == (("size", "large"), ("color", "red"))
        and goal.price_upper == 30.0
        and goal.weight == 0.25
    )


def test_a_human_row() -> None:
    goal = Goal.from_official({**ROW, "goal_options": ["large"], "weight": 1})
    assert goal.options == ((None, "large"),)


def test_a_row_without_a_key_is_named() -> None:
    with pytest.raises(DataError, match="no 'attributes'"):
        Goal.from_official({name: value for name, value in ROW.items() if name != "attributes"})


def test_tags_say_what_kind() -> None:
    assert Goal.from_official(ROW).tags == ["category=garden", "options=2", "attributes=1"]


def test_synthetic_goals_are_the_product_of_the_options() -> None:
    goals = official_goals(catalogue())
    lamps = [goal for goal in goals if goal.asin == "B0LAMP0001"]
    assert len(lamps) == 2 * 3 and len(goals) == 6 + 2
    assert {goal.options for goal in lamps} >= {(("color", "black"), ("size", "black"))}
    assert len({goal.price_upper for goal in lamps}) == 1, "one limit for a product"
    limit = lamps[0].price_upper
    assert limit in (40.0, 50.0, 60.0)
    wanted = (
        f"Find me energy efficient desk lamps with color: black, and size: black, and price "
        f"lower than {limit:.2f} dollars"
    )
    assert wanted in {goal.instruction for goal in lamps}


def test_weights_favour_rare_attributes() -> None:
    weights = {goal.asin: goal.weight for goal in official_goals(catalogue())}
    assert weights == {"B0LAMP0001": 1 / 6, "B0DESK0003": 1 / 2}


def test_too_dear_for_a_limit() -> None:
    desk = next(goal for goal in official_goals(catalogue()) if goal.asin == "B0DESK0003")
    assert desk.price_upper == NO_PRICE_LIMIT and "price" not in desk.instruction


def test_human_goals_skip_instructions_without_attributes() -> None:
    goals = official_goals(catalogue(), human=True)
    assert sorted(goal.asin for goal in goals) == ["B0LAMP0001", "B0MUG00002"]
    lamp = next(goal for goal in goals if goal.asin == "B0LAMP0001")
    assert lamp.options == ((None, "black"),) and lamp.weight == 1.0
    mug = next(goal for goal in goals if goal.asin == "B0MUG00002")
    assert mug.instruction.startswith("i want a mug for the dishwasher, and price lower than ")


def test_the_order_is_the_seed_233_shuffle_whatever_the_seed() -> None:
    one, two = official_goals(catalogue(), seed=0), official_goals(catalogue(), seed=1)
    assert [(g.asin, g.options) for g in one] == [(g.asin, g.options) for g in two]
    in_order = [
        ("B0LAMP0001", color, size)
        for color in ("black", "oak brown")
        for size in ('12" tall', "black", "é-large")
    ]
    in_order += [("B0DESK0003", "description", ""), ("B0DESK0003", "it's <raw>", "")]
    random.Random(233).shuffle(in_order)
    assert [(g.asin, *(value for _, value in g.options)) for g in one] == [
        tuple(filter(None, goal)) for goal in in_order
    ]


def test_the_seed_decides_the_limits() -> None:
    limits = {seed: official_goals(catalogue(), seed=seed)[0].price_upper for seed in range(20)}
    assert limits == {
        seed: official_goals(catalogue(), seed=seed)[0].price_upper for seed in range(20)
    }
    by_asin = Counter(
        next(g for g in official_goals(catalogue(), seed=s) if g.asin == "B0LAMP0001").price_upper
        for s in range(300)
    )
    # the larger of two of four: 1/6, 2/6, 3/6
    assert by_asin[60.0] > by_asin[50.0] > by_asin[40.0] > 20


def test_without_instructions_there_are_no_official_goals() -> None:
    shop = Catalogue([catalogue()["B0MUG00002"]])
    with pytest.raises(DataError, match="no synthetic instructions"):
        official_goals(shop)


def test_product_splits_never_move() -> None:
    asins = [f"B{k:09d}" for k in range(5000)]
    share = Counter(map(product_split, asins))
    assert 0.78 < share["train"] / 5000 < 0.82 and 0.08 < share["dev"] / 5000 < 0.12
    pinned = [
        "train",
        "train",
        "test",
        "test",
        "train",
        "train",
        "train",
        "dev",
        "train",
        "train",
        "train",
        "train",
    ]
    assert [product_split(asin) for asin in asins[:12]] == pinned


def test_official_splits_are_the_baselines() -> None:
    assert [official_split(k) for k in (0, 499, 500, 1499, 1500, 6909)] == [
        "test",
        "test",
        "dev",
        "dev",
        "train",
        "train",
    ]
