"""Ratios at three levels against worked numbers, together with PPO's clip (ST-PPO's toy)."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.algorithms.made_batches import batch
from turnwise.algorithms.parts.ratio import Ratio, pool
from turnwise.algorithms.parts.surrogate import Clip

LOG_RATIO, ADVANTAGE, TURN = [0.3, -0.1, 0.4, 0.5, 0.1], [1, 1, 1, -0.5, 2], [0, 0, 0, 7, 7]
FULL = {
    "token": (
        [1.349859, 0.904837, 1.491825, 1.648721, 1.105171],
        [1, 0, 1, 0, 0],
        0.938164,
        [0, 0.180967, 0, -0.164872, 0.442068],
    ),
    "turn": (
        [1.221403] * 3 + [1.349859] * 2,
        [1, 1, 1, 0, 1],
        1.065014,
        [0, 0, 0, -0.067493, -0.067493],
    ),
    "trajectory": ([1.271249] * 5, [1, 1, 1, 0, 1], 1.072875, [-0.025425] * 5),
}


def objective(ratio, made):
    """J, its gradient with respect to the log-probabilities, and which tokens clip."""
    term = Clip()(made, ratio(made))
    value = -(made.streams["weight"] * term.value).sum()
    (gradient,) = torch.autograd.grad(value, made.logp)
    return float(value.detach()), gradient.tolist(), term.metrics["clip_share"].tolist()


@pytest.mark.parametrize("level", ["token", "turn", "trajectory"])
def test_toy_of_five_tokens(level):
    made = batch(LOG_RATIO, ADVANTAGE, TURN)
    ratio, clipped, value, gradient = FULL[level]
    assert Ratio(level)(made).exp().tolist() == pytest.approx(ratio, abs=1e-6)
    ours = objective(Ratio(level), made)
    assert ours[0] == pytest.approx(value, abs=1e-6)
    assert ours[1] == pytest.approx(gradient, abs=1e-6)
    assert ours[2] == clipped


def test_own_gradient_has_the_same_value_and_another_gradient():
    made = batch(LOG_RATIO, ADVANTAGE, TURN)
    value, gradient, _ = objective(Ratio("turn", gradient="own"), made)
    assert value == pytest.approx(1.065014, abs=1e-6)
    assert gradient == pytest.approx([0, 0, 0, -0.134986, 0], abs=1e-6)


def test_gradients_agree_where_the_advantage_is_constant_in_a_turn():
    made = batch(LOG_RATIO, [1, 1, 1, -2, -2], TURN)
    assert objective(Ratio("turn"), made)[1] == pytest.approx(
        objective(Ratio("turn", gradient="own"), made)[1]
    )


def test_product_and_geometric_mean_differ():
    made = batch([0.3, -0.1, 0.4], [1, 1, 1], [0, 0, 0])
    assert Ratio("turn", "sum")(made).exp()[0].item() == pytest.approx(1.822119, abs=1e-6)
    assert Ratio("turn", "mean")(made).exp()[0].item() == pytest.approx(1.221403, abs=1e-6)


def test_signs_may_differ_inside_a_turn():
    value, _, clipped = objective(Ratio("turn"), batch([0.4, 0.4], [1, -1], [0, 0]))
    assert clipped == [1, 0] and value == pytest.approx(-0.145912, abs=1e-6)


def test_ratios_are_one_for_an_unchanged_policy():
    for level in FULL:
        value, _, clipped = objective(Ratio(level), batch([0.0] * 5, ADVANTAGE, TURN))
        assert value == pytest.approx(0.9) and clipped == [0] * 5


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=8))
def test_levels_agree_where_units_coincide(values):
    n = len(values)
    alone = batch(values, [1.0] * n, range(n))
    assert torch.equal(Ratio("turn")(alone), Ratio("token")(alone))
    one = batch(values, [1.0] * n, [3] * n)
    assert torch.allclose(Ratio("turn")(one), Ratio("trajectory")(one))


def test_pooling_follows_labels_not_positions():
    made = batch([1.0, 2.0, 3.0, 4.0], [0] * 4, [5, 9, 5, 9], [1, 2, 1, 1])
    assert pool(made.logp, made, "turn").tolist() == [2, 3, 2, 3]
    assert pool(made.logp, made, "trajectory", "sum").tolist() == [8, 2, 8, 8]
    assert pool(made.logp, made, "token").tolist() == [1, 2, 3, 4]


def test_extreme_log_ratios_stay_finite():
    made = batch([500.0, -500.0], [1.0, -1.0])
    assert torch.isfinite(Ratio("token")(made).exp()).all()


def test_what_pooling_requires():
    assert Ratio("token").requirements == frozenset()
    assert Ratio("turn").requirements == {"span:turn"} and Ratio("trajectory").requirements == {
        "span:trajectory"
    }
