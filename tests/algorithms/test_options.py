"""Settings that recipes share: penalties, the success reward, corrections, and who takes them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.algorithms.made_batches import group, turn
from tests.algorithms.walks import by_turn
from turnwise.algorithms import CommonOptions, Recipe, recipe, recipe_names, settings
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.algorithms.options import MISMATCHES, MismatchName, refuses
from turnwise.algorithms.papers import dr_grpo, grpo
from turnwise.algorithms.parts.sampler import Dynamic
from turnwise.errors import ConfigError


def shop():
    """A perfect purchase, a poor one after a malformed reply, none after an inadmissible action."""
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
def test_penalties_and_success_reward_change_returns(given, returns):
    made = recipe("dr_grpo", **given)
    mean = sum(returns) / 3
    assert [own[0] for own in by_turn(made, shop())] == pytest.approx([r - mean for r in returns])


def test_filters_and_samplers_see_the_success_reward():
    """Filters run before shapers, and samplers keep returns: both must see the loss's return."""
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
def test_every_recipe_takes_penalties_and_corrections(name):
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
    assert set(MISMATCHES) == set(MismatchName.__args__)
    for name in ("trajectory_mask", "geometric_veto"):
        check_recipe(recipe("grpo", mismatch=name))
    with pytest.raises(ConfigError, match="correct the same ratio"):
        recipe("grpo", mismatch="token_mask", truncate_mismatch=2.0)
    with pytest.raises(ConfigError, match="'mismatch'"):
        recipe("grpo", mismatch="all")


SETTINGS = json.loads((Path(__file__).parent / "recipe_settings.json").read_text(encoding="utf8"))
"""The settings of every recipe and their defaults before there were `CommonOptions`."""


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_recipe_keeps_its_settings_and_their_defaults(name):
    known = settings(name)
    assert {key: known.get(key, "absent") for key in SETTINGS[name]} == SETTINGS[name]


CHANGES = {
    "kl": 0.1,
    "entropy_bonus": 0.01,
    "aggregate": "turn",
    "drop_equal_groups": True,
    "invalid_penalty": 0.1,
    "success_reward": 2.0,
    "truncate_mismatch": 2.0,
    "mismatch": "token_mask",
}
"""A value for each common option that does something by itself."""


@pytest.mark.parametrize("name", sorted({*recipe_names()}))
@pytest.mark.parametrize("option", CHANGES)
def test_a_common_option_takes_effect_or_is_refused(name, option):
    value = CHANGES[option]
    if option not in settings(name):
        with pytest.raises(ConfigError, match=f"recipe {name!r} does not take '{option}': .*leave"):
            recipe(name, **{option: value})
        return
    if settings(name)[option] == value:
        value = {"turn": "token", True: False}[value]
    assert recipe(name, **{option: value}) != recipe(name)


def narrow(*, width: float = 0.1, common: CommonOptions = CommonOptions(kl=0.5)) -> Recipe:
    """A third-party recipe."""
    return replace(grpo.recipe(clip=width, common=common), name="narrow")


@refuses(mismatch="it samples by itself")
def refusing(*, common: CommonOptions = CommonOptions()) -> Recipe:
    return replace(grpo.recipe(common=common), name="refusing")


def test_a_recipe_function_may_take_common_options():
    path = f"{__name__}:narrow"
    known = settings(path)
    assert list(known)[:2] == ["width", "kl"] and known["kl"] == 0.5 and "common" not in known
    made = recipe(path, width=0.3, entropy_bonus=0.1)
    assert made.surrogate.low == 0.3
    assert [part.coefficient for part in made.regularisers] == [0.5, 0.1]
    with pytest.raises(ConfigError, match=r"unknown setting 'entropy_bonos'.*'entropy_bonus'"):
        recipe(path, entropy_bonos=0.3)
    with pytest.raises(ConfigError, match=r"'kl' .* must be float, not 'much'"):
        recipe(path, kl="much")


def test_a_refused_option_is_refused_by_name_and_by_value():
    path = f"{__name__}:refusing"
    assert "mismatch" not in settings(path) and recipe(path, kl=0.1).name == "refusing"
    with pytest.raises(ConfigError, match="does not take 'mismatch': it samples by itself"):
        recipe(path, mismatch=None)
    with pytest.raises(ConfigError, match="recipe 'refusing' does not take 'mismatch'"):
        refusing(common=CommonOptions(mismatch="token_mask"))
    with pytest.raises(ConfigError, match="recipe 'dr_grpo' does not take 'aggregate'"):
        dr_grpo.recipe(common=CommonOptions(aggregate="token"))
    with pytest.raises(ConfigError, match=r"unknown setting 'mismach'.*: did you mean"):
        recipe(path, mismach="token_mask")


def test_the_mean_of_an_agent_is_over_tokens_or_turns():
    with pytest.raises(ConfigError, match="set aggregate to 'token' or 'turn'"):
        recipe("dr_mas", aggregate="trajectory")
    assert recipe("dr_mas", aggregate="trajectory", per_agent=False).aggregate.over == "trajectory"


def test_the_documented_recipe_takes_common_options(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "algorithms.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf8"), re.S)
    code = "\n".join(block for block in blocks if "ClippedWeight" in block)
    (tmp_path / "documented_options.py").write_text(code, encoding="utf8")
    monkeypatch.syspath_prepend(tmp_path)
    made = recipe("documented_options:recipe", cap=4.0, kl=0.1)
    assert made.surrogate.cap == 4.0 and made.regularisers[0].coefficient == 0.1
    assert settings("documented_options:recipe")["aggregate"] == "token"
    check_recipe(made)
