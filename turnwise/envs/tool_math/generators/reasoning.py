"""Families of reasoning-gym (https://github.com/open-thought/reasoning-gym).

A family is named `reasoning_gym/<dataset>`. Included are datasets whose answer is one exact number,
so that the grader here decides as theirs would, and not puzzles whose answer is a grid, a formula
or one of many. A level sets every attribute of the dataset's curriculum. The problems have no
program, and they alone depend on the version of another package: the questions are reasoning-gym's.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from typing import Any

from turnwise.envs.seeding import Draw
from turnwise.envs.tool_math import rational
from turnwise.envs.tool_math.generators.family import Family, GeneratedProblem, exact
from turnwise.errors import ConfigError, unknown

PREFIX = "reasoning_gym/"
DATASETS = (
    "basic_arithmetic",
    "binary_alternation",
    "chain_sum",
    "count_bits",
    "count_primes",
    "decimal_chain_sum",
    "dice",
    "fraction_simplification",
    "gcd",
    "largest_island",
    "lcm",
    "leg_counting",
    "letter_counting",
    "maze",
    "products",
    "rotten_oranges",
    "self_reference",
    "simple_equations",
    "simple_geometry",
)
FAMILIES = tuple(PREFIX + name for name in DATASETS)


def maker(family: str) -> Family:
    """Return the family of a dataset.

    Raises:
        ConfigError: for a dataset that is not included, or if reasoning-gym is not installed.
    """
    name = family.removeprefix(PREFIX)
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS, "the families of reasoning-gym")
    if importlib.util.find_spec("reasoning_gym") is None:
        raise ConfigError(
            f"family {family!r} needs reasoning-gym: pip install 'turnwise[reasoning-gym]', or "
            "choose one of our own"
        )

    def make(draw: Draw, level: int) -> GeneratedProblem:
        for _ in range(100):
            item = _item(name, level, draw.below(2**31))
            found = rational.number(str(item["answer"]))
            if found is not None:
                return GeneratedProblem(str(item["question"]).strip(), exact(found.value), "")
        raise ConfigError(
            f"{family!r} made no problem with a number for an answer at level {level}: choose "
            "another family"
        )

    return make


def _item(name: str, level: int, seed: int) -> dict[str, Any]:
    import reasoning_gym

    made = reasoning_gym.create_dataset(name, **{**_settings(name, level), "seed": seed, "size": 1})
    item: dict[str, Any] = made[0]
    return item


@lru_cache(maxsize=256)
def _settings(name: str, level: int) -> dict[str, Any]:
    """Return a dataset's configuration at a level; its defaults if it has no curriculum."""
    from reasoning_gym.factory import CURRICULA, create_curriculum

    if name not in CURRICULA:
        return {}
    curriculum = create_curriculum(name)
    curriculum.set_global_level(level - 1)
    return dict(vars(curriculum.generate_configuration({})))
