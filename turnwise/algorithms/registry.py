"""Recipes by name.

A name is one of the built-in ones, one that an installed package announces in the entry-point group
`turnwise.algorithms`, or an import path `package.module:function`. Behind each is a function that
takes typed keyword settings and returns a `Recipe`; its signature is the list of settings, so a
misspelt or mistyped one is an error that names the nearest.
"""

from __future__ import annotations

import importlib
import inspect
import types
import typing
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, Literal, TypeAlias

from turnwise.algorithms.recipes import Recipe
from turnwise.errors import ConfigError, unknown

GROUP = "turnwise.algorithms"
Maker: TypeAlias = Callable[..., Recipe]

BUILT_IN = {
    "aepo": "turnwise.algorithms.papers.aepo:recipe",
    "arpo": "turnwise.algorithms.papers.arpo:recipe",
    "bapo": "turnwise.algorithms.papers.bapo:recipe",
    "duration": "turnwise.algorithms.papers.duration:recipe",
    "epo": "turnwise.algorithms.papers.epo:recipe",
    "gdpo": "turnwise.algorithms.papers.gdpo:recipe",
    "gmpo": "turnwise.algorithms.papers.gmpo:recipe",
    "grpo_s": "turnwise.algorithms.papers.gtpo:grpo_s",
    "gtpo": "turnwise.algorithms.papers.gtpo:recipe",
    "high_entropy": "turnwise.algorithms.papers.high_entropy:recipe",
    "min_pro": "turnwise.algorithms.papers.min_pro:recipe",
    "pvpo": "turnwise.algorithms.papers.pvpo:recipe",
    "rlvmr": "turnwise.algorithms.papers.rlvmr:recipe",
    "sapo": "turnwise.algorithms.papers.sapo:recipe",
    "spo": "turnwise.algorithms.papers.spo:recipe",
    "stratified": "turnwise.algorithms.papers.stratified:recipe",
    "vcpo": "turnwise.algorithms.papers.vcpo:recipe",
    "clip_cov": "turnwise.algorithms.papers.covariance:clip_cov",
    "kl_cov": "turnwise.algorithms.papers.covariance:kl_cov",
    "cispo": "turnwise.algorithms.papers.cispo:recipe",
    "dapo": "turnwise.algorithms.papers.dapo:recipe",
    "dr_grpo": "turnwise.algorithms.papers.dr_grpo:recipe",
    "dr_mas": "turnwise.algorithms.papers.dr_mas:recipe",
    "empg": "turnwise.algorithms.papers.empg:recipe",
    "gigpo": "turnwise.algorithms.papers.gigpo:recipe",
    "grpo": "turnwise.algorithms.papers.grpo:recipe",
    "gspo": "turnwise.algorithms.papers.gspo:recipe",
    "ppo": "turnwise.algorithms.papers.ppo:recipe",
    "reinforce": "turnwise.algorithms.papers.reinforce:recipe",
    "reinforce_pp": "turnwise.algorithms.papers.reinforce_pp:recipe",
    "rloo": "turnwise.algorithms.papers.rloo:recipe",
    "salt": "turnwise.algorithms.papers.salt:recipe",
    "sft": "turnwise.algorithms.papers.sft:recipe",
    "simpletir": "turnwise.algorithms.papers.simpletir:recipe",
    "st_ppo": "turnwise.algorithms.papers.st_ppo:recipe",
    "turn_rloo": "turnwise.algorithms.papers.turn_rloo:recipe",
    "s_ppo": "turnwise.algorithms.papers.st_ppo:s_ppo",
    "turn_ppo": "turnwise.algorithms.papers.st_ppo:turn_ppo",
}


def recipe_names() -> list[str]:
    """Names that `recipe` knows, built-in ones and installed ones, sorted."""
    return sorted({*BUILT_IN, *entry_points(group=GROUP).names})


def recipe(name: str, /, **settings: Any) -> Recipe:
    """The recipe called `name`, with its settings changed.

    Raises:
        ConfigError: for an unknown name or setting, a setting of the wrong type, or a combination
            that cannot work.
    """
    make = _maker(name)
    _check(name, make, settings)
    made = make(**settings)
    if not isinstance(made, Recipe):
        raise ConfigError(
            f"{name!r} made {type(made).__name__!r}, not a Recipe: return turnwise.algorithms.Recipe(...) from it"
        )
    return made


def settings(name: str) -> dict[str, Any]:
    """The settings of a recipe and their defaults."""
    return {key: p.default for key, p in inspect.signature(_maker(name)).parameters.items()}


def _maker(name: str) -> Maker:
    if name in BUILT_IN:
        return _load(BUILT_IN[name])
    found = entry_points(group=GROUP, name=name)
    if found:
        return typing.cast(Maker, next(iter(found)).load())
    if ":" in name:
        return _load(name)
    raise unknown("recipe", name, recipe_names())


def _load(path: str) -> Maker:
    module, _, function = path.partition(":")
    try:
        return typing.cast(Maker, getattr(importlib.import_module(module), function))
    except (ImportError, AttributeError) as problem:
        raise ConfigError(
            f"recipe {path!r} cannot be imported ({problem}): give 'package.module:function'"
        ) from problem


def _check(name: str, make: Maker, given: dict[str, Any]) -> None:
    parameters = inspect.signature(make).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return
    hints = typing.get_type_hints(make)
    for key, value in given.items():
        if key not in parameters:
            raise unknown("setting", key, parameters, f"recipe {name!r}")
        if not _fits(value, hints.get(key, Any)):
            wanted = inspect.formatannotation(hints[key]).replace("typing.", "")
            raise ConfigError(f"setting {key!r} of recipe {name!r} must be {wanted}, not {value!r}")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value from a config file is of a hinted type; hints that are not plain are left to
    the recipe.
    """
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
