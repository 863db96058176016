"""Token weights: hand-worked numbers and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.algorithms.made_batches import group, turn
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.algorithms.parts.aggregate import Fixed, Mean
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError

shapes = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4), min_size=1, max_size=5)


def ledger_with(shape):
    return credit_batch_of([group(*[[turn(n) for n in turns] for turns in shape])], {"env": 1.0})


def weights(part, batch):
    return part(batch, Reducer()).tokens["weight"]


def test_by_hand():
    batch = ledger_with([[2, 1], [1]])
    assert weights(Mean("token"), batch).tolist() == [1 / 4] * 4
    assert weights(Mean("turn"), batch) == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 3])
    assert weights(Mean("trajectory"), batch) == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    assert weights(Fixed(10), batch) == pytest.approx([1 / 20] * 4)


def test_masked_tokens_leave_numerator_and_denominator():
    batch = ledger_with([[2, 1], [1], [3]]).mask_tokens(
        np.array([True, False, True, True, False, False, False])
    )
    assert weights(Mean("token"), batch) == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3, 0, 0, 0])
    assert weights(Mean("turn"), batch) == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3, 0, 0, 0])
    assert weights(Mean("trajectory"), batch) == pytest.approx([1 / 4, 0, 1 / 4, 1 / 2, 0, 0, 0])
    assert weights(Fixed(5), batch) == pytest.approx([1 / 10, 0, 1 / 10, 1 / 10, 0, 0, 0])


@given(shapes, st.sampled_from(["token", "turn", "trajectory"]))
def test_weights_sum_to_one_and_are_equal_over_units(shape, over):
    batch = ledger_with(shape)
    weight = weights(Mean(over), batch)
    if not len(weight):
        return
    assert np.sum(weight) == pytest.approx(1)
    unit = {
        "token": np.arange(len(weight)),
        "turn": batch.turn_of,
        "trajectory": batch.owner[batch.turn_of],
    }[over]
    shares = [weight[unit == u].sum() for u in np.unique(unit)]
    assert shares == pytest.approx([shares[0]] * len(shares))


@given(shapes)
def test_fixed_weights_write_their_sum_as_mass(shape):
    done = Fixed(7)(ledger_with(shape), Reducer())
    assert np.allclose(done.tokens["mass"], done.tokens["weight"].sum())


@pytest.mark.parametrize("part", [Mean("token"), Mean("turn"), Mean("trajectory"), Fixed(3)])
def test_a_batch_in_which_nothing_is_trained_has_no_weight_and_no_nan(part):
    batch = ledger_with([[2], [1]])
    assert weights(part, batch.mask_tokens(np.zeros(3, dtype=bool))).tolist() == [0, 0, 0]
    assert weights(part, credit_batch_of([], {"env": 1.0})).tolist() == []


def test_a_length_of_zero_is_refused():
    with pytest.raises(ConfigError, match="length = 0 must be at least 1"):
        Fixed(0)
