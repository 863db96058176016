"""EMPG: the worked example, its invariants, and groups of equal returns."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.algorithms.made_batches import group, turn
from tests.algorithms.walks import flat
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.algorithms.papers.empg import EntropyModulation
from turnwise.algorithms.reducer import Reducer


def modulated(advantages, entropies, **settings):
    """Return the modulated advantages by trajectory, for one-token steps with these entropies."""
    groups = [group(*[[turn(1, entropies=(h,)) for h in own] for own in entropies])]
    batch = credit_batch_of(groups, {"env": 1.0})
    batch = batch.write(advantage=batch.spread(np.array(advantages)[batch.owner]))
    found = EntropyModulation(**{"zeta": 0.1, **settings})(batch, Reducer()).tokens["advantage"]
    return [found[batch.owner == i].tolist() for i in range(len(advantages))]


STEPS = [[0.2, 0.6, 1.0], [0.4, 0.8]]


@pytest.mark.parametrize(
    ("zeta", "wanted"),
    [
        (0.1, [1.357606, 0.723820, 0.317097, -1.413147, -0.985377]),
        (0.05, [1.341748, 0.719894, 0.331565, -1.422298, -0.970909]),
    ],
)
def test_the_worked_example(zeta, wanted):
    assert flat(modulated([1.0, -1.0], STEPS, zeta=zeta)) == pytest.approx(wanted, abs=1e-5)


def test_equal_entropies():
    found = modulated([1.0, -1.0], [[0.7] * 3, [0.7] * 2])
    assert flat(found) == pytest.approx([0.84, 0.84, 0.74, -1.16, -1.26], abs=1e-6)


def test_no_bonus_crosses_trajectories():
    assert flat(modulated([1.0, -1.0], [[0.2], [0.8]])) == pytest.approx(
        [1.462117 - 0.462117, -0.537883 - 0.462117], abs=1e-5
    )


def test_equal_groups_get_the_bonus_unless_dropped():
    assert flat(modulated([0.0, 0.0], STEPS)) == pytest.approx(
        [0.031718, 0.007852, -0.028936, 0.018301, -0.028936], abs=1e-5
    )
    alike = group(*[[turn(1, entropies=(h,)) for h in own] for own in STEPS], uid="alike")
    mixed = group([turn(1, 1.0, entropies=(0.3,))], [turn(1, 0.0, entropies=(0.5,))], uid="mixed")
    assert set(recipe("empg").credit([alike, mixed])) == {"alike0", "alike1", "mixed0", "mixed1"}
    for zeroed in (recipe("empg", equal_groups="zero"), recipe("empg", base="dapo")):
        assert set(zeroed.credit([alike, mixed])) == {"mixed0", "mixed1"}


def test_what_k_and_zeta_do():
    plain = modulated([1.0, -1.0], STEPS, k=0.0, zeta=0.0)
    assert flat(plain) == pytest.approx(np.array([1.0, 1, 1, -1, -1]) - 0.2)
    sharp = modulated([1.0, 1.0], STEPS, zeta=0.0)
    uncentred = np.array(flat(sharp)) + 1.0  # the mean of g is 1
    assert uncentred.max() / uncentred.min() == pytest.approx(np.e, rel=1e-6)


@given(
    st.lists(st.lists(st.floats(0.0, 3.0), min_size=1, max_size=4), min_size=1, max_size=4),
    st.floats(0.5, 3.0),
    st.floats(-1.0, 1.0),
)
def test_any_entropies(entropies, factor, offset):
    advantages = [(-1.0) ** i for i in range(len(entropies))]
    found = flat(modulated(advantages, entropies))
    assert np.mean(found) == pytest.approx(0.0, abs=1e-9)
    if max(flat(entropies)) - min(flat(entropies)) > 1e-3:
        moved = [[factor * h + offset for h in own] for own in entropies]
        assert flat(modulated(advantages, moved)) == pytest.approx(found, abs=1e-3)


def test_a_step_has_the_mean_entropy_of_its_tokens():
    one = [group([turn(2, entropies=(0.1, 0.3))], [replace(turn(1, 1.0), entropies=(1.0,))])]
    two = [group([turn(1, entropies=(0.2,))], [replace(turn(1, 1.0), entropies=(1.0,))])]
    found = [recipe("empg").credit(groups)["g0"]["advantage"][0][0] for groups in (one, two)]
    assert found[0] == pytest.approx(found[1])


@pytest.mark.parametrize(
    "settings", [{}, {"base": "dapo"}, {"equal_groups": "zero"}, {"zeta": 0.0}]
)
def test_holds_what_every_recipe_holds(settings):
    check_recipe(recipe("empg", **settings))
