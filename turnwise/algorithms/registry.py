"""Recipes by name: built-in, registered, announced by an installed package, or `module:function`.

Behind a name is a function that takes typed keyword settings and returns a `Recipe`. Its signature
is the list of settings; a parameter `common: CommonOptions` stands for the options that recipes
share, which are given beside the others.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, TypeAlias

from turnwise.algorithms.options import CommonOptions, common_defaults, refusal
from turnwise.algorithms.recipes import Recipe
from turnwise.errors import ConfigError, unknown
from turnwise.plugins import Registry, call_factory, parameters_of

Maker: TypeAlias = Callable[..., Recipe]

_PAPERS = (
    "aepo", "arpo", "bapo", "cispo", "dapo", "dr_grpo", "dr_mas", "duration", "empg", "epo", "gdpo",
    "gigpo", "gmpo", "grpo", "gspo", "gtpo", "high_entropy", "min_pro", "ppo", "pvpo", "reinforce",
    "reinforce_pp", "rlvmr", "rloo", "salt", "sapo", "sft", "simpletir", "spo", "st_ppo",
    "stratified", "turn_rloo", "vcpo",
)  # fmt: skip
_VARIANTS = {
    "clip_cov": "covariance:clip_cov",
    "kl_cov": "covariance:kl_cov",
    "grpo_s": "gtpo:grpo_s",
    "s_ppo": "st_ppo:s_ppo",
    "turn_ppo": "st_ppo:turn_ppo",
}
BUILT_IN = {
    name: f"turnwise.algorithms.papers.{path}"
    for name, path in {**{paper: f"{paper}:recipe" for paper in _PAPERS}, **_VARIANTS}.items()
}
RECIPES = Registry("recipe", "turnwise.algorithms", BUILT_IN)


def recipe_names() -> list[str]:
    """Return the names of all recipes, sorted."""
    return RECIPES.names()


def register_recipe(name: str, maker: Maker | str) -> None:
    """Give a name to a function that returns a `Recipe`, or to its import path.

    Raises:
        ConfigError: when the name is taken.
    """
    RECIPES.register(name, maker)


def recipe(name: str, /, **settings: Any) -> Recipe:
    """Build the recipe called `name`, with some of its settings changed.

    Raises:
        ConfigError: for an unknown name or setting, a setting of the wrong type, or a combination
            that cannot work.
    """
    make: Maker = RECIPES.find(name)
    described = f"recipe {name!r}"
    parameters = parameters_of(make, described)
    common = common_defaults(make)
    _check(name, make, common, settings)
    given = {key: settings.pop(key) for key in [*settings] if key in common}
    if common:
        settings["common"] = replace(parameters["common"].default, **given)
    made = call_factory(make, described, **settings)
    if not isinstance(made, Recipe):
        raise ConfigError(
            f"{name!r} made {type(made).__name__!r}, not a Recipe: "
            "return turnwise.algorithms.Recipe(...) from it"
        )
    return made


def settings(name: str) -> dict[str, Any]:
    """Return the settings of a recipe and their defaults, common options included."""
    make: Maker = RECIPES.find(name)
    own = parameters_of(make, f"recipe {name!r}").items()
    common = common_defaults(make)
    return {key: p.default for key, p in own if not (common and key == "common")} | common


def _check(name: str, make: Maker, common: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise a ConfigError for a setting that the recipe lacks or refuses, or of the wrong type."""
    parameters = parameters_of(make, f"recipe {name!r}")
    known = ({*parameters} - {"common"}) | {*common} if common else {*parameters}
    for key, reason in getattr(make, "refused", {}).items():
        if key in given and key not in known:
            raise refusal(name, key, reason)
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return
    hints = (typing.get_type_hints(CommonOptions) if common else {}) | _hints(make)
    for key, value in given.items():
        if key not in known:
            raise unknown("setting", key, known, f"recipe {name!r}")
        hint = hints.get(key, Any)
        if not _fits(value, hint):
            wanted = inspect.formatannotation(hint).replace("typing.", "")
            raise ConfigError(f"setting {key!r} of recipe {name!r} must be {wanted}, not {value!r}")


def _hints(make: Maker) -> dict[str, Any]:
    """Return the types of the settings; none where they cannot be found out."""
    try:
        return typing.get_type_hints(getattr(make, "func", make))  # that of a functools.partial
    except (NameError, TypeError):  # a name imported for type checkers only; a callable object
        return {}


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a config value has the hinted type; a hint that is not plain fits all."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return value in arguments
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in arguments)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (bool, str, types.NoneType):
        return isinstance(value, hint)
    return True
