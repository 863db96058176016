"""SimpleTIR: which tokens are trained, and which rewards count."""

import pytest

from tests.algorithms.made_batches import group, turn
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe
from turnwise.errors import ConfigError


def four(third=("void",)):
    return [
        group(
            [turn(2), turn(1, 1.0)], [turn(1)], [turn(1), turn(3, 0.0, tags=third)], [turn(1, 1.0)]
        )
    ]


def advantages(streams):
    return {uid: float(own["advantage"][0][0]) for uid, own in streams.items()}


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, {"g0": 0.866024, "g1": -0.866024, "g3": 0.866024}),
        ({"ddof": 0}, {"g0": 1.0, "g1": -1.0, "g3": 1.0}),
        ({"mode": "drop_before"}, {"g0": 0.577350, "g1": -1.154701, "g3": 0.577350}),
        ({"mode": "drop_before", "ddof": 0}, {"g0": 0.707107, "g1": -1.414214, "g3": 0.707107}),
    ],
)
def test_both_readings(settings, wanted):
    assert advantages(recipe("simpletir", **settings).credit(four())) == pytest.approx(
        wanted, abs=1e-5
    )


def test_the_mean_is_over_kept_tokens():
    streams = recipe("simpletir").credit(four())
    assert [float(w) for own in streams.values() for turn_ in own["weight"] for w in turn_] == [
        1 / 5
    ] * 5


def test_without_void_turns_it_is_grpo_over_tokens():
    plain = recipe("grpo", aggregate="token", clip_high=0.28, dual_clip=3.0).credit(
        four(third=("code",))
    )
    found = recipe("simpletir").credit(four(third=("code",)))
    assert advantages(found) == advantages(plain) and found.keys() == plain.keys()


def test_all_void_gives_no_streams():
    assert (
        recipe("simpletir").credit(
            [group([turn(1, 1.0, tags=("void",))], [turn(1, tags=("void",))])]
        )
        == {}
    )


def test_groups_outside_the_accuracy_interval_are_dropped():
    easy = group(*[[turn(1, 1.0)]] * 9, [turn(1)], uid="easy")
    hard = group([turn(1, 1.0)], [turn(1)], uid="hard")
    assert {uid[:4] for uid in recipe("simpletir", accuracy=[0.1, 0.8]).credit([easy, hard])} == {
        "hard"
    }
    made = recipe("simpletir", accuracy=[0.1, 0.8], oversample=3.0)
    assert made.sampler.missing([easy, hard], 5) == 4
    with pytest.raises(ConfigError, match=r"accuracy = \[0.9, 0.1\]"):
        recipe("simpletir", accuracy=[0.9, 0.1])


@pytest.mark.parametrize(
    "settings", [{}, {"mode": "drop_before"}, {"drop_truncated": True}, {"accuracy": [0.0, 0.9]}]
)
def test_holds_what_every_recipe_holds(settings):
    check_recipe(recipe("simpletir", **settings))
