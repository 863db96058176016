"""The ST-PPO family: the worked toy at every level, the correction's size and when it acts, and
what the four share.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.algorithms.made_batches import batch, group, turn
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.papers.st_ppo import CorrectedClip
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.errors import ConfigError

FAMILY = {"ppo": "token", "turn_ppo": "turn", "s_ppo": "token", "st_ppo": "turn"}


def toy(**changes):
    """Five policy tokens in two turns (the sixth of the description is the environment's and is not
    in a batch).
    """
    return batch([0.3, -0.1, 0.4, 0.5, 0.1], [1, 1, 1, -0.5, 2], [0, 0, 0, 7, 7], **changes)


@pytest.mark.parametrize(
    ("made", "objective", "gradient", "clipped"),
    [
        (recipe("ppo"), 0.938164, [0, 0.180967, 0, -0.164872, 0.442068], 0.4),
        (recipe("turn_ppo"), 1.065014, [0, 0, 0, -0.067493, -0.067493], 0.8),
        (recipe("ppo", ratio="trajectory"), 1.072875, [-0.025425] * 5, 0.8),
        (
            recipe("st_ppo", bias="none", ratio_gradient="own"),
            1.065014,
            [0, 0, 0, -0.134986, 0],
            0.8,
        ),
    ],
    ids=["token", "turn", "sequence", "detached"],
)
def test_the_worked_toy(made, objective, gradient, clipped):
    b = toy()
    loss, metrics = replace(made, critic=None).loss(b)
    assert float(loss.detach()) == pytest.approx(-objective, abs=1e-6)
    found = torch.autograd.grad(loss, b.logp)[0]
    assert found.tolist() == pytest.approx([-g for g in gradient], abs=1e-6)
    assert float(metrics["clip_share"]) == pytest.approx(clipped)


@pytest.mark.parametrize(
    ("level", "norm"), [("token", 0.402376), ("turn", 0.569902), ("trajectory", 0.568520)]
)
def test_the_clipping_bias_of_the_toy(level, norm):
    made = replace(recipe("st_ppo", ratio=level), critic=None)
    b = toy()
    _, metrics = made.loss(b)
    assert float(metrics["clip_bias_norm"]) == pytest.approx(norm, abs=1e-6)
    assert float(metrics["clip_bias_scale"]) == 1.0
    (bias,) = torch.autograd.grad(made.probe(b), b.logp)
    assert float(bias.norm()) == pytest.approx(norm, abs=1e-6)
    unclipped = (b.streams["weight"] * Ratio(level)(b).exp() * b.streams["advantage"]).sum()
    (free,) = torch.autograd.grad(unclipped, b.logp, retain_graph=True)
    plain, _ = replace(made, surrogate=Clip()).loss(b)
    assert torch.allclose(
        torch.autograd.grad(-plain, b.logp)[0], free - bias, atol=1e-12
    )  # lemma 4.2


@pytest.mark.parametrize(("size", "scale"), [(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (4.0, 0.25)])
def test_the_scale_has_a_floor(size, scale):
    made = replace(recipe("st_ppo"), critic=None)
    b = toy()
    b = replace(b, scalars={"probe_norm": size})
    loss, metrics = made.loss(b)
    plain, _ = replace(recipe("turn_ppo"), critic=None).loss(b)
    assert float(metrics["clip_bias_scale"]) == pytest.approx(scale)
    gradient = torch.autograd.grad(loss, b.logp)[0]
    assert torch.allclose(gradient, scale * torch.autograd.grad(plain, b.logp)[0])


def test_ratios_of_a_turn():
    b = batch([0.3, -0.1, 0.4], [1, 1, 1], [0, 0, 0])
    assert float(Ratio("turn")(b).exp()[0].detach()) == pytest.approx(1.221403, abs=1e-6)
    assert float(Ratio("turn", "sum")(b).exp()[0].detach()) == pytest.approx(1.822119, abs=1e-6)


def test_clipping_acts_by_token_inside_a_turn():
    b = batch([0.4, 0.4], [1, -1], [0, 0])
    loss, metrics = replace(recipe("turn_ppo"), critic=None).loss(b)
    assert (
        float(loss.detach()) == pytest.approx(0.145912, abs=1e-6)
        and float(metrics["clip_share"]) == 0.5
    )


def test_each_trajectory_has_its_own_scale():
    b = batch([1.0, 1.0, 0.0], [1, 1, 1], [0, 0, 1], [0, 0, 1])
    made = replace(recipe("s_ppo", bias="coefficient", scope="trajectory"), critic=None)
    _, metrics = made.loss(b)
    assert float(metrics["clip_bias_norm"]) == pytest.approx(2 / 3 * np.e)
    assert float(metrics["clip_bias_scale"]) == pytest.approx((2 / np.e + 1) / 3)
    with pytest.raises(ConfigError, match="of a trajectory cannot be measured"):
        recipe("s_ppo", scope="trajectory")


def test_where_turns_are_single_tokens_or_all_levels_agree():
    single = batch([0.3, -0.4], [1, -1], [0, 1])
    assert torch.equal(Ratio("turn")(single), Ratio("token")(single))
    whole = batch([0.3, -0.4], [1, -1], [3, 3])
    assert torch.equal(Ratio("turn")(whole), Ratio("trajectory")(whole))


def test_on_policy_nothing_clips_and_all_four_agree():
    values = []
    for name in FAMILY:
        b = batch([0.0] * 5, [1, 1, 1, -0.5, 2], [0, 0, 0, 7, 7])
        loss, metrics = replace(recipe(name), critic=None).loss(b)
        assert (
            float(metrics["clip_share"]) == 0.0
            and float(metrics.get("clip_bias_scale", torch.ones(()))) == 1.0
        )
        values.append(float(loss.detach()))
    assert values == pytest.approx([-0.9] * 4)


def test_credit_is_gae():
    groups = [group([turn(2), turn(1, 1.0)], [turn(1)])]
    value = {"g0": {"value": [[0.5, 0.4], [0.2]]}, "g1": {"value": [[0.3]]}}
    streams = recipe("st_ppo", whiten=False, gamma=0.9, lam=0.8).credit(groups, None, value)
    last = 1.0 - 0.2
    second = 0.9 * 0.2 - 0.4 + 0.72 * last
    first = 0.9 * 0.4 - 0.5 + 0.72 * second
    assert np.concatenate(streams["g0"]["advantage"]) == pytest.approx([first, second, last])
    assert np.concatenate(streams["g0"]["returns"]) == pytest.approx(
        [first + 0.5, second + 0.4, 1.0]
    )
    assert streams["g1"]["advantage"][0].tolist() == pytest.approx([-0.3])


def test_gae_over_turns():
    groups = [group([turn(2), turn(1, 1.0)], [turn(1)])]
    value = {"g0": {"value": [[0.5, 0.4], [0.2]]}, "g1": {"value": [[0.3]]}}
    streams = recipe("st_ppo", whiten=False, gae="turn", gamma=0.9, lam=1.0).credit(
        groups, None, value
    )
    assert np.concatenate(streams["g0"]["advantage"]) == pytest.approx([0.9 - 0.5, 0.9 - 0.5, 0.8])
    assert np.concatenate(streams["g0"]["value_mask"]).tolist() == [1, 0, 1]
    assert np.concatenate(streams["g0"]["returns"]) == pytest.approx([0.9, 0.9, 1.0])


CORRECTED = [
    {},
    {"bias": "score"},
    {"bias": "coefficient", "scope": "trajectory"},
    {"bias": "score", "scope": "trajectory"},
]


@pytest.mark.parametrize("name", ["ppo", "turn_ppo"])
def test_the_plain_ones_hold_what_every_recipe_holds(name):
    check_recipe(recipe(name, clip=0.05), on_policy=FAMILY[name] == "token")


@pytest.mark.parametrize("name", ["s_ppo", "st_ppo"])
@pytest.mark.parametrize("bias", CORRECTED)
def test_the_corrected_ones_hold_what_every_recipe_holds(name, bias):
    check_recipe(recipe(name, clip=0.05, delta=0.01, **bias), on_policy=FAMILY[name] == "token")


def test_turn_constant_advantages_make_both_gradients_equal():
    grads = []
    for gradient in ("full", "own"):
        b = batch([0.1, -0.1, 0.05], [1, 1, -1], [0, 0, 1])
        loss, _ = replace(recipe("st_ppo", ratio_gradient=gradient, bias="none"), critic=None).loss(
            b
        )
        grads.append(torch.autograd.grad(loss, b.logp)[0])
    assert torch.allclose(*grads)


def test_the_correction_uses_its_own_ratio():
    made = recipe("st_ppo")
    assert isinstance(made.surrogate, CorrectedClip) and made.surrogate.ratio == made.ratio
    with pytest.raises(ConfigError, match="delta = 0"):
        recipe("st_ppo", delta=0.0)
