"""Text of the command line as values: `key=value` settings of an environment."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import typer

from turnwise.errors import ConfigError

Value: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any]
_WORDS: dict[str, bool] = {"true": True, "false": False}

EnvArgs = Annotated[
    list[str],
    typer.Option(
        "--env-arg",
        "-e",
        metavar="KEY=VALUE",
        help="A setting of the environment; may be given several times.",
    ),
]


def settings(given: Sequence[str]) -> dict[str, Value]:
    """`["reward=fixed", "n=1000"]` as `{"reward": "fixed", "n": 1000}`; tables and lists are
    written as in TOML.

    Raises:
        ConfigError: for text without `=`, or a table that is not TOML.
    """
    found: dict[str, Value] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise ConfigError(
                f"{text!r} is not a setting of an environment: write key=value, such as reward=fixed"
            )
        found[key] = _table(key, value) if value[:1] in ("{", "[") else _value(value)
    return found


def _table(key: str, text: str) -> Value:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(
            f"{key}={text} is not a table or list in TOML ({problem}): write {key}={{ distractors = 1 }}"
        ) from problem


def _value(text: str) -> Value:
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
