"""Rates rise, hold and fall as the config says, and each weight has exactly one optimiser."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.training.made_training import gpt2, qwen
from turnwise.training.config import Optimiser
from turnwise.training.optimiser import OptimizerGroup, schedule

SETTINGS = st.builds(
    Optimiser,
    schedule=st.sampled_from(["constant", "linear", "cosine"]),
    final_lr=st.floats(0, 1),
    warmup_steps=st.integers(0, 30),
)


@given(settings=SETTINGS, steps=st.integers(1, 60))
def test_rates_rise_to_the_full_value_and_never_rise_again(settings: Optimiser, steps: int) -> None:
    rates = [schedule(settings, step, steps) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates), "a step with rate 0 is a step for nothing"
    warm = min(settings.warmup_steps, steps)
    assert all(a < b for a, b in pairwise(rates[:warm]))
    assert all(a >= b - 1e-12 for a, b in pairwise(rates[warm:]))
    if steps >= settings.warmup_steps > 0:
        assert rates[settings.warmup_steps - 1] == 1.0


@given(settings=SETTINGS, steps=st.integers(1, 60), beyond=st.integers(0, 5))
def test_rates_end_at_the_final_one(settings: Optimiser, steps: int, beyond: int) -> None:
    end = schedule(settings, steps + settings.warmup_steps + beyond, steps)
    assert end == pytest.approx(1.0 if settings.schedule == "constant" else settings.final_lr)


@pytest.mark.parametrize("name", ["adamw", "muon"])
@pytest.mark.parametrize("tied", [True, False])
def test_every_trainable_weight_has_one_optimiser(name: str, tied: bool) -> None:
    model = qwen(tie_word_embeddings=tied)
    model.model.layers[0].requires_grad_(False)
    group = OptimizerGroup(model, Optimiser(name=name))
    held = [
        id(p)
        for optimiser in group.optimizers
        for group in optimiser.param_groups
        for p in group["params"]
    ]
    assert len(held) == len(set(held))
    assert set(held) == {id(p) for p in model.parameters() if p.requires_grad}


def test_muon_leaves_an_untied_head_and_position_embeddings_to_adamw() -> None:
    for model in (qwen(tie_word_embeddings=False), gpt2()):
        group = OptimizerGroup(model, Optimiser(name="muon"))
        muon = {id(p) for group in group.optimizers[-1].param_groups for p in group["params"]}
        names = {name for name, p in model.named_parameters() if id(p) in muon}
        assert names and not [
            name
            for name in names
            if "embed" in name or "head" in name or "wte" in name or "wpe" in name
        ]
        assert not [name for name in names if "norm" in name or name.endswith("bias")]


def test_muon_with_nothing_but_matrices_needs_no_adamw() -> None:
    model = qwen().requires_grad_(False)
    model.model.layers[0].mlp.up_proj.weight.requires_grad_(True)
    (only,) = OptimizerGroup(model, Optimiser(name="muon")).optimizers
    assert isinstance(only, torch.optim.Muon)


def linear(gradient: float) -> tuple[torch.nn.Linear, torch.Tensor]:
    """A layer with that gradient everywhere, and its weights as they were."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2, bias=False)
    model.weight.grad = torch.full_like(model.weight, gradient)
    return model, model.weight.detach().clone()


def test_the_norm_is_that_before_clipping_and_gradients_are_forgotten() -> None:
    model, _ = linear(2.0)
    assert OptimizerGroup(model, Optimiser(max_grad_norm=0.1)).step(1.0) == pytest.approx(
        2.0 * math.sqrt(6)
    )
    assert model.weight.grad is None


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_leaves_weights_and_moments(bad: float) -> None:
    model, before = linear(bad)
    group = OptimizerGroup(model, Optimiser(lr=0.1))
    assert not math.isfinite(group.step(1.0))
    assert torch.equal(model.weight, before) and not group.state()[0]["state"]
    model.weight.grad = torch.ones_like(before)
    group.step(1.0)
    assert torch.allclose(model.weight, before - 0.1, atol=1e-5), (
        "the step after it is Adam's first"
    )


def test_factors_scale_the_configured_rate_and_do_not_compound() -> None:
    model, before = linear(1.0)
    group = OptimizerGroup(model, Optimiser(lr=0.1, betas=(0.0, 0.0)))
    for factor in (0.5, 0.5):
        model.weight.grad = torch.ones_like(before)
        group.step(factor)
    assert torch.allclose(before - model.weight, torch.full_like(before, 0.1), atol=1e-5)


def test_without_a_rate_nothing_moves() -> None:
    model, before = linear(1.0)
    OptimizerGroup(model, Optimiser(lr=0.1, weight_decay=0.1)).step(0.0)
    assert torch.equal(model.weight, before)
