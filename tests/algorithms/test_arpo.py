"""ARPO: the branching rule, the budget, and the advantage of shared prefixes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.algorithms.made_batches import group, turn
from tests.algorithms.walks import flat
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe
from turnwise.algorithms.papers.arpo import Entropy, EntropyBranching, should_branch
from turnwise.algorithms.parts.strategy import Branch
from turnwise.errors import ConfigError
from turnwise.records import Group, Trajectory


def trajectory(uid, turns, parent=None, stop="running"):
    return Trajectory("t", "g", uid, tuple(turns), False, 0.0, stop, parent)


def group_of(*trajectories):
    return Group("t", "g", trajectories)


@pytest.mark.parametrize(
    ("p", "nats", "share"),
    [
        ([0.97, 0.01, 0.01, 0.01], 0.1677, 0.1210),
        ([0.4, 0.3, 0.2, 0.1], 1.2799, 0.9232),
        ([0.25] * 4, 1.3863, 1.0),
    ],
)
def test_entropy_of_a_turn(p, nats, share):
    entropy = float(-np.sum(np.array(p) * np.log(p)))
    assert entropy == pytest.approx(nats, abs=1e-4)
    assert Entropy(3, 4)([entropy] * 5) == pytest.approx(share, abs=1e-4)
    assert Entropy(3, 4, "sum")([entropy] * 5) == pytest.approx(3 * share, abs=1e-3)
    assert Entropy()(None) == Entropy()(()) == 0.0


@pytest.mark.parametrize(
    ("rise", "probability"),
    [(-3, 0), (-0.5, 0.4), (0, 0.5), (0.25, 0.55), (0.4, 0.58), (1, 0.7), (2.5, 1), (9, 1)],
)
def test_probability(rise, probability):
    own = trajectory("a", [turn(1, entropies=(1.0,))])
    strategy = EntropyBranching(entropy=Entropy(1, 3))
    unit = np.log(3)
    own = trajectory("a", [turn(1, entropies=(4.0 * unit,))])
    assert strategy.probability(own, [(4.0 + rise) * unit]) == pytest.approx(probability)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.7, 1.0])
def test_draws_have_the_right_frequency_and_repeat(p):
    draws = [should_branch("bernoulli", 0.5, p, f"u{k}", k % 7) for k in range(4000)]
    assert np.mean(draws) == pytest.approx(p, abs=0.03)
    assert draws == [should_branch("bernoulli", 0.5, p, f"u{k}", k % 7) for k in range(4000)]
    assert should_branch("threshold", 0.5, 0.6, "u", 1)
    assert not should_branch("threshold", 0.5, 0.5, "u", 1)


def test_budget():
    strategy = EntropyBranching(total=4, initial=2, copies=3, alpha=1.0)
    acts = [turn(1, entropies=(0.1,))]
    assert strategy.start("t") == 2
    one, two = trajectory("a", acts), trajectory("b", acts)
    assert strategy.before_step(group_of(one, two), "a", [0.1]) == 2  # three copies do not fit
    assert (
        strategy.before_step(group_of(trajectory("a", []), two), "a", [0.1]) == 0
    )  # nothing has been observed yet
    child = trajectory("a.1", acts, ("a", 1))
    assert strategy.before_step(group_of(one, two, child), "b", [0.1]) == 1
    assert strategy.before_step(group_of(one, two, child, child), "b", [0.1]) == 0
    ended = [trajectory(uid, acts, stop="terminated") for uid in "ab"]
    assert strategy.after_trajectory(group_of(*ended), "b") == [Branch("b", 0)] * 2
    assert strategy.after_trajectory(group_of(ended[0], two), "a") == ()
    assert strategy.after_turn(group_of(one, two), "a") == ()
    assert EntropyBranching(4, 4, alpha=1.0).before_step(group_of(one, two), "a", [0.1]) == 0
    refilled = [*ended, trajectory("a.1", []), trajectory("a.2", acts)]
    assert (
        strategy.before_step(group_of(*refilled), "a.2", [0.1]) == 0
    )  # fresh rollouts filled the group: no room to branch
    with pytest.raises(ConfigError, match="initial = 9, total = 8"):
        EntropyBranching(8, 9)


def eight():
    """R = 1, 0, .2, .9, .1, .4, .8, .2; (0, 1) and (3, 4) share their first turn."""
    returns = [1.0, 0.0, 0.2, 0.9, 0.1, 0.4, 0.8, 0.2]
    parents = {1: ("g0", 1), 4: ("g3", 1)}
    made = group(*[[turn(2), turn(1, r)] for r in returns])
    return [
        Group(
            made.task,
            made.uid,
            tuple(
                Trajectory(
                    t.task,
                    t.group,
                    t.uid,
                    t.turns,
                    t.success,
                    t.score,
                    t.stop_reason,
                    parents.get(i),
                )
                for i, t in enumerate(made.trajectories)
            ),
        )
    ]


@pytest.mark.parametrize(
    ("ddof", "own", "shared"),
    [
        (0, [1.4969, -1.2247, -0.6804, 1.2247, -0.9526, -0.1361, 0.9526, -0.6804], 0.1361),
        (1, [1.4002], 0.1273),
    ],
)
def test_hard_attribution(ddof, own, shared):
    streams = recipe("arpo", attribution="hard", ddof=ddof).credit(eight())
    found = [streams[f"g{i}"]["advantage"] for i in range(8)]
    assert [float(a[1][0]) for a in found][: len(own)] == pytest.approx(own, abs=1e-4)
    for i in (0, 1, 3, 4):
        assert found[i][0].tolist() == pytest.approx([shared] * 2, abs=1e-4)
    assert found[2][0].tolist() == pytest.approx([float(found[2][1][0])] * 2)


def test_a_branch_of_a_branch_shares_with_all_its_ancestors():
    acts = [turn(1), turn(1), turn(1)]
    made = [
        Trajectory("t", "g", "a", (*acts[:2], turn(1, 1.0)), True, 1.0, "terminated"),
        Trajectory("t", "g", "a.1", tuple(acts), False, 0.0, "terminated", ("a", 1)),
        Trajectory("t", "g", "a.1.1", tuple(acts), False, 0.0, "terminated", ("a.1", 2)),
        Trajectory("t", "g", "b", tuple(acts), False, 0.0, "terminated"),
    ]
    streams = recipe("arpo", attribution="hard", ddof=0).credit([Group("t", "g", tuple(made))])
    first = [float(streams[t.uid]["advantage"][0][0]) for t in made]
    second = [float(streams[t.uid]["advantage"][1][0]) for t in made]
    a, low = 3**0.5, -(3**-0.5)
    assert first == pytest.approx([(a + 2 * low) / 3] * 3 + [low], abs=1e-4)
    assert second == pytest.approx([a, low, low, low], abs=1e-4)


def test_soft_and_hard_give_the_same_step_on_policy():
    """The gradient of each act, summed over the trajectories that share it, where every token
    counts alike.
    """

    def summed(attribution):
        streams, acts = recipe("arpo", attribution=attribution).credit(eight()), {}
        for t in eight()[0].trajectories:
            for k in range(2):
                uid = t.parent[0] if t.parent and k < t.parent[1] else t.uid
                own = np.array(streams[t.uid]["advantage"][k]) * np.array(
                    streams[t.uid]["weight"][k]
                )
                acts[uid, k] = acts.get((uid, k), 0.0) + own
        return flat([values.tolist() for values in acts.values()])

    assert summed("soft") == pytest.approx(summed("hard"))


def test_without_branches_it_is_grpo():
    streams = recipe("arpo", initial=16).credit(eight())
    plain = recipe("grpo", aggregate="token").credit(eight())
    assert all(
        np.array_equal(streams[u]["advantage"][k], plain[u]["advantage"][k])
        for u in plain
        for k in range(2)
    )


@pytest.mark.parametrize("settings", [{}, {"attribution": "hard"}, {"rule": "threshold"}])
def test_holds_what_every_recipe_holds(settings):
    check_recipe(recipe("arpo", **settings))
    assert "fork" in recipe("arpo", **settings).requirements


@given(st.lists(st.floats(0, 5), max_size=30), st.floats(0, 5), st.floats(0, 1), st.floats(-2, 2))
def test_probabilities_are_probabilities(entropies, first, alpha, beta):
    own = trajectory("a", [turn(1, entropies=(first,))])
    assert 0.0 <= EntropyBranching(alpha=alpha, beta=beta).probability(own, entropies) <= 1.0
