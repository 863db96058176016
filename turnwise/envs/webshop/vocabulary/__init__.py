"""What the products of the full catalogue can be: five departments, some 240 types, and what is
said of them.

The words stand in the TOML files beside this one. The three roles of attributes (qualities before
the noun, parts after `with`, uses after `for`) are disjoint vocabularies, as in the official
instructions. Everything is invented or generic.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any

from turnwise.envs.webshop.vocabulary.department import Aisle, Department, OptionGroup, words

NAMES = ("beauty", "electronics", "garden", "fashion", "grocery")

__all__ = ["Aisle", "Department", "OptionGroup", "departments", "generic"]


@cache
def departments() -> tuple[Department, ...]:
    """All departments, read once."""
    groups = {
        key: OptionGroup(entry["name"], words(entry["values"]), entry["weight"])
        for key, entry in _read("options").items()
    }
    return tuple(_department(_read(name), groups) for name in NAMES)


@cache
def generic() -> dict[str, tuple[str, ...]]:
    """What is said of any product, by kind of phrase."""
    return {name: words(text) for name, text in _read("generic").items()}


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files(__name__) / f"{name}.toml").read_text(encoding="utf8"))


def _department(data: dict[str, Any], groups: dict[str, OptionGroup]) -> Department:
    aisles = tuple(
        Aisle(
            tuple(aisle["chain"]),
            aisle["alias"],
            words(aisle["types"]),
            words(aisle["qualities"]),
            words(aisle["parts"]),
            words(aisle["uses"]),
            tuple(groups[key] for key in aisle["options"]),
            words(aisle["extras"]),
        )
        for aisle in data["aisles"]
    )
    numbers = (data["share"], data["mu"], data["sigma"], data["optional"], data["pairs"])
    return Department(data["name"], *numbers, aisles, words(data["sentences"]))
