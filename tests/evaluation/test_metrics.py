"""Figures of a set of episodes, against numbers worked out by hand and by enumeration."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_episodes import broken, episode, turn

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


def test_all_broken_says_why() -> None:
    with pytest.raises(TaskError, match="2 of 2 episodes broke off; the first error was: the endpoint is down"):
        measure([broken(0, "the endpoint is down"), broken(1)])
    with pytest.raises(TaskError, match="0 of 0 episodes"):
        measure([])


def test_attempts_are_averaged_within_their_task_first() -> None:
    # Task 0 lost an attempt to an error; it still weighs as much as task 1.
    m = measure([episode(0, True), broken(0), episode(1, False), episode(1, False, 0.5)])
    assert m.success.mean == 0.5 and m.score.mean == pytest.approx((1.0 + 0.25) / 2) and m.success.n == 2


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
    assert (beauty.tasks, beauty.episodes, beauty.success.mean, beauty.score.mean) == (2, 2, 0.5, pytest.approx(0.7))


def test_turns_tokens_and_invalid_actions() -> None:
    long = episode(0, True, turns=(turn(prompt=10, completion=4), turn(valid=False, prompt=20, completion=6)))
    short = episode(1, True, turns=(turn(prompt=5, completion=5),))
    m = measure([long, short])
    assert (m.turns, m.generated_tokens, m.context_tokens) == (1.5, 7.5, 18.0)
    assert m.invalid_actions == pytest.approx(1 / 3)


def test_difference_is_paired_by_task() -> None:
    # Tasks differ widely and each gains exactly 0.1: the pairs know it, two separate intervals would not.
    before = [episode(t, False, t / 50) for t in range(40)]
    after = [episode(t, False, t / 50 + 0.1) for t in reversed(range(40))]
    gain = difference(before, after, score_of)
    assert gain.mean == pytest.approx(0.1) and gain.low == pytest.approx(0.1) and gain.high == pytest.approx(0.1)
    assert gain.excludes_zero and gain.n == 40


def test_difference_leaves_out_tasks_that_one_side_lost() -> None:
    gain = difference([episode(0, False), episode(1, True), broken(2)], [episode(0, True), broken(1), episode(2, True)])
    assert (gain.mean, gain.n) == (1.0, 1)
    with pytest.raises(TaskError, match="nothing to compare"):
        difference([episode(0, True)], [episode(1, True)])
    with pytest.raises(TaskError, match="nothing to compare"):
        pooled_difference([])


def test_no_difference_does_not_exclude_zero() -> None:
    rng = np.random.default_rng(2)
    before, after = ([episode(t, bool(rng.random() < 0.5)) for t in range(100)] for _ in range(2))
    assert not difference(before, after).excludes_zero
