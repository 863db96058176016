"""Settings that recipes share: which turns are penalised, what a success counts, which correction
is taken.
"""

import inspect
from dataclasses import replace
from typing import Any

import pytest

from tests.algorithms.made_batches import group, turn
from tests.algorithms.walks import by_turn
from turnwise.algorithms import Recipe, recipe, recipe_names, settings
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.algorithms.options import MISMATCHES, MismatchRule, extends
from turnwise.algorithms.papers import grpo
from turnwise.algorithms.parts.sampler import Dynamic
from turnwise.errors import ConfigError


def shop():
    """A perfect purchase, a poor one after a malformed reply, and none after an act that the shop
    did not know.
    """
    poor = [turn(1, valid=False, tags=("malformed",)), turn(1, 0.4)]
    return [group([turn(1, 1.0)], poor, [turn(1, valid=False), turn(1)])]


@pytest.mark.parametrize(
    ("given", "returns"),
    [
        ({}, [1.0, 0.4, 0.0]),
        ({"invalid_penalty": 0.1}, [1.0, 0.3, -0.1]),
        ({"invalid_penalty": 0.1, "invalid_rule": "malformed"}, [1.0, 0.3, 0.0]),
        ({"success_reward": 10.0}, [10.0, 0.0, 0.0]),
        (
            {"success_reward": 10.0, "invalid_penalty": 0.1, "invalid_rule": "malformed"},
            [10.0, -0.1, 0.0],
        ),
    ],
)
def test_what_a_trajectory_earns(given, returns):
    made = recipe("dr_grpo", **given)
    mean = sum(returns) / 3
    assert [own[0] for own in by_turn(made, shop())] == pytest.approx([r - mean for r in returns])


def test_a_success_is_known_before_any_part_runs():
    """Filters come before shapers, and the sampler remembers returns: both must see what the loss
    will see.
    """
    made = recipe("grpo", success_reward=10.0, drop_equal_groups=True)
    assert set(made.credit(shop())) == {"g0", "g1", "g2"}
    partial = [group([turn(1, 0.2)], [turn(1, 0.7)])]
    assert made.credit(partial) == {} and recipe("grpo", drop_equal_groups=True).credit(partial)
    assert [t.reward(made.rewards) for t in shop()[0].trajectories] == [10.0, 0.0, 0.0]
    batch = credit_batch_of(shop(), made.rewards)
    assert batch.rewards["success"].tolist() == [
        1.0,
        0.0,
        0.0,
        0.0,
        0.0,
    ] and batch.returns.tolist() == [10.0, 0.0, 0.0]
    for name in ("dapo", "simpletir"):
        assert recipe(name, success_reward=10.0).sampler.missing(partial, 1) == 1
    assert Dynamic().missing(partial, 1) == 0


OWN_CORRECTION = {"sft", "vcpo"}
"""sft has no rewards and no ratio; vcpo's correction is the paper."""


@pytest.mark.parametrize("name", sorted({*OWN_CORRECTION, *recipe_names()} - OWN_CORRECTION))
def test_every_recipe_offers_them_in_one_way(name):
    known = settings(name)
    wanted = {
        "invalid_penalty": 0.0,
        "invalid_rule": "invalid",
        "success_reward": None,
        "truncate_mismatch": None,
        "mismatch": None,
    }
    assert {key: known.get(key, "absent") for key in wanted} == wanted
    changed = recipe(
        name,
        success_reward=2.0,
        invalid_penalty=0.1,
        invalid_rule="malformed",
        mismatch="token_mask",
    )
    assert (
        changed.rewards["success"] == 2.0
        and "env" not in changed.rewards
        and changed.mismatch == MISMATCHES["token_mask"]
    )


def test_corrections_have_names():
    assert set(MISMATCHES) == set(MismatchRule.__args__)
    for name in ("trajectory_mask", "geometric_veto"):
        check_recipe(recipe("grpo", mismatch=name))
    with pytest.raises(ConfigError, match="two corrections"):
        recipe("grpo", mismatch="token_mask", truncate_mismatch=2.0)
    with pytest.raises(ConfigError, match="'mismatch'"):
        recipe("grpo", mismatch="all")


@extends(grpo.recipe, without=("clip_high",))
def narrow(width: float = 0.1, ddof: int = 0, **shared: Any) -> Recipe:
    return replace(grpo.recipe(width, ddof=ddof, **shared), name="narrow")


def test_a_recipe_that_extends_another_has_its_settings(monkeypatch):
    path = f"{__name__}:narrow"
    known = settings(path)
    assert (
        list(known)[:2] == ["width", "ddof"]
        and known["ddof"] == 0
        and known["kl"] == 0.0
        and "clip_high" not in known
    )
    assert recipe(path, width=0.3, kl=0.1).surrogate.low == 0.3
    with pytest.raises(ConfigError, match="clip_hig"):
        recipe(path, clip_high=0.3)
    with pytest.raises(ConfigError, match="'kl'"):
        recipe(path, kl="much")
    assert inspect.signature(narrow).return_annotation is Recipe
