"""Figures of a set of episodes, against numbers worked out by hand and by enumeration."""

from __future__ import annotations

from itertools import combinations
from random import Random
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.evaluation.made_episodes import broken, episode, turn
from turnwise.errors import TaskError
from turnwise.evaluation.metrics import difference, measure, pass_at_k, pooled_difference, score_of


@given(n=st.integers(1, 9), data=st.data())
def test_pass_at_k_is_the_share_of_draws_that_hold_a_success(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    draws = list(combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws))


def test_pass_at_k_refuses_what_it_cannot_estimate() -> None:
    for n, c, k in ((4, 1, 5), (4, 1, 0), (4, 5, 1), (4, -1, 1)):
        with pytest.raises(ValueError, match="pass@k needs"):
            pass_at_k(n, c, k)


def test_errors_are_apart_and_never_count_as_zero() -> None:
    m = measure([episode(0, True), episode(1, True), broken(2), broken(1), broken(2, "no answer")])
    assert (m.success.mean, m.tasks, m.episodes, m.errors) == (1.0, 2, 2, 3)
    assert m.error_messages == {"the engine stopped": 2, "no answer": 1}
    assert m.stop_reasons == {"terminated": 2}


def test_all_errored_gives_the_reason() -> None:
    with pytest.raises(
        TaskError, match="2 of 2 episodes errored; the first error was: the endpoint is down"
    ):
        measure([broken(0, "the endpoint is down"), broken(1)])
    with pytest.raises(TaskError, match="0 of 0 episodes"):
        measure([])


def test_attempts_are_averaged_within_their_task_first() -> None:
    # Task 0 lost an attempt to an error; it still weighs as much as task 1.
    m = measure([episode(0, True), broken(0), episode(1, False), episode(1, False, 0.5)])
    assert (
        m.success.mean == 0.5
        and m.score.mean == pytest.approx((1.0 + 0.25) / 2)
        and m.success.n == 2
    )


def test_pass_table_counts_powers_of_two_and_the_number_of_attempts() -> None:
    played = [episode(task, attempt < task) for task in range(4) for attempt in range(6)]
    m = measure([*played, *(broken(9) for _ in range(6)), episode(8, True)])
    assert list(m.pass_at_k) == [1, 2, 4, 6]
    assert m.pass_at_k[1].mean == pytest.approx(m.success.mean) and m.pass_at_k[1].n == 5
    assert m.pass_at_k[6].mean == pytest.approx(3 / 4) and m.pass_at_k[6].n == 4
    assert m.pass_at_k[2].mean == pytest.approx(np.mean([pass_at_k(6, c, 2) for c in range(4)]))


def test_types_come_from_key_value_tags() -> None:
    m = measure(
        [
            episode(0, True, tags=("category=beauty", "seen")),
            episode(1, False, 0.4, tags=("category=beauty",)),
            episode(2, True, tags=("category=food", "options=2")),
        ]
    )
    assert set(m.types) == {"category=beauty", "category=food", "options=2"}
    beauty = m.types["category=beauty"]
    assert (beauty.tasks, beauty.episodes, beauty.success.mean, beauty.score.mean) == (
        2,
        2,
        0.5,
        pytest.approx(0.7),
    )


def test_turns_tokens_and_invalid_actions() -> None:
    long = episode(
        0, True, turns=(turn(prompt=10, completion=4), turn(valid=False, prompt=20, completion=6))
    )
    short = episode(1, True, turns=(turn(prompt=5, completion=5),))
    m = measure([long, short])
    assert (m.turns, m.generated_tokens, m.context_tokens) == (1.5, 7.5, 18.0)
    assert m.invalid_actions == pytest.approx(1 / 3)


def test_difference_is_paired_by_task() -> None:
    # Tasks differ widely and each gains exactly 0.1: the pairs know it, two separate intervals
    # would not.
    before = [episode(t, False, t / 50) for t in range(40)]
    after = [episode(t, False, t / 50 + 0.1) for t in reversed(range(40))]
    gain = difference(before, after, score_of)
    assert (
        gain.mean == pytest.approx(0.1)
        and gain.low == pytest.approx(0.1)
        and gain.high == pytest.approx(0.1)
    )
    assert gain.excludes_zero and gain.n == 40


def test_difference_leaves_out_tasks_that_one_side_lost() -> None:
    gain = difference(
        [episode(0, False), episode(1, True), broken(2)],
        [episode(0, True), broken(1), episode(2, True)],
    )
    assert (gain.mean, gain.n) == (1.0, 1)
    with pytest.raises(TaskError, match="nothing to compare"):
        difference([episode(0, True)], [episode(1, True)])
    with pytest.raises(TaskError, match="nothing to compare"):
        pooled_difference([])


def test_no_difference_does_not_exclude_zero() -> None:
    rng = np.random.default_rng(2)
    before, after = ([episode(t, bool(rng.random() < 0.5)) for t in range(100)] for _ in range(2))
    assert not difference(before, after).excludes_zero


PLAYED = st.lists(
    st.tuples(st.integers(0, 4), st.booleans(), st.booleans()), min_size=1, max_size=14
)


@settings(deadline=None, max_examples=40)
@given(played=PLAYED, order=st.randoms(use_true_random=False))
def test_counts_add_up_and_the_order_of_episodes_does_not_matter(
    played: list[tuple[int, bool, bool]], order: Random
) -> None:
    made = [
        broken(task) if lost else episode(task, success, tags=(f"t={task % 2}",))
        for task, success, lost in played
    ]
    whole = [t for t in made if t.error is None]
    if not whole:
        return
    with patch("turnwise.evaluation.intervals.RESAMPLES", 50):
        m, mixed = measure(made), measure(order.sample(made, len(made)))
    assert m.episodes + m.errors == len(made) and m.episodes == len(whole) == sum(
        m.stop_reasons.values()
    )
    assert (
        m.tasks
        == len({t.task for t in whole})
        == m.success.n
        == sum(line.tasks for line in m.types.values())
    )
    assert m.pass_at_k[1].mean == pytest.approx(m.success.mean)
    assert (mixed.episodes, mixed.errors, mixed.tasks) == (m.episodes, m.errors, m.tasks)
    assert mixed.success.mean == pytest.approx(m.success.mean) and list(mixed.pass_at_k) == list(
        m.pass_at_k
    )


@given(n=st.integers(1, 60), data=st.data())
def test_more_attempts_and_more_successes_never_hurt(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    chance = pass_at_k(n, c, k)
    assert 0.0 <= chance <= 1.0
    if k < n:
        assert pass_at_k(n, c, k + 1) >= chance - 1e-12
    if c < n:
        assert pass_at_k(n, c + 1, k) >= chance - 1e-12
    assert pass_at_k(n, c, 1) == pytest.approx(c / n)


def test_a_task_whose_attempts_are_of_two_types_counts_in_both() -> None:
    m = measure([episode(0, True, tags=("door=left",)), episode(0, False, tags=("door=right",))])
    assert {tag: (line.tasks, line.success.mean) for tag, line in m.types.items()} == {
        "door=left": (1, 1.0),
        "door=right": (1, 0.0),
    }
    assert m.success.mean == 0.5


def test_only_the_most_frequent_errors_are_kept() -> None:
    lost = [broken(k, f"error {k}") for k in range(9) for _ in range(k + 1)]
    m = measure([episode(0, True), *lost])
    assert m.errors == 45 and m.error_messages == {f"error {k}": k + 1 for k in (8, 7, 6, 5, 4)}
