"""The `textworld` package, imported where it is used: it is large, and turnwise works without it."""

from __future__ import annotations

import importlib
import importlib.metadata
from functools import cache
from typing import Any

from turnwise.errors import ConfigError

ABSENT = (
    "TextWorld games need the package textworld, which is not installed: pip install 'turnwise[alfworld]' "
    "(or pip install textworld alone, which builds an interpreter in about a minute)"
)


def textworld(module: str = "textworld") -> Any:
    """`textworld` or one of its modules. Raises `ConfigError` naming the extra where it is absent."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as problem:
        if problem.name is not None and problem.name.partition(".")[0] in ("textworld", "jericho"):
            raise ConfigError(ABSENT) from problem
        raise


@cache
def versions() -> str:
    """What the transcripts depend on: `textworld 1.7.0, jericho 3.3.1`; `absent` for a package that
    is not installed.
    """
    return ", ".join(f"{name} {_version(name)}" for name in ("textworld", "jericho"))


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
