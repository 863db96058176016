"""REINFORCE, RLOO and supervised training against numbers worked by hand and their objectives
written out.
"""

import pytest
import torch

from tests.algorithms.made_batches import batch, group, turn
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe


def plain(made):
    """Sum of weight x advantage x log pi."""
    return sum(
        made.streams["weight"][t] * made.streams["advantage"][t] * made.logp[t]
        for t in range(len(made.logp))
    )


def clipped(made):
    total = 0.0
    for t in range(len(made.logp)):
        w, a = torch.exp(made.logp[t] - made.old_logp[t]), made.streams["advantage"][t]
        total = total + made.streams["weight"][t] * torch.minimum(
            w * a, torch.clamp(w, 0.8, 1.2) * a
        )
    return total


def advantages(streams, uid):
    return [v.tolist() for v in streams[uid]["advantage"]]


@pytest.mark.parametrize("name", ["reinforce", "rloo", "sft"])
@pytest.mark.parametrize("seed", range(3))
def test_plain_form_holds(name, seed):
    check_recipe(recipe(name), plain, seed=seed)


@pytest.mark.parametrize("name", ["reinforce", "rloo"])
def test_clipped_form_holds(name):
    check_recipe(recipe(name, clip=0.2), clipped)
    check_recipe(
        recipe(
            name,
            clip=0.2,
            kl=0.1,
            kl_estimator="k2",
            entropy_bonus=0.01,
            invalid_penalty=0.1,
            truncate_mismatch=1.5,
        )
    )


@pytest.mark.parametrize("aggregate", ["token", "turn", "trajectory"])
def test_every_aggregate_holds(aggregate):
    check_recipe(recipe("rloo", aggregate=aggregate, drop_equal_groups=True, lone="raw"), plain)
    check_recipe(recipe("reinforce", aggregate=aggregate, baseline="batch", gamma=0.9), plain)
    check_recipe(recipe("sft", aggregate=aggregate, successes_only=True, kl=0.1, entropy_bonus=0.1))


def test_reinforce_by_hand():
    acts = [group([turn(2, 1.0), turn(1, 2.0)], [turn(1, 4.0)])]
    streams = recipe("reinforce", gamma=0.5).credit(acts)
    assert advantages(streams, "g0") == [[2, 2], [2]] and advantages(streams, "g1") == [[4]]
    centred = recipe("reinforce", gamma=0.5, baseline="batch").credit(acts)
    assert centred["g1"]["advantage"][0][0] == pytest.approx(4 - 8 / 3)


def test_rloo_by_hand():
    streams = recipe("rloo").credit(
        [group([turn(1, 3.0)], [turn(2), turn(1, 1.0)], [turn(1, 2.0)])]
    )
    assert advantages(streams, "g0") == [[1.5]] and advantages(streams, "g1") == [
        [-1.5, -1.5],
        [-1.5],
    ]
    assert streams["g2"]["advantage"][0][0] == pytest.approx(0.0)


def test_the_plain_gradient_does_not_depend_on_the_old_policy():
    made = batch([0.5, -0.5], [2.0, -1.0])
    loss, metrics = recipe("rloo").loss(made)
    assert torch.autograd.grad(loss, made.logp)[0].tolist() == [-1.0, 0.5]
    assert "ratio" not in metrics and "clip_share" not in metrics and float(metrics["kl_old"]) > 0


def test_sft_loss_is_the_cross_entropy():
    made = batch([-0.7, -1.3], [1.0, 1.0])
    loss, metrics = recipe("sft").loss(made)
    assert float(loss.detach()) == pytest.approx(1.0) and float(
        metrics["policy_loss"]
    ) == pytest.approx(1.0)


def test_sft_can_keep_successes_only():
    acts = [group([turn(2, 1.0)], [turn(2, 0.5)])]
    assert recipe("sft").credit(acts).keys() == {"g0", "g1"}
    kept = recipe("sft", successes_only=True).credit(acts)
    assert kept.keys() == {"g0"} and kept["g0"]["weight"][0].tolist() == [0.5, 0.5]
