"""Kinds, presets and settings, without the textworld package."""

from __future__ import annotations

import pytest

from turnwise.envs.textworld.settings import KINDS, PRESETS, game_settings
from turnwise.errors import ConfigError


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_is_a_full_set_of_settings(preset: str) -> None:
    found = game_settings(preset)
    assert found.preset == preset
    assert set(found.values()) == set(KINDS[found.kind])
    assert {name: type(value) for name, value in found.options} == {
        name: type(value) for name, value in KINDS[found.kind].items()
    }


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_has_defaults(kind: str) -> None:
    assert game_settings(kind=kind).values() == KINDS[kind]


def test_the_guides_sizes() -> None:
    for name, rooms, objects, length in (
        ("w2-o3-q4", 2, 3, 4),
        ("w8-o12-q4", 8, 12, 4),
        ("w4-o6-q8", 4, 6, 8),
    ):
        values = game_settings(name).values()
        assert (values["rooms"], values["objects"], values["quest_length"]) == (
            rooms,
            objects,
            length,
        )


def test_any_size_is_a_preset() -> None:
    values = game_settings("w5-o7-q3").values()
    assert (values["rooms"], values["objects"], values["quest_length"]) == (5, 7, 3)


def test_the_default_game_is_the_guides_smallest() -> None:
    assert game_settings() == game_settings("w2-o3-q4")


def test_settings_change_a_preset_and_its_name() -> None:
    found = game_settings("cooking", settings={"recipe": 2, "take": 2})
    assert (found.values()["recipe"], found.preset) == (2, "custom settings")


def test_the_key_does_not_depend_on_names() -> None:
    assert (
        game_settings("coin").key()
        == game_settings(kind="coin_collector", settings={"level": 5}).key()
        == "coin_collector level=5"
    )
    assert game_settings("coin").key() != game_settings("coin-distractors").key()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"preset": "w2o3q4"}, "did you mean 'w2-o3-q4'"),
        ({"preset": "w0-o3-q4"}, "unknown preset"),
        ({"preset": "w101-o3-q4"}, None),
        ({"kind": "cook"}, "did you mean 'cooking'"),
        ({"preset": "coin", "kind": "cooking"}, "give one of the two"),
        ({"kind": "cooking", "settings": {"ingredients": 2}}, "unknown setting 'ingredients'"),
        ({"kind": "cooking", "settings": {"take": 3}}, "more than the recipe's 1"),
        ({"kind": "cooking", "settings": {"recipe": 6}}, "from 1 to 5"),
        ({"kind": "cooking", "settings": {"go": 2}}, "give one of 1, 6, 9, 12"),
        ({"kind": "cooking", "settings": {"cook": 1}}, "type bool"),
        ({"kind": "coin_collector", "settings": {"level": True}}, "type int"),
        ({"kind": "coin_collector", "settings": {"level": 160}}, "has 120 rooms"),
        ({"kind": "treasure_hunter", "settings": {"level": 31}}, "from 1 to 30"),
    ],
)
def test_invalid_settings_raise_one_sentence(
    given: dict[str, object], sentence: str | None
) -> None:
    if sentence is None:
        sentence = "from 1 to 100"
    with pytest.raises(ConfigError, match=sentence):
        game_settings(**given)  # type: ignore[arg-type]
