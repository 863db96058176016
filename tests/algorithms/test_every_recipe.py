"""The conformance kit on every recipe with its default settings."""

import pytest

from turnwise.algorithms import recipe, recipe_names
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.registry import BUILT_IN

NOT_PLAIN = {
    "turn_ppo": "one ratio a turn: each token has the mean of the turn's advantages, which differ",
    "st_ppo": "as turn_ppo",
}
"""Recipes whose first on-policy step is not weight x advantage x grad log pi per token, and why."""


@pytest.mark.parametrize("name", sorted({*BUILT_IN, *recipe_names()}))
def test_holds_what_every_recipe_holds(name):
    check_recipe(recipe(name), on_policy=name not in NOT_PLAIN)


@pytest.mark.parametrize("name", sorted(NOT_PLAIN))
def test_the_exceptions_are_exceptions(name):
    with pytest.raises(AssertionError, match="not the plain policy gradient"):
        check_recipe(recipe(name))
