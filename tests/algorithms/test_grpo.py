"""GRPO against hand-worked numbers and its objective written out."""

import numpy as np
import pytest
import torch

from tests.algorithms.made_batches import batch, group, turn
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe


def four():
    """Returns 1, 1, 0, 0; the first trajectory has two turns."""
    return [group([turn(2), turn(1, 1.0)], [turn(1, 1.0)], [turn(2)], [turn(2)])]


def test_credit_by_hand():
    streams = recipe("grpo").credit(four())
    assert np.concatenate(streams["g0"]["advantage"]) == pytest.approx([0.866024] * 3, abs=1e-6)
    assert streams["g3"]["advantage"][0].tolist() == pytest.approx([-0.866024] * 2, abs=1e-6)
    assert np.concatenate(streams["g0"]["weight"]) == pytest.approx([1 / 12] * 3)
    assert [len(values) for values in streams["g0"]["weight"]] == [2, 1]
    assert (
        streams["g1"]["weight"][0].tolist() == [1 / 4]
        and streams["g2"]["weight"][0].tolist() == [1 / 8] * 2
    )


@pytest.mark.parametrize(
    ("aggregate", "first"), [("token", 1 / 8), ("turn", 1 / 10), ("trajectory", 1 / 12)]
)
def test_aggregate(aggregate, first):
    streams = recipe("grpo", aggregate=aggregate).credit(four())
    assert streams["g0"]["weight"][0][0] == pytest.approx(first)


def test_loss_by_hand():
    made = batch([0.3, -0.1, 0.4, 0.5, 0.1], [1, 1, 1, -0.5, 2], [0, 0, 0, 7, 7])
    loss, metrics = recipe("grpo").loss(made)
    assert float(loss.detach()) == pytest.approx(-0.938164, abs=1e-6)
    assert torch.autograd.grad(loss, made.logp)[0].tolist() == pytest.approx(
        [0, -0.180967, 0, 0.164872, -0.442068], abs=1e-6
    )
    assert float(metrics["clip_share"]) == pytest.approx(0.4) and float(
        metrics["ratio"]
    ) == pytest.approx(1.300083, abs=1e-6)
    assert float(metrics["policy_loss"]) == float(loss.detach()) and float(
        metrics["advantage"]
    ) == pytest.approx(0.9)


def written(low, high, kl, entropy_bonus):
    """Return J, token by token in the paper's symbols."""

    def objective(made):
        total = 0.0
        for t in range(len(made.logp)):
            w, a = torch.exp(made.logp[t] - made.old_logp[t]), made.streams["advantage"][t]
            inner = torch.minimum(w * a, torch.clamp(w, 1 - low, 1 + high) * a)
            if kl:
                r = torch.exp(made.ref_logp[t] - made.logp[t])
                inner = inner - kl * (r - torch.log(r) - 1)
            if entropy_bonus:
                inner = inner + entropy_bonus * made.entropy[t]
            total = total + made.streams["weight"][t] * inner
        return total

    return objective


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("settings", "objective"),
    [
        ({}, written(0.2, 0.2, 0, 0)),
        (
            {"clip_high": 0.28, "aggregate": "token", "drop_equal_groups": True},
            written(0.2, 0.28, 0, 0),
        ),
        (
            {"clip": 0.1, "kl": 0.04, "entropy_bonus": 0.01, "invalid_penalty": 0.1},
            written(0.1, 0.1, 0.04, 0.01),
        ),
        ({"scale": "none", "aggregate": "turn", "lone": "raw", "ddof": 0}, written(0.2, 0.2, 0, 0)),
    ],
)
def test_holds_what_every_recipe_holds(settings, objective, seed):
    check_recipe(recipe("grpo", **settings), objective, seed=seed)


def test_holds_with_corrections_and_dual_clip():
    check_recipe(recipe("grpo", truncate_mismatch=2.0, dual_clip=3.0))


def test_a_group_of_equal_returns_has_no_gradient():
    streams = recipe("grpo").credit([group([turn(1, 0.1)], [turn(1, 0.1)], [turn(3, 0.1)])])
    assert all(
        values.tolist() == [0.0] * len(values)
        for own in streams.values()
        for values in own["advantage"]
    )
    assert (
        recipe("grpo", drop_equal_groups=True).credit([group([turn(1, 0.1)], [turn(1, 0.1)])]) == {}
    )


def test_the_invalid_penalty_enters_the_return():
    acts = [group([turn(1, valid=False)], [turn(1)])]
    assert recipe("grpo").credit(acts)["g0"]["advantage"][0].tolist() == [0.0]
    assert recipe("grpo", invalid_penalty=0.1).credit(acts)["g0"]["advantage"][0][0] < -0.7


def test_an_errored_trajectory_changes_nothing():
    whole = recipe("grpo").credit([group([turn(2, 1.0)], [turn(1)])])
    broken = recipe("grpo").credit([group([turn(2, 1.0)], [turn(1)], [turn(5)], errors=[2])])
    assert whole.keys() == broken.keys() == {"g0", "g1"}
    assert whole["g0"]["advantage"][0].tolist() == broken["g0"]["advantage"][0].tolist()
    assert whole["g0"]["weight"][0].tolist() == broken["g0"]["weight"][0].tolist()


def test_requirements_follow_from_the_settings():
    assert recipe("grpo").requirements == frozenset()
    assert recipe("grpo", kl=0.1).requirements == {"ref_logp"}
    assert recipe("grpo", kl=0.1, entropy_bonus=0.1).requirements == {"ref_logp", "entropy"}
