"""Import of the optional `textworld` package, at first use because it is large."""

from __future__ import annotations

import importlib
import importlib.metadata
from functools import cache
from typing import Any

from turnwise.errors import ConfigError

ABSENT = (
    "TextWorld games need the package textworld, which is not installed: "
    "pip install 'turnwise[alfworld]' "
    "(or pip install textworld alone, which builds an interpreter in about a minute)"
)


def textworld(module: str = "textworld") -> Any:
    """Import `textworld` or one of its modules. Raises `ConfigError` if it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as problem:
        if problem.name is not None and problem.name.partition(".")[0] in ("textworld", "jericho"):
            raise ConfigError(ABSENT) from problem
        raise


@cache
def versions() -> str:
    """Return the packages that transcripts depend on: `textworld 1.7.0, jericho 3.3.1`.

    A package that is not installed is `absent`.
    """
    return ", ".join(f"{name} {_version(name)}" for name in ("textworld", "jericho"))


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
