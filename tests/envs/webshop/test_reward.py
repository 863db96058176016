"""The reward, computed by hand: the original's examples, its defect, and `fixed`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.envs.webshop.corner_shop import LAMP, LAMP_GOAL, MUG
from turnwise.envs.webshop.goals import Goal
from turnwise.envs.webshop.nouns import every_alphabetic_token
from turnwise.envs.webshop.products import Product
from turnwise.envs.webshop.reward import (
    COLOURS,
    attributes_matched,
    colour_of,
    fixed_options,
    official_options,
    options_rule,
    score,
    type_reward,
)
from turnwise.errors import ConfigError


def wanting(*options: tuple[str | None, str]) -> Goal:
    return replace(LAMP_GOAL, options=options)


def made(**fields: object) -> Product:
    return replace(MUG, **fields)  # type: ignore[arg-type]


def test_buying_what_was_asked_earns_one() -> None:
    earned = score(
        LAMP,
        LAMP_GOAL,
        {"color": "black", "size": '12" tall'},
        every_alphabetic_token,
        official_options,
    )
    assert earned.total == 1.0
    assert earned.components == {
        "r_type": 1.0, "query_match": 1.0, "category_match": 1.0, "title_score": 1.0, "r_att": 1.0,
        "w_att": 2 / 5,
        "r_option": 1.0, "w_option": 2 / 5, "r_price": 1.0, "w_price": 1 / 5,
    }  # fmt: skip


def test_components_add_up() -> None:
    earned = score(
        LAMP,
        replace(LAMP_GOAL, price_upper=10.0),
        {"color": "oak brown"},
        every_alphabetic_token,
        official_options,
    )
    parts = earned.components
    total = parts["r_type"] * sum(
        parts[f"r_{name}"] * parts[f"w_{name}"] for name in ("att", "option", "price")
    )
    assert parts["r_price"] == 0.0 and parts["r_option"] == 0.0
    assert earned.total == pytest.approx(total) == pytest.approx(2 / 5)


def test_a_goal_without_options_has_no_option_component() -> None:
    earned = score(LAMP, wanting(), {}, every_alphabetic_token, official_options)
    assert earned.total == 1.0 and "r_option" not in earned.components


# Examples from the original's test_goal.py
# -----------------------------------------------------------------------------

OILS = replace(
    LAMP_GOAL, attributes=("tea tree", "essential oils", "natural ingredients"), options=()
)


@pytest.mark.parametrize(
    ("product", "matches"),
    [
        (made(attributes=("tea tree", "essential oil", "natural ingredients")), 3),
        (made(attributes=("essential oil", "natural ingredients"), title=""), 2),
        (
            made(
                attributes=(),
                bullets=("This has essential oils and smells of lemon",),
                description="made with natural ingredients",
            ),
            2,
        ),
        (
            made(
                attributes=("tea bag", "earl gray"),
                title="English tea",
                bullets=("Soothing",),
                description="Best tea",
            ),
            0,
        ),
    ],
)
def test_attributes(product: Product, matches: int) -> None:
    assert attributes_matched(product, OILS) == matches


@pytest.mark.parametrize(
    ("wanted", "chosen", "matches"),
    [
        (("grey", "XL", "pack of 12"), ("pack of 12", "grey", "XL"), 3),
        (("grey", "XL", "pack of 12"), ("pack of 12", "blue", "XL"), 2),
        (("cool powder snow", "XL", "pack of 12"), ("pack of 12", "powder snow", "XL"), 3),
        ((), ("goal 1", "goal 2"), 0),
        (("goal 1", "goal 2"), (), 0),
    ],
)
def test_options_of_human_goals(
    wanted: tuple[str, ...], chosen: tuple[str, ...], matches: int
) -> None:
    goal = wanting(*((None, value) for value in wanted))
    bought = {f"group {k}": value for k, value in enumerate(chosen)}
    assert official_options(goal, bought) == fixed_options(goal, bought) == matches


def test_categories() -> None:
    goal = replace(LAMP_GOAL, query="other", product_category="a › b › c", title="Zebra")
    expected = {
        "b › c › a": 1.0,
        "d › e › f": 0.0,
        "a › d › b": 1.0,
        "a › a › b": 1.0,
        "a › a › d": 0.0,
    }
    for chain, match in expected.items():
        assert (
            type_reward(made(product_category=chain), goal, every_alphabetic_token)[
                "category_match"
            ]
            == match
        )


@pytest.mark.parametrize(
    ("nouns", "kind"),
    [
        ({"goal": ["a"] * 100 + ["x"], "bought": ["x"]}, 0.1),
        ({"goal": ["a", "b"], "bought": ["c"]}, 0.0),
        ({"goal": ["a"] * 9 + ["x"], "bought": ["x"]}, 0.5),
        ({"goal": ["a"] * 4 + ["x"], "bought": ["x"]}, 0.5),
        ({"goal": ["a"] * 3 + ["x"], "bought": ["x"]}, 1.0),
        ({"goal": [], "bought": ["x"]}, 0.5),
    ],
)
def test_the_type_by_nouns(nouns: dict[str, list[str]], kind: float) -> None:
    goal = replace(LAMP_GOAL, title="goal")
    assert (
        type_reward(made(title="bought", query="z", product_category="z"), goal, nouns.__getitem__)[
            "r_type"
        ]
        == kind
    )


def test_the_same_type_with_a_foreign_title_is_still_cut() -> None:
    nouns = {"goal": ["a"], "bought": ["b"]}.__getitem__
    goal = replace(LAMP_GOAL, title="goal", query="mugs")
    assert type_reward(made(title="bought"), goal, nouns) == {
        "r_type": 0.0, "query_match": 1.0, "category_match": 0.0, "title_score": 0.0,
    }  # fmt: skip


# Official and fixed
# --------------------------------------------------------------------------------------------------


def test_the_defect_and_its_repair() -> None:
    """A value that contains a colour word (`tan` in `tank`) does not match itself."""
    goal = wanting(("style", "12 pack tank top undershirts"))
    bought = {"style": "12 pack tank top undershirts"}
    assert official_options(goal, bought) == 0
    assert fixed_options(goal, bought) == 1


def test_a_value_that_is_a_colour_word_counts_in_both() -> None:
    assert official_options(wanting(("color", "black")), {"color": "black"}) == 1
    assert official_options(wanting(("color", "black")), {"color": "matte black"}) == 1
    assert official_options(wanting(("color", "matte black")), {"color": "matte black"}) == 1, (
        "a word of its own is found in the pair"
    )
    assert official_options(wanting(("color", "blackcurrant")), {"color": "blackcurrant"}) == 0
    assert fixed_options(wanting(("color", "matte black")), {"color": "black"}) == 1


def test_a_group_named_like_a_colour() -> None:
    assert official_options(wanting(("wine", "dry")), {"taste": "wine red"}) == 0, (
        "red comes before wine in the colour list"
    )
    assert official_options(wanting(("wine", "dry")), {"taste": "wine"}) == 1


def test_groups_are_confused_only_in_the_original() -> None:
    goal = wanting(("size", "large"))
    assert official_options(goal, {"fit": "large"}) == 1
    assert fixed_options(goal, {"fit": "large"}) == 0
    assert fixed_options(wanting((None, "large")), {"fit": "large"}) == 1


def test_fixed_sees_through_blanks_that_look_alike() -> None:
    assert fixed_options(wanting(("size", "6\xa0x\xa09")), {"size": "6 x 9"}) == 1
    assert fixed_options(wanting(("size", "+")), {"size": "+"}) == 1
    assert fixed_options(wanting(("size", "small")), {"size": "large"}) == 0


def test_colours() -> None:
    assert len(COLOURS) == 102 and list(COLOURS) == sorted(COLOURS)
    assert [colour_of(value) for value in ("navy blue", "tank top", "tapered", "xyz", "")] == [
        "blue",
        "tan",
        "red",
        "xyz",
        "",
    ]


def test_unknown_rewards_are_named() -> None:
    assert options_rule("official") is official_options
    with pytest.raises(ConfigError, match="did you mean 'fixed'"):
        options_rule("fixd")
