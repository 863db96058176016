"""Options that several commands share, and `key=value` settings as Python values."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from turnwise.errors import ConfigError
from turnwise.plugins import import_module

Value: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any]
_WORDS: dict[str, bool] = {"true": True, "false": False}


def option(text: str, *names: str, **more: Any) -> Any:
    """Return a typer option with this help."""
    return typer.Option(*names, help=text, **more)


ENV_HELP = (
    "A name or id that `turnwise envs` lists, or the import path of a class or function, such as "
    "my_envs:Guess."
)
EnvArgs = Annotated[
    list[str],
    typer.Option(
        "--env-arg",
        "-e",
        metavar="KEY=VALUE",
        help="A setting of the environment; repeatable.",
    ),
]
Imports = Annotated[
    list[str],
    typer.Option(
        "--import",
        "-I",
        metavar="MODULE",
        help="Import a module first, for the names it registers; repeatable.",
    ),
]


def import_modules(modules: Sequence[str]) -> None:
    """Import the modules of `--import`, in their order.

    Raises:
        ConfigError: for a module that cannot be imported.
    """
    for module in modules:
        import_module(module, f"--import {module}")


def add_current_directory() -> None:
    """Let modules in the current directory be imported, after all others of their names."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)


def settings(given: Sequence[str], option: str = "--env-arg") -> dict[str, Value]:
    """Return `["reward=fixed", "n=1000"]` as `{"reward": "fixed", "n": 1000}`.

    Tables and lists are written as in TOML.

    Raises:
        ConfigError: for text without `=`, or a table or list that is not TOML.
    """
    found: dict[str, Value] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise ConfigError(
                f"{text!r} is not a setting for {option}: write key=value, such as reward=fixed"
            )
        found[key] = _table(key, value) if value[:1] in ("{", "[") else _value(value)
    return found


def _table(key: str, text: str) -> Value:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(
            f"{key}={text} is not a table or list in TOML ({problem}): "
            f"write {key}={{ distractors = 1 }}"
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
