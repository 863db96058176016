"""Every row in one micro-batch, none over the budget, and a pack that is its rows end to end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.made_training import qwen, row
from turnwise.errors import DataError
from turnwise.training.forward import Policy
from turnwise.training.packing import pack, plan

LENGTHS = st.lists(st.integers(4, 60), min_size=1, max_size=30)


@given(lengths=LENGTHS, budget=st.integers(4, 200), multiple=st.integers(1, 3))
def test_plan_deals_every_row_once(lengths: list[int], budget: int, multiple: int) -> None:
    rows = [row(length, uid=str(k)) for k, length in enumerate(lengths)]
    batches = plan(rows, budget, multiple=multiple)
    assert sorted(i for batch in batches for i in batch) == list(range(len(rows)))
    assert len(batches) % multiple == 0
    for batch in batches:
        assert len(batch) <= 1 or sum(lengths[i] for i in batch) <= budget


@given(lengths=LENGTHS, budget=st.integers(20, 200))
def test_plan_keeps_trajectories_together_in_order(lengths: list[int], budget: int) -> None:
    rows = [row(length, uid=str(k // 3)) for k, length in enumerate(lengths)]
    batches = plan(rows, budget, together=True)
    for uid in {r.trajectory for r in rows}:
        mine = [i for i, r in enumerate(rows) if r.trajectory == uid]
        (home,) = [batch for batch in batches if mine[0] in batch]
        assert [i for i in home if i in mine] == mine
    assert sorted(i for batch in batches for i in batch) == list(range(len(rows)))


def test_plan_balances() -> None:
    rows = [row(length, uid=str(k)) for k, length in enumerate([50, 40, 30, 20, 10, 10])]
    sizes = [sum(len(rows[i].ids) for i in batch) for batch in plan(rows, 80)]
    assert sorted(sizes) == [80, 80]


def test_pack_is_the_rows_end_to_end() -> None:
    rows = [row(9, "a", seed=1), row(12, "b", seed=2), row(7, "a", seed=3)]
    made = pack(rows, [0, 1, 2])
    assert made.lengths == (8, 11, 6)  # the last token is predicted and never read
    assert made.ids.tolist() == [i for r in rows for i in r.ids[:-1]]
    assert made.positions.tolist() == [*range(8), *range(11), *range(6)]
    for name in ("advantage", "weight"):
        assert np.allclose(
            made.streams[name].numpy(), np.concatenate([r.streams[name][r.mask] for r in rows])
        )
    assert made.target.tolist() == [int(i) for r in rows for i in r.ids[r.mask]]
    assert made.ids[made.at[0]] == rows[0].ids[np.flatnonzero(rows[0].mask)[0] - 1]
    assert made.trajectory.tolist() == [0] * int(rows[0].mask.sum()) + [1] * int(
        rows[1].mask.sum()
    ) + [0] * int(rows[2].mask.sum())


def test_turn_numbers_are_unique_for_trajectory_and_turn() -> None:
    rows = [row(9, "a"), row(12, "b"), row(7, "c", turns=1)]
    made = pack(rows, [0, 1, 2])
    wanted = [(r.trajectory, int(k)) for r in rows for k in r.turn[r.mask]]
    numbers = made.turn.tolist()
    assert len(set(numbers)) == len(set(wanted))
    assert all(
        (numbers[i] == numbers[j]) == (wanted[i] == wanted[j])
        for i in range(len(wanted))
        for j in range(len(wanted))
    )


def test_an_empty_micro_batch_is_one_token_that_predicts_nothing() -> None:
    made = pack([], [])
    assert made.lengths == (1,) and len(made.ids) == 1 and len(made.target) == 0
    logp = Policy(qwen())(made).logp
    logp.sum().backward()


def test_rows_that_cannot_be_trained_on_are_refused() -> None:
    bare = row(6)
    bare.mask[:] = False
    with pytest.raises(DataError, match="needs a prompt"):
        pack([bare], [0])
    bare.mask[:] = True
    with pytest.raises(DataError, match="needs a prompt"):
        pack([bare], [0])


def test_tokens_of_the_environment_are_a_turn_of_their_trajectory_and_of_no_other() -> None:
    """A warm start may train on observations, whose turn is -1; that must not be the last turn of
    the trajectory before.
    """
    rows = [row(9, "a"), row(12, "b")]
    for r in rows:
        r.mask[1:] = True
    made = pack(rows, [0, 1])
    wanted = [(r.trajectory, int(k)) for r in rows for k in r.turn[1:]]
    assert (
        len(set(zip(wanted, made.turn.tolist(), strict=True)))
        == len(set(wanted))
        == len(set(made.turn.tolist()))
    )
    assert int(made.turn.min()) >= 0


@settings(deadline=None)
@given(lengths=LENGTHS, budget=st.integers(4, 200))
def test_no_plan_is_needlessly_cut_up(lengths: list[int], budget: int) -> None:
    rows = [row(length, uid=str(k)) for k, length in enumerate(lengths)]
    batches = len(plan(rows, budget))
    assert batches >= sum(lengths) / max(budget, *lengths, 1)
    if (
        max(lengths) <= budget
    ):  # longest first leaves no bin under half of the budget while it opens another
        assert batches - 1 < 2 * sum(lengths) / budget


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(6, 40), min_size=1, max_size=12),
    budget=st.integers(6, 90),
    seed=st.integers(0, 5),
)
def test_packs_of_a_plan_hold_every_policy_token_with_its_predecessor(
    lengths: list[int], budget: int, seed: int
) -> None:
    rows = [row(length, uid=str(k), seed=seed) for k, length in enumerate(lengths)]
    found: dict[int, tuple[list[int], list[int], list[float]]] = {}
    for chosen in plan(rows, budget):
        made = pack(rows, chosen)
        assert sum(made.lengths) == len(made.ids) == len(made.positions) and made.rows == tuple(
            chosen
        )
        counts = [int(rows[i].mask.sum()) for i in chosen]
        before = made.ids[made.at]
        parts = zip(
            chosen,
            made.target.split(counts),
            before.split(counts),
            made.streams["weight"].split(counts),
            strict=True,
        )
        found |= {i: (t.tolist(), b.tolist(), w.tolist()) for i, t, b, w in parts}
    for i, r in enumerate(rows):
        places = np.flatnonzero(r.mask)
        assert found[i] == (
            r.ids[places].tolist(),
            r.ids[places - 1].tolist(),
            r.streams["weight"][places].tolist(),
        )
