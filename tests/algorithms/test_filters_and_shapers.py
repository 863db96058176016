"""Filters and reward shapers."""

import numpy as np
import pytest

from tests.algorithms.made_batches import group, turn
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.filters import DropEqualGroups, MaskTurns, OnlySuccesses
from turnwise.algorithms.parts.shapers import InvalidPenalty, TagReward
from turnwise.algorithms.reducer import Reducer


def apply(part, batch):
    return part(batch, Reducer())


def test_groups_of_equal_returns_are_dropped():
    batch = credit_batch_of(
        [group([turn(1, 1.0)], [turn(2, 1.0)], uid="a"), group([turn(1, 1.0)], [turn(1)], uid="b")],
        {"env": 1.0},
    )
    assert [t.uid for t in apply(DropEqualGroups(), batch).trajectories] == ["b0", "b1"]
    assert apply(DropEqualGroups(tolerance=1.0), batch).trajectories == ()
    assert apply(DropEqualGroups(), credit_batch_of([], {"env": 1.0})).trajectories == ()


def test_only_successes_stay():
    batch = credit_batch_of([group([turn(1, 1.0)], [turn(1, 0.5)])], {"env": 1.0})
    assert [t.uid for t in apply(OnlySuccesses(), batch).trajectories] == ["g0"]


def void_group():
    acts = [turn(1, float(r), tags=("void",) if i == 2 else ()) for i, r in enumerate([1, 0, 0, 1])]
    return credit_batch_of([group(*[[act] for act in acts])], {"env": 1.0})


@pytest.mark.parametrize(
    ("ddof", "expected"), [(1, [0.8660, -0.8660, None, 0.8660]), (0, [1.0, -1.0, None, 1.0])]
)
def test_a_masked_turn_still_counts_in_the_statistics(ddof, expected):
    """SimpleTIR's worked example, read as its code: statistics over all four, then the mask."""
    done = apply(PeerAdvantage(ddof=ddof), apply(MaskTurns("void"), void_group()))
    streams = done.streams()
    assert "g2" not in streams
    found = [
        float(streams[f"g{i}"]["advantage"][0][0]) if f"g{i}" in streams else None for i in range(4)
    ]
    assert [v for v in found if v is not None] == pytest.approx(
        [v for v in expected if v is not None], abs=1e-4
    )


@pytest.mark.parametrize(
    ("ddof", "expected"), [(1, [0.5774, -1.1547, 0.5774]), (0, [0.7071, -1.4142, 0.7071])]
)
def test_a_dropped_trajectory_leaves_the_statistics(ddof, expected):
    """The same example read as the paper's sentence: dropped before the statistics."""
    batch = void_group().only(np.array([True, True, False, True]))
    assert apply(PeerAdvantage(ddof=ddof), batch).tokens["advantage"] == pytest.approx(
        expected, abs=1e-4
    )


def test_invalid_turns_can_be_masked():
    batch = credit_batch_of([group([turn(2, valid=False), turn(1)])], {"env": 1.0})
    assert apply(MaskTurns(), batch).mask.tolist() == [False, False, True]


def test_a_penalty_counts_with_the_weight_in_rewards():
    acts = [turn(1, 0.5, valid=False), turn(1, 0.5, tags=("slow",))]
    for weight, expected in ((1.0, 0.9), (0.0, 1.0), (2.0, 0.8)):
        batch = credit_batch_of([group(acts)], {"env": 1.0, "invalid": weight})
        assert apply(InvalidPenalty(0.1), batch).returns.tolist() == pytest.approx([expected])
    batch = credit_batch_of([group(acts)], {"env": 1.0, "slow": 1.0})
    assert apply(TagReward("slow", -0.3), batch).reward.tolist() == pytest.approx([0.5, 0.2])
    assert InvalidPenalty().provides == {"reward:invalid"} and TagReward("slow", 1).provides == {
        "reward:slow"
    }
