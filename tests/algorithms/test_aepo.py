"""AEPO: the budget, the penalty, the clip that keeps gradients, the entropy-aware advantage."""

import numpy as np
import pytest
import torch

from tests.algorithms.made_batches import batch, group, turn
from tests.algorithms.test_arpo import group_of, trajectory
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.algorithms.papers.aepo import (
    BalancedBudget,
    EntropyAware,
    KeepsGradient,
    consecutive_branchings,
)
from turnwise.algorithms.papers.arpo import Entropy
from turnwise.algorithms.parts.strategy import Branch
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.reducer import Reducer

UNIT = float(np.log(3))
NATS = Entropy(1, 3)


def first(root, later, stop="terminated"):
    """A watched trajectory whose normalised entropies these are."""
    return trajectory("a", [turn(1, entropies=(h * UNIT,)) for h in (root, *later)], stop=stop)


@pytest.mark.parametrize(
    ("beta", "exact"),
    [(0.5, [4.30, 6.04, 8.00, 9.96, 11.70]), (1.0, [1.91, 4.30, 8.00, 11.70, 14.09])],
)
def test_budget(beta, exact):
    strategy = BalancedBudget(16, beta=beta, entropy=NATS)
    for gap, share in zip([-2, -1, 0, 1, 2], exact, strict=True):
        assert strategy.initial_rollouts(first(5.0 + gap, [5.0, 5.0])) == round(share)
    assert BalancedBudget(16, budget="code", entropy=NATS).initial_rollouts(first(5.15, [5.0])) == 9
    assert BalancedBudget(16, budget="code", entropy=NATS).initial_rollouts(first(4.85, [5.0])) == 8
    small = [BalancedBudget(k, entropy=NATS) for k in (1, 2)]
    assert [s.initial_rollouts(first(0.0, [9.0])) for s in small] == [1, 1]


def test_rollouts_start_after_the_first_has_ended():
    strategy = BalancedBudget(4, alpha=1.0, entropy=NATS)
    assert strategy.start("t") == 1
    running = first(1.0, [1.0], stop="running")
    assert strategy.before_step(group_of(running), "a", [1.0]) == 0
    watched = first(1.0, [1.0])
    assert strategy.after_trajectory(group_of(watched), "a") == [
        Branch("a", 0)
    ]  # m = 2: one more from the beginning
    other = trajectory("b", [turn(1, entropies=(UNIT,))])
    assert strategy.before_step(group_of(watched, other), "b", [UNIT]) == 1
    full = (
        watched,
        other,
        trajectory("b.1", other.turns, ("b", 1)),
        trajectory("b.2", other.turns, ("b", 1)),
    )
    assert strategy.before_step(group_of(*full), "b", [UNIT]) == 0
    ended = trajectory("b", other.turns, stop="terminated")
    assert strategy.after_trajectory(group_of(watched, ended), "b") == [Branch("b", 0)] * 2


@pytest.mark.parametrize(
    ("length", "rise", "p"),
    [(0, 0, 0.5), (1, 0, 0.475), (5, 0, 0.375), (10, 0, 0.25), (10, 0.5, 0.3), (20, 0, 0.0)],
)
def test_penalty(length, rise, p):
    strategy = BalancedBudget(64, entropy=NATS)
    own = trajectory("a", [turn(1, entropies=(UNIT,))] * (length + 1))
    children = [trajectory(f"a.{k}", own.turns[:k], ("a", k)) for k in range(1, length + 1)]
    assert consecutive_branchings(group_of(own, *children), own) == length
    assert strategy.probability(
        group_of(own, *children), own, [(1 + rise) * UNIT]
    ) == pytest.approx(p)


def test_consecutive_branchings_are_counted_along_a_path():
    acts = [turn(1)] * 4
    own, gap = trajectory("a", acts), trajectory("a.1", acts[:1], ("a", 1))
    assert consecutive_branchings(group_of(own, gap), own) == 0  # branched long ago
    late = trajectory("a.2", acts, ("a", 3))
    assert consecutive_branchings(group_of(own, gap, late), own) == 1
    assert consecutive_branchings(group_of(own, gap, late), late) == 1
    both = trajectory("a.3", acts[:2], ("a", 2))
    # The branchings of its parent are in its own past.
    assert consecutive_branchings(group_of(own, gap, both, late), late) == 3


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "gradient"),
    [
        (0.5, 1, 0.5, 0.5), (1.19, 1, 1.19, 1.19), (1.21, 1, 1.2, 1.2), (5.0, 1, 1.2, 1.2),
        (0.5, -1, -0.8, 0), (0.81, -1, -0.81, -0.81), (1.5, -1, -1.5, -1.5), (3.1, -1, -3.0, 0),
    ],
)  # fmt: skip
def test_the_clip_keeps_gradients(ratio, advantage, value, gradient):
    made = batch([float(np.log(ratio))], [advantage])
    objective = -KeepsGradient()(made, made.logp).value.sum()
    plain = -Clip(dual=3.0)(made, made.logp).value.sum()
    assert float(objective.detach()) == pytest.approx(value) == pytest.approx(float(plain.detach()))
    assert float(torch.autograd.grad(objective, made.logp)[0]) == pytest.approx(gradient)


def test_the_entropy_aware_advantage():
    entropies = [0.1, 0.2, 0.3, 1.4, 2.0, 0.5]
    batch = credit_batch_of([group([turn(6, entropies=tuple(entropies))])], {"env": 1.0}).write(
        advantage=np.ones(6)
    )
    found = EntropyAware()(batch, Reducer()).tokens["advantage"]
    assert found == pytest.approx(
        [0.8315, 0.8574, 0.8833, 1.1685, 1.3241, 0.9352], abs=1e-4
    ) and found.mean() == pytest.approx(1.0)
    even = credit_batch_of([group([turn(3, entropies=(0.4,) * 3)])], {"env": 1.0}).write(
        advantage=np.ones(3)
    )
    assert EntropyAware()(even, Reducer()).tokens["advantage"] == pytest.approx([1.0] * 3)
    assert (
        EntropyAware(a=50.0)(batch, Reducer()).tokens["advantage"].min() == 0.0
    )  # no sign is turned


def test_without_its_parts_it_is_grpo():
    groups = [group([turn(2, entropies=(0.1, 0.2))], [turn(1, 1.0, entropies=(0.3,))])]
    found, plain = (
        recipe("aepo", a=0.0).credit(groups),
        recipe("grpo", aggregate="token").credit(groups),
    )
    assert all(np.array_equal(found[u]["advantage"][0], plain[u]["advantage"][0]) for u in plain)


@pytest.mark.parametrize("settings", [{}, {"a": 0.0}, {"clip": 0.05}])
def test_holds_what_every_recipe_holds(settings):
    check_recipe(recipe("aepo", **settings))
