from __future__ import annotations

import pytest

from turnwise.cli.arguments import settings
from turnwise.errors import ConfigError


def test_values_are_read_as_what_they_look_like() -> None:
    given = ["a=1", "b=0.5", "c=True", "d=false", "e=text", "f=x=y", "g=", "h=1e-3"]
    assert settings(given) == {
        "a": 1,
        "b": 0.5,
        "c": True,
        "d": False,
        "e": "text",
        "f": "x=y",
        "g": "",
        "h": 0.001,
    }


@pytest.mark.parametrize("text", ["reward", "=fixed", "two words=1", "a-b=1"])
def test_what_is_no_setting(text: str) -> None:
    with pytest.raises(ConfigError, match="write key=value, such as reward=fixed"):
        settings([text])


def test_tables_and_lists_are_toml() -> None:
    given = settings(["settings={distractors = 2, brands = false}", "values=[2, 3]"])
    assert given == {"settings": {"distractors": 2, "brands": False}, "values": [2, 3]}
    with pytest.raises(ConfigError, match="is not a table or list in TOML"):
        settings(["settings={distractors: 2}"])
