"""Recipes by name, registration, entry point and import path; and unknown names."""

import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType
from typing import Literal

import pytest

from turnwise import plugins
from turnwise.algorithms import (
    Recipe,
    recipe,
    recipe_names,
    register_recipe,
    registry,
    settings,
)
from turnwise.algorithms.registry import BUILT_IN
from turnwise.errors import ConfigError
from turnwise.plugins import Registry


@pytest.fixture
def plugin(monkeypatch):
    """A third-party module."""

    def mine(
        depth: int = 2, mode: Literal["a", "b"] = "a", cap: float | None = None, flag: bool = False
    ) -> Recipe:
        return recipe("rloo", lone="raw" if flag else "zero")

    module = ModuleType("somebody_elses")
    module.mine, module.wrong = mine, lambda: 3
    monkeypatch.setitem(sys.modules, "somebody_elses", module)
    return module


@pytest.mark.parametrize("name", ["grpo", "reinforce", "rloo", "sft"])
def test_built_in_recipes_carry_their_name(name):
    assert name in recipe_names() and recipe(name).name == name
    assert "kl" in settings(name)


def test_an_import_path_is_a_name(plugin):
    assert recipe("somebody_elses:mine", flag=True).advantage.lone == "raw"


def test_an_installed_package_may_announce_recipes(plugin, monkeypatch):
    point = EntryPoint("theirs", "somebody_elses:mine", "turnwise.algorithms")
    monkeypatch.setattr(
        plugins, "entry_points", lambda **query: EntryPoints([point]).select(**query)
    )
    assert "theirs" in recipe_names() and recipe("theirs").name == "rloo"


def test_a_recipe_may_be_registered_from_python(plugin, monkeypatch):
    monkeypatch.setattr(registry, "RECIPES", Registry("recipe", "turnwise.algorithms", BUILT_IN))
    register_recipe("mine", plugin.mine)
    register_recipe("by_path", "somebody_elses:mine")
    assert {"mine", "by_path"} <= {*recipe_names()} and "depth" in settings("mine")
    assert recipe("mine", flag=True).advantage.lone == recipe("by_path", flag=True).advantage.lone
    with pytest.raises(ConfigError, match="recipe 'grpo' is registered already"):
        register_recipe("grpo", plugin.mine)


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("gpro", {}, "unknown recipe 'gpro': did you mean 'g"),
        ("grpo", {"clp": 0.1}, "unknown setting 'clp' in recipe 'grpo': did you mean 'clip'"),
        ("grpo", {"clip": "0.1"}, "setting 'clip' of recipe 'grpo' must be float, not '0.1'"),
        ("grpo", {"clip": True}, "setting 'clip' .* must be float, not True"),
        ("grpo", {"ddof": 1.0}, "setting 'ddof' .* must be int"),
        (
            "grpo",
            {"aggregate": "tokens"},
            "setting 'aggregate' .* must be .*'token', 'turn', 'trajectory'.*not 'tokens'",
        ),
        ("somebody_elses:mine", {"cap": "x"}, "setting 'cap' .* must be float | None"),
        ("somebody_elses:none", {}, "unknown name 'none' in module 'somebody_elses'"),
        (
            "no_such_package:recipe",
            {},
            "recipe 'no_such_package:recipe': there is no module 'no_such_package' to import",
        ),
        ("somebody_elses:wrong", {}, "made 'int', not a Recipe"),
    ],
)
def test_mistakes_are_named(plugin, name, given, sentence):
    with pytest.raises(ConfigError, match=sentence):
        recipe(name, **given)


def test_whole_numbers_are_numbers(plugin):
    assert recipe("grpo", kl=1).regularisers[0].coefficient == 1
    recipe("somebody_elses:mine", depth=3, mode="b", cap=None)
