"""GiGPO: the worked example on SALT's four walks, and properties."""

import pytest

from tests.algorithms.made_batches import group, turn
from tests.algorithms.walks import by_turn, flat, shop, walk
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe

AMONG = [
    [0.462531, 0.5795, 0.35],
    [0.417406, 0.532, 0.3, 0],
    [-0.439969, -0.3705, 0],
    [-0.439969, -0.3705, -0.65, -0.3705, 0],
]


@pytest.mark.parametrize(
    ("unit", "episode"),
    [("trajectory", [0.5, 0.5, -0.5, -0.5]), ("turn", [0.533333, 0.533333, -0.466667, -0.466667])],
)  # fmt: skip
def test_the_worked_example(unit, episode):
    found = by_turn(recipe("gigpo", scale="none", unit=unit), shop())
    wanted = [[e + s for s in steps] for e, steps in zip(episode, AMONG, strict=True)]
    assert flat(found) == pytest.approx(flat(wanted), abs=1e-4)


def test_steps_of_an_anchor_sum_to_zero():
    groups = shop()
    steps = by_turn(recipe("gigpo", scale="none"), groups)
    sums = {}
    for trajectory, values, episode in zip(
        groups[0].trajectories, steps, [0.5, 0.5, -0.5, -0.5], strict=True
    ):
        for act, value in zip(trajectory.turns, values, strict=True):
            sums[act.state] = sums.get(act.state, 0.0) + value - episode
    assert all(abs(total) < 1e-9 for total in sums.values()) and len(sums) > 3


def test_without_the_step_level_it_is_grpo():
    assert by_turn(recipe("gigpo", omega=0.0), shop()) == by_turn(recipe("grpo"), shop())


def test_states_seen_once_add_nothing():
    apart = [
        group(
            *[
                walk([(f"{k}", "a", f"{k}b"), (f"{k}b", "b", f"{k}c")], w)
                for k, w in enumerate([1.0, 0.0, 0.0])
            ]
        )
    ]
    assert by_turn(recipe("gigpo"), apart) == by_turn(recipe("grpo"), apart)


def test_one_step_episodes_from_one_state_count_twice():
    groups = [group(*[walk([("s", "a", f"{k}")], w) for k, w in enumerate([1.0, 0.0, 0.0, 1.0])])]
    found = by_turn(recipe("gigpo", scale="none", gamma=1.0), groups)
    assert flat(found) == pytest.approx([1.0, -1.0, -1.0, 1.0])


def test_the_anchor_may_be_the_text():
    acts = [
        [turn(1, reward, state=f"hidden{k}", observation="the same page")]
        for k, reward in enumerate([1.0, 0.0])
    ]
    assert flat(by_turn(recipe("gigpo", scale="none"), [group(*acts)])) == pytest.approx(
        [0.5, -0.5]
    )
    assert flat(
        by_turn(recipe("gigpo", scale="none", anchor="observation"), [group(*acts)])
    ) == pytest.approx([1.0, -1.0])


@pytest.mark.parametrize(
    "settings",
    [{}, {"scale": "none"}, {"unit": "turn"}, {"lone": "raw"}, {"anchor": "observation"}],
)
def test_holds_what_every_recipe_holds(settings):
    check_recipe(recipe("gigpo", **settings))
