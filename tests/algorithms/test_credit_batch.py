"""The flat tables of a batch, and the streams by trajectory."""

import numpy as np
import pytest

from tests.algorithms.made_batches import group, turn
from turnwise.algorithms.credit_batch import credit_batch_of
from turnwise.errors import DataError
from turnwise.records import rows


@pytest.fixture
def batch():
    first = group(
        [turn(2, {"env": 1.0, "style": 5.0}), turn(1, 2.0)], [turn(0, 4.0), turn(3)], uid="a"
    )
    second = group([turn(1, 1.0)], [turn(1)], uid="b", errors=[1])
    return credit_batch_of([first, second], {"env": 1.0, "style": 0.1})


def test_errored_trajectories_are_left_out(batch):
    assert [t.uid for t in batch.trajectories] == ["a0", "a1", "b0"]
    assert batch.group.tolist() == [0, 0, 1] and batch.owner.tolist() == [0, 0, 1, 1, 2]
    assert batch.index.tolist() == [0, 1, 0, 1, 0] and batch.length.tolist() == [2, 1, 0, 3, 1]


def test_rewards_are_weighted_sums_of_components(batch):
    assert batch.reward.tolist() == [1.5, 2.0, 4.0, 0.0, 1.0]
    assert batch.returns.tolist() == [3.5, 4.0, 1.0]
    assert batch.to_go(0.5).tolist() == [2.5, 2.0, 4.0, 0.0, 1.0]


def test_turns_and_tokens_convert_into_each_other(batch):
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert batch.spread(values).tolist() == [1, 1, 2, 4, 4, 4, 5]
    assert batch.turn_mean(batch.spread(values), empty=-1.0).tolist() == [1, 2, -1, 4, 5]
    assert batch.turn_of.tolist() == [0, 0, 1, 3, 3, 3, 4]


def test_streams_fit_the_rows(batch):
    streams = batch.write(advantage=np.arange(7.0)).streams()
    assert [v.tolist() for v in streams["a1"]["advantage"]] == [[], [3, 4, 5]]
    for trajectory in batch.trajectories:
        held = np.concatenate(
            [
                row.streams["advantage"][row.mask]
                for row in rows(trajectory, streams[trajectory.uid])
            ]
        )
        assert held.tolist() == np.concatenate(streams[trajectory.uid]["advantage"]).tolist()


def test_a_dropped_trajectory_leaves_statistics_and_a_masked_one_only_the_streams(batch):
    dropped = batch.write(advantage=np.arange(7.0)).only(np.array([True, False, True]))
    assert dropped.returns.tolist() == [3.5, 1.0] and dropped.owner.tolist() == [0, 0, 1]
    assert dropped.tokens["advantage"].tolist() == [0, 1, 2, 6] and dropped.group.tolist() == [0, 1]
    masked = batch.write(advantage=np.arange(7.0)).mask_turns(
        np.array([True, True, True, False, True])
    )
    assert masked.returns.tolist() == [3.5, 4.0, 1.0] and sorted(masked.streams()) == ["a0", "b0"]
    assert batch.mask_tokens(np.arange(7) == 3).write(advantage=np.zeros(7)).streams().keys() == {
        "a1"
    }


def test_recorded_reads_turns_and_precomputed_streams():
    acts = [
        turn(2, logprobs=(-1.0, -2.0), entropies=(0.1, 0.2)),
        turn(0),
        turn(1, entropies=(0.3,)),
    ]
    batch = credit_batch_of([group(acts)], {"env": 1.0}, {"g0": {"value": [[1.0, 2.0], [], [3.0]]}})
    assert batch.recorded("logprob").tolist() == [-1, -2, -1]
    assert batch.recorded("entropy").tolist() == [0.1, 0.2, 0.3]
    assert batch.recorded("value").tolist() == [1, 2, 3]
    with pytest.raises(DataError, match=r"turn 0 of trajectory g0 has no 'ref_logp'"):
        batch.recorded("ref_logp")


def test_missing_entropies_are_a_data_error():
    with pytest.raises(
        DataError, match="no 'entropy', which the recipe reads: record it in the rollouts"
    ):
        credit_batch_of([group([turn(2)])], {"env": 1.0}).recorded("entropy")


def test_two_trajectories_with_one_uid_are_refused():
    with pytest.raises(DataError, match="same uid"):
        credit_batch_of([group([turn()]), group([turn()])], {"env": 1.0})


def test_no_groups_make_an_empty_batch():
    batch = credit_batch_of([], {"env": 1.0})
    assert (
        batch.returns.shape == (0,)
        and batch.to_go().shape == (0,)
        and batch.recorded("logprob").shape == (0,)
    )
    assert batch.streams() == {}
