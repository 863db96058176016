"""Regularisers and mismatch corrections against hand-worked numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.algorithms.made_batches import batch
from turnwise.algorithms.options import MISMATCHES
from turnwise.algorithms.parts.mismatch import Mismatch
from turnwise.algorithms.parts.regularisers import KL, EntropyBonus, divergence
from turnwise.errors import ConfigError


def test_entropy_is_rewarded():
    made = batch([0.0, 0.0], [1, 1], entropy=torch.tensor([0.5, 1.5]).double())
    term = EntropyBonus(0.1)(made)
    assert term.value.tolist() == pytest.approx([-0.05, -0.15]) and term.metrics[
        "entropy"
    ].tolist() == [0.5, 1.5]


def test_a_controller_scales_a_coefficient():
    made = batch(
        [0.0], [1], entropy=torch.tensor([2.0]).double(), ref_logp=torch.tensor([-1.0]).double()
    )
    made = replace(made, scalars={"warm": 0.5})
    assert EntropyBonus(0.1, scale="warm")(made).value.tolist() == pytest.approx([-0.1])
    assert EntropyBonus(0.1, scale="cold")(made).value.tolist() == pytest.approx([-0.2])
    assert KL(0.1, "k1", scale="warm")(made).value.tolist() == pytest.approx([0.05])


@pytest.mark.parametrize(("estimator", "value"), [("k1", 0.4), ("k2", 0.08), ("k3", 0.070320)])
def test_divergence_by_hand(estimator, value):
    # log pi - log pi_ref = 0.4; k3 = e^-0.4 - 1 + 0.4
    made = batch([-1.0], [1], ref_logp=torch.tensor([-1.4]).double())
    term = KL(2.0, estimator)(made)
    assert float(term.value.detach()) == pytest.approx(2 * value, abs=1e-6)
    assert float(term.metrics["kl_ref"]) == pytest.approx(value, abs=1e-6)


@given(st.integers(0, 1000))
def test_k1_and_k3_are_unbiased_and_the_gradient_of_k2_is_the_divergences(seed):
    """Summed over a whole distribution instead of sampled, so the statements are exact."""
    rng = torch.Generator().manual_seed(seed)
    logits = torch.randn(5, generator=rng, dtype=torch.float64, requires_grad=True)
    p, q = (
        logits.log_softmax(-1),
        torch.randn(5, generator=rng, dtype=torch.float64).log_softmax(-1),
    )
    exact = (p.exp() * (p - q)).sum()
    for estimator in ("k1", "k3"):
        assert torch.allclose((p.exp() * divergence(q - p, estimator)).sum(), exact, atol=1e-12)
    (wanted,) = torch.autograd.grad(exact, logits, retain_graph=True)
    (through_k2,) = torch.autograd.grad(
        (p.exp().detach() * divergence(q - p, "k2")).sum(), logits, retain_graph=True
    )
    assert torch.allclose(through_k2, wanted)
    (through_k1,) = torch.autograd.grad((p.exp().detach() * divergence(q - p, "k1")).sum(), logits)
    assert through_k1.abs().max() < 1e-12, (
        "k1's gradient has mean zero, which is why it is not the default"
    )
    assert bool((divergence(q - p, "k3") >= 0).all())


def engine(ratios, turns=None):
    """A batch in which pi_old / pi_rollout is `ratios`."""
    made = batch([0.3] * len(ratios), [1.0] * len(ratios), turns)
    return replace(made, rollout_logp=-torch.tensor(ratios).double().log())


@pytest.mark.parametrize(
    ("part", "expected", "hit"),
    [
        (Mismatch("truncate", high=2.0), [0.5, 1.0, 2.0, 2.0], [0, 0, 0, 1]),
        (Mismatch("mask", high=2.5, low=0.8), [0.0, 1.0, 2.0, 0.0], [1, 0, 0, 1]),
        (Mismatch("truncate", high=1.5, level="turn"), [0.5**0.5] * 2 + [1.5] * 2, [0, 0, 1, 1]),
        (Mismatch("mask", high=9, level="turn", pooling="sum"), [0.5, 0.5, 8, 8], [0, 0, 0, 0]),
        (Mismatch("truncate", high=9, level="trajectory", pooling="sum"), [4.0] * 4, [0, 0, 0, 0]),
    ],
)
def test_mismatch_by_hand(part, expected, hit):
    term = part(engine([0.5, 1.0, 2.0, 4.0], [0, 0, 1, 1]))
    assert term.value.tolist() == pytest.approx(expected) and not term.value.requires_grad
    assert term.metrics["mismatch_share"].tolist() == hit
    assert term.metrics["mismatch_weight"].tolist() == pytest.approx(expected)


def test_an_exact_engine_needs_no_correction():
    term = Mismatch()(engine([1.0, 1.0]))
    assert term.value.tolist() == [1, 1] and term.metrics["mismatch_kl"].tolist() == [0, 0]


def test_empty_bounds_are_refused():
    with pytest.raises(ConfigError, match="mismatch bounds"):
        Mismatch("mask", high=0.5, low=0.5)


def test_rejection_has_weight_one_and_a_veto_excludes_a_trajectory():
    """KernelGYM's: the geometric mean of a trajectory's ratios is near 1, and no token's ratio is
    tiny.
    """
    gaps = [0.0005, 0.0003, 0.02, -0.02, 10.0, -10.0]
    made = replace(
        batch([0.0] * 6, [1.0] * 6, range(6), [0, 0, 1, 1, 2, 2]),
        rollout_logp=-torch.tensor(gaps).double(),
    )
    both = MISMATCHES["geometric_veto"](made)
    assert both.value.tolist() == [1, 1, 1, 1, 0, 0]
    assert both.metrics["mismatch_share"].tolist() == [0, 0, 0, 0, 1, 1]
    assert replace(MISMATCHES["geometric_veto"], veto=None)(made).value.tolist() == [1] * 6
    assert Mismatch("mask", 1.0005, 0.999, "trajectory")(made).value.tolist() == pytest.approx(
        [np.exp(0.0004)] * 2 + [1.0] * 4
    )
    assert Mismatch("reject", 1.0001, 0.999, "trajectory")(made).value.tolist() == [
        0,
        0,
        1,
        1,
        1,
        1,
    ]
    assert Mismatch(veto=0.5).requirements == {"span:trajectory"} and not Mismatch().requirements
    with pytest.raises(ConfigError, match="veto"):
        Mismatch(veto=1.5)
