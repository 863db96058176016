"""The vocabulary: disjoint roles, values without the reward's defects, singulars."""

from __future__ import annotations

from itertools import permutations

import pytest

from turnwise.envs.webshop.goals import Goal
from turnwise.envs.webshop.navigation import parse
from turnwise.envs.webshop.reward import REWARDS
from turnwise.envs.webshop.vocabulary import OptionGroup, departments, generic, singular, words
from turnwise.envs.webshop.vocabulary.compact import BRANDS, CATEGORIES, LETTERS

AISLES = [aisle for department in departments() for aisle in department.aisles]
GROUPS: list[OptionGroup] = list(dict.fromkeys(group for aisle in AISLES for group in aisle.groups))
BUTTONS = {
    "search",
    "back to search",
    "< prev",
    "next >",
    "description",
    "features",
    "reviews",
    "attributes",
    "buy now",
}


def fulfils(rule: str, name: str, wanted: str, bought: str) -> bool:
    goal = Goal("A", "", "", "", "", "", (), ((name, wanted),))
    return REWARDS[rule](goal, {name: bought}) == 1


def test_the_departments_are_as_large_as_the_official_ones() -> None:
    assert {department.name: department.share for department in departments()} == {
        "beauty": 238, "electronics": 229, "garden": 216, "fashion": 200, "grocery": 117,
    }  # fmt: skip
    types = [type_ for aisle in AISLES for type_ in aisle.types]
    assert len(types) == len(set(types)) == 238
    for department in departments():
        assert 30 <= sum(len(aisle.types) for aisle in department.aisles) <= 54


def test_the_three_roles_of_attributes_are_disjoint() -> None:
    qualities = {word for aisle in AISLES for word in aisle.qualities}
    parts = {word for aisle in AISLES for word in aisle.parts}
    uses = {word for aisle in AISLES for word in aisle.uses}
    assert not qualities & parts and not qualities & uses and not parts & uses
    assert (
        len(qualities) > 114 and len(parts) > 101 and len(uses) > 46
    )  # as many as the official instructions use


@pytest.mark.parametrize("rule", sorted(REWARDS))
def test_every_option_value_is_recognised_when_it_is_bought(rule: str) -> None:
    broken = [
        (group.name, value)
        for group in GROUPS
        for value in group.values
        if not fulfils(rule, group.name, value, value)
    ]
    assert broken == []
    # The rule can fail: WebShop takes the "rust" in "rustic" for a colour.
    assert not fulfils("official", "style", "rustic", "rustic")


def test_option_values_can_be_clicked() -> None:
    for group in GROUPS:
        assert len(set(group.values)) == len(group.values) and group.weight > 0
        for value in group.values:
            assert value == value.lower().strip() and value not in BUTTONS
            assert parse(f"click[{value}]") == ("click", value)


@pytest.mark.parametrize("rule", sorted(REWARDS))
def test_no_compact_value_passes_for_another(rule: str) -> None:
    for category in CATEGORIES:
        for name, values in category.options:
            assert all(fulfils(rule, name, value, value) for value in values)
            assert not any(
                fulfils(rule, name, wanted, bought) for wanted, bought in permutations(values, 2)
            )


def test_no_compact_word_contains_another() -> None:
    # The reward looks for attributes as substrings of the title: "men" would be found in "women".
    for category in CATEGORIES:
        said = [
            *category.qualities,
            *category.uses,
            *category.types,
            *(brand.lower() for brand in BRANDS),
        ]
        assert len(set(said)) == len(said)
        assert not [(a, b) for a, b in permutations(said, 2) if a in b]


def test_letter_pairs_and_brands_are_distinct() -> None:
    assert len(set(LETTERS)) == len(LETTERS) == 64 and all(
        len(pair) == 2 and pair.isupper() for pair in LETTERS
    )
    assert len(set(BRANDS)) == len(BRANDS)


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("console tables", "console table"), ("toothbrushes", "toothbrush"),
        ("hair dyes", "hair dye"), ("eye creams", "eye cream"),
        ("pillow cases", "pillow case"), ("cookies", "cookie"), ("wrap dresses", "wrap dress"),
        ("spice boxes", "spice box"),
        ("berries", "berry"), ("gaming mice", "gaming mouse"), ("swim trunks", "swim trunks"),
        ("garden hoses", "garden hose"),
    ],
)  # fmt: skip
def test_singular(plural: str, one: str) -> None:
    assert singular(plural) == one


def test_lists_of_words_survive_line_breaks() -> None:
    assert words("a; b\nc;  d ;") == ("a", "b c", "d")


def test_sentences_have_only_slots_that_are_filled() -> None:
    slots = {"noun": "chair", "brand": "Velko", "thing": "quiet", "others": "tables"}
    for kind, phrases in generic().items():
        for phrase in phrases:
            filled = phrase.format(**slots)
            assert "{" not in filled and filled, kind
    for kind in ("of_qualities", "of_parts", "of_uses"):
        assert all("{thing}" in phrase for phrase in generic()[kind])
