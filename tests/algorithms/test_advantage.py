"""Advantages against hand-worked numbers, and their properties."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.algorithms.made_batches import group, turn
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.algorithms.parts.advantage import Constant, PeerAdvantage, RewardToGo
from turnwise.algorithms.reducer import Reducer
from turnwise.records import Group, Trajectory, Turn


def one_turn(reward):
    return Turn("solver", (1,), (2,), (-1.0,), None, "", "", "", True, {"env": reward}, "", "")


def batch_of(*returns):
    """A credit batch with a group for each list of returns, one turn of one token a trajectory."""
    groups = [
        Group(
            g,
            f"{g}",
            tuple(
                Trajectory(g, f"{g}", f"{g}-{i}", (one_turn(r),), False, r, "terminated")
                for i, r in enumerate(rs)
            ),
        )
        for g, rs in enumerate(returns)
    ]
    return credit_batch_of(groups, {"env": 1.0})


def advantage(part, *returns):
    return part(batch_of(*returns), Reducer()).tokens["advantage"]


returns = st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=2, max_size=8)


def test_grpo_statistics_by_hand():
    assert advantage(PeerAdvantage(), [1, 1, 0, 0]) == pytest.approx(
        [0.866024, 0.866024, -0.866024, -0.866024], abs=1e-6
    )
    assert advantage(PeerAdvantage(ddof=0), [1, 1, 0, 0]) == pytest.approx(
        [0.999998, 0.999998, -0.999998, -0.999998], abs=1e-6
    )


def test_eight_returns_by_hand():
    rewards = [1, 0, 0.2, 0.9, 0.1, 0.4, 0.8, 0.2]
    expected = [1.4969, -1.2247, -0.6804, 1.2247, -0.9526, -0.1361, 0.9526, -0.6804]
    assert advantage(PeerAdvantage(ddof=0), rewards) == pytest.approx(expected, abs=1e-4)
    assert advantage(PeerAdvantage(), rewards)[0] == pytest.approx(1.4002, abs=1e-4)


def test_leave_one_out_by_hand():
    part = PeerAdvantage(centre="others", scale="none")
    assert advantage(part, [1, 1, 0, 0]) == pytest.approx([2 / 3, 2 / 3, -2 / 3, -2 / 3])
    assert advantage(part, [3, 1, 2]) == pytest.approx([1.5, -1.5, 0.0])


@given(returns)
def test_leave_one_out_is_the_return_less_the_mean_of_the_others(rs):
    expected = [r - np.mean(rs[:i] + rs[i + 1 :]) for i, r in enumerate(rs)]
    assert advantage(PeerAdvantage(centre="others", scale="none"), rs) == pytest.approx(
        expected, abs=1e-9
    )


@given(returns, returns)
def test_groups_are_independent_with_mean_zero_and_deviation_one(a, b):
    both = advantage(PeerAdvantage(), a, b)
    assert both == pytest.approx([*advantage(PeerAdvantage(), a), *advantage(PeerAdvantage(), b)])
    assert np.mean(both[: len(a)]) == pytest.approx(0, abs=1e-6)
    if np.std(a) > 0.01:
        assert np.std(both[: len(a)], ddof=1) == pytest.approx(1, abs=1e-3)


@given(returns, st.floats(0.5, 4), st.floats(-3, 3))
def test_advantages_ignore_scale_and_shift_of_rewards(rs, scale, shift):
    if np.std(rs) > 0.1:
        moved = [scale * r + shift for r in rs]
        assert advantage(PeerAdvantage(), moved) == pytest.approx(
            advantage(PeerAdvantage(), rs), abs=1e-4
        )


@given(returns, st.randoms())
def test_order_does_not_matter(rs, rng):
    order = list(range(len(rs)))
    rng.shuffle(order)
    shuffled = advantage(PeerAdvantage(), [rs[i] for i in order])
    assert shuffled == pytest.approx([advantage(PeerAdvantage(), rs)[i] for i in order], abs=1e-6)


@pytest.mark.parametrize(
    "part", [PeerAdvantage(), PeerAdvantage(centre="others", scale="none"), PeerAdvantage(ddof=0)]
)
def test_equal_returns_have_advantage_exactly_zero(part):
    # 0.1 * 3 is not a multiple of 0.1 in floating point: without care the noise over 1e-6 would be
    # an advantage.
    assert advantage(part, [0.1] * 3, [0.1 + 0.2] * 7).tolist() == [0.0] * 10


def test_a_group_of_one_is_zero_or_raw():
    assert advantage(PeerAdvantage(), [0.7]).tolist() == [0.0]
    assert advantage(PeerAdvantage(lone="raw"), [0.7], [1, 0])[0] == 0.7


def by_agent(batch):
    names = sorted({turn.agent for turn in batch.turns})
    return batch.group[batch.owner] * len(names) + np.array(
        [names.index(turn.agent) for turn in batch.turns]
    )


def team_group():
    rewards, solver_turns = [1, 0, 0, 1], [1, 2, 2, 1]
    made = []
    for i, (r, n) in enumerate(zip(rewards, solver_turns, strict=True)):
        acts = [one_turn(0.0)] * n + [replace(one_turn(float(r)), agent="verifier")]
        made.append(Trajectory(0, "g", f"g{i}", tuple(acts), r == 1, r, "terminated"))
    return credit_batch_of([Group(0, "g", tuple(made))], {"env": 1.0})


@pytest.mark.parametrize(
    ("unit", "ddof", "solver", "verifier"),
    [
        ("turn", 1, [1.2910, -0.6455], 0.8660),
        ("turn", 0, [1.4142, -0.7071], 1.0),
        ("trajectory", 1, [0.8660, -0.8660], 0.8660),
    ],
)
def test_peers_may_be_turns_of_one_agent(unit, ddof, solver, verifier):
    """The worked example of Dr. MAS: peers by (task, agent), every turn with a vote or one vote a
    trajectory.
    """
    found = PeerAdvantage(peers=by_agent, unit=unit, ddof=ddof)(team_group(), Reducer()).tokens[
        "advantage"
    ]
    won, lost, checked = solver[0], solver[1], verifier
    expected = [won, checked, lost, lost, -checked, lost, lost, -checked, won, checked]
    assert found == pytest.approx(expected, abs=1e-4)


def test_reward_to_go_by_hand():
    batch = credit_batch_of([group([turn(2, 1.0), turn(1, 2.0)], [turn(1, 4.0)])], {"env": 1.0})
    assert RewardToGo(0.5)(batch, Reducer()).tokens["advantage"].tolist() == [2, 2, 2, 4]
    centred = RewardToGo(0.5, "batch")(batch, Reducer()).tokens["advantage"]
    assert centred == pytest.approx(np.array([2, 2, 2, 4]) - 8 / 3)


def test_constant():
    batch = credit_batch_of([group([turn(3)])], {"env": 1.0})
    assert Constant(1.0)(batch, Reducer()).tokens["advantage"].tolist() == [1, 1, 1]
