"""Recipes by name, by entry point and by import path; and names that are not there."""

import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType
from typing import Literal

import pytest

from turnwise.algorithms import Recipe, recipe, recipe_names, registry, settings
from turnwise.errors import ConfigError


@pytest.fixture
def plugin(monkeypatch):
    """A module of somebody else's."""

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
    point = EntryPoint("theirs", "somebody_elses:mine", registry.GROUP)
    monkeypatch.setattr(
        registry, "entry_points", lambda **query: EntryPoints([point]).select(**query)
    )
    assert "theirs" in recipe_names() and recipe("theirs").name == "rloo"


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
        ("somebody_elses:none", {}, "cannot be imported"),
        (
            "no_such_package:recipe",
            {},
            "'no_such_package:recipe' cannot be imported .*give 'package.module:function'",
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
