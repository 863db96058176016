"""Clipping rules, token by token."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.algorithms.made_batches import batch
from turnwise.algorithms.parts.surrogate import Clip, LogLikelihood, Unclipped
from turnwise.errors import ConfigError


def at(surrogate, ratio, advantage):
    """Objective and its gradient with respect to log pi, for one token."""
    made = batch([float(torch.tensor(ratio).double().log())], [advantage])
    value = -surrogate(made, made.logp - made.old_logp).value.sum()
    return float(value.detach()), float(torch.autograd.grad(value, made.logp)[0])


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "gradient"),
    [
        (0.5, 1, 0.5, 0.5), (1.19, 1, 1.19, 1.19), (1.21, 1, 1.2, 0), (5, 1, 1.2, 0),
        (0.5, -1, -0.8, 0), (0.81, -1, -0.81, -0.81), (1.5, -1, -1.5, -1.5), (3.1, -1, -3.0, 0),
        (1, 2, 2, 2), (3.1, 0, 0, 0),
    ],
)  # fmt: skip
def test_clip_with_dual_clip_by_hand(ratio, advantage, value, gradient):
    assert at(Clip(dual=3.0), ratio, advantage) == pytest.approx((value, gradient), abs=1e-6)


def test_low_and_high_are_separate():
    assert at(Clip(0.2, 0.28), 1.27, 1) == pytest.approx((1.27, 1.27), abs=1e-6)
    assert at(Clip(0.2, 0.28), 1.29, 1) == pytest.approx((1.28, 0), abs=1e-6)
    assert at(Clip(0.3, 0.2), 0.75, -1) == pytest.approx((-0.75, -0.75), abs=1e-6)


def test_clip_shares_count_tokens_without_gradient():
    ratios = torch.tensor([1.3, 1.3, 0.7, 0.7, 4.0, 1.0]).double().log().tolist()
    made = batch(ratios, [1.0, -1.0, 1.0, -1.0, -1.0, 1.0])
    metrics = Clip(dual=3.0)(made, made.logp).metrics
    assert metrics["clip_share"].tolist() == [1, 0, 0, 1, 0, 0]
    assert metrics["dual_clip_share"].tolist() == [0, 0, 0, 0, 1, 0]
    assert "dual_clip_share" not in Clip()(made, made.logp).metrics


@given(st.floats(-1.5, 1.5), st.floats(-3, 3), st.floats(0.01, 0.9), st.floats(0.01, 2))
def test_clip_is_the_pessimistic_of_two(log_ratio, advantage, low, high):
    made = batch([log_ratio], [advantage])
    w = float(made.logp.detach().exp())
    expected = min(w * advantage, min(max(w, 1 - low), 1 + high) * advantage)
    assert float(-Clip(low, high)(made, made.logp).value.detach()) == pytest.approx(
        expected, abs=1e-9
    )


def test_plain_forms():
    assert at(Unclipped(), 5.0, -2) == pytest.approx((-10, -10))
    made = batch([-0.7], [3.0])
    assert float(LogLikelihood()(made, made.logp).value.detach()) == pytest.approx(2.1)


@pytest.mark.parametrize("wrong", [{"low": -0.1}, {"low": 1.5}, {"high": -1.0}, {"dual": 1.0}])
def test_an_empty_clip_range_is_refused(wrong):
    with pytest.raises(ConfigError, match="clip"):
        Clip(**wrong)
