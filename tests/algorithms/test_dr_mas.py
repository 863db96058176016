"""Dr. MAS: statistics and loss weights per agent."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.algorithms.made_batches import group, turn
from turnwise.algorithms import recipe
from turnwise.algorithms.checks import check_recipe


def team(returns, steps, other="verifier"):
    """Trajectories with so many solver steps and one of the verifier each."""
    made = []
    for reward, count in zip(returns, steps, strict=True):
        made.append([*[turn(1, agent="solver")] * count, turn(1, reward, agent=other)])
    return group(*made)


def by_agent(groups, **settings):
    streams = recipe("dr_mas", **settings).credit(groups)
    found = {}
    for g in groups:
        for t in g.trajectories:
            for k, act in enumerate(t.turns):
                found.setdefault(act.agent, []).append(float(streams[t.uid]["advantage"][k][0]))
    return found


@pytest.mark.parametrize(
    ("ddof", "solver", "verifier"), [(1, [1.2910, -0.6455], 0.8660), (0, [1.4142, -0.7071], 1.0)]
)
def test_the_worked_example(ddof, solver, verifier):
    found = by_agent([team([1.0, 0.0, 0.0, 1.0], [1, 2, 2, 1])], ddof=ddof)
    high, low = solver
    assert found["solver"] == pytest.approx([high, low, low, low, low, high], abs=1e-4)
    assert found["verifier"] == pytest.approx([verifier, -verifier, -verifier, verifier], abs=1e-4)


def test_statistics_with_one_vote_per_trajectory():
    found = by_agent([team([1.0, 0.0, 0.0, 1.0], [1, 2, 2, 1])], unit="trajectory")
    assert found["solver"] == pytest.approx(
        [0.8660, -0.8660, -0.8660, -0.8660, -0.8660, 0.8660], abs=1e-4
    )


def test_one_agent_is_grpo():
    groups = [group([turn(2)], [turn(1, 1.0)], [turn(3)])]
    found, plain = recipe("dr_mas").credit(groups), recipe("grpo", aggregate="token").credit(groups)
    assert all(
        np.array_equal(found[u][name][0], plain[u][name][0])
        for u in plain
        for name in ("advantage", "weight")
    )


def test_an_agent_with_equal_returns_has_advantage_zero():
    one = group(
        [turn(1, 0.0, agent="searcher")],
        [turn(1, 1.0, agent="writer")],
        [turn(1, 0.0, agent="writer")],
    )
    assert by_agent([one])["searcher"] == [0.0] and by_agent([one], lone="raw")["searcher"] == [0.0]
    both = group(
        [turn(1, 1.0, agent="searcher")],
        [turn(1, 1.0, agent="searcher")],
        [turn(1, 0.0, agent="writer")],
    )
    assert by_agent([both])["searcher"] == [0.0, 0.0]


def test_agents_have_equal_shares():
    streams = recipe("dr_mas").credit([team([1.0, 0.0], [5, 3])])
    weights = {"solver": 0.0, "verifier": 0.0}
    for t in team([1.0, 0.0], [5, 3]).trajectories:
        for k, act in enumerate(t.turns):
            weights[act.agent] += float(np.sum(streams[t.uid]["weight"][k]))
    assert weights == pytest.approx({"solver": 0.5, "verifier": 0.5})
    tokens = recipe("dr_mas", per_agent=False).credit([team([1.0, 0.0], [5, 3])])
    assert float(tokens["g0"]["weight"][0][0]) == pytest.approx(1 / 10)


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 4)), min_size=2, max_size=6)
)
def test_any_team(runs):
    groups = [team([r for r, _ in runs], [n for _, n in runs])]
    for values in by_agent(groups, ddof=0).values():
        assert np.mean(values) == pytest.approx(0.0, abs=1e-6)
        assert np.mean(np.square(values)) == pytest.approx(float(any(values)), abs=1e-4)


@pytest.mark.parametrize(
    "settings", [{}, {"unit": "trajectory"}, {"per_agent": False}, {"aggregate": "turn"}]
)
def test_holds_what_every_recipe_holds(settings):
    check_recipe(recipe("dr_mas", **settings))
