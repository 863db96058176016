"""Figures with their intervals, against numbers worked out by hand, by enumeration and by simulation."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_episodes import broken, episode, turn

from turnwise.errors import TaskError
from turnwise.evaluation.metrics import (
    Interval,
    difference,
    interval,
    measure,
    pass_at_k,
    pooled,
    pooled_difference,
    score_of,
)


def test_interval_is_the_percentile_bootstrap() -> None:
    values = np.random.default_rng(3).random(60)
    rng = np.random.default_rng(99)
    means = [rng.choice(values, size=60).mean() for _ in range(4000)]
    ours, (low, high) = interval(values, seed=1), np.percentile(means, [2.5, 97.5])
    assert ours.mean == pytest.approx(values.mean()) and ours.n == 60
    assert ours.low == pytest.approx(low, abs=0.01) and ours.high == pytest.approx(high, abs=0.01)


def test_interval_is_seeded_and_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(30)
    whole = interval(values, seed=5)
    assert interval(values, seed=5) == whole != interval(values, seed=6)
    monkeypatch.setattr("turnwise.evaluation.metrics._CELLS", 64)
    cut = interval(values, seed=5)
    assert cut.low == pytest.approx(whole.low, abs=0.01) and cut.high == pytest.approx(whole.high, abs=0.01)


def test_intervals_cover_the_truth_about_95_times_of_100() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for trial in range(200):
        drawn = interval((rng.random(80) < 0.3).astype(float), seed=trial, bounded=True)
        covered += drawn.low <= 0.3 <= drawn.high
    assert 178 <= covered <= 199


def test_unanimous_tasks_do_not_claim_certainty() -> None:
    assert interval([1.0] * 20, bounded=True).low == pytest.approx(0.025 ** (1 / 20))
    assert interval([0.0] * 500, bounded=True).high == pytest.approx(1 - 0.025 ** (1 / 500))
    assert interval([0.5] * 9, bounded=True) == Interval(0.5, 0.5, 0.5, 9)
    assert interval([1.0] * 9) == Interval(1.0, 1.0, 1.0, 9)  # a difference is not bounded by 1


def test_no_values_is_an_error() -> None:
    with pytest.raises(TaskError, match="no episode to measure"):
        interval([])


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


def test_pooled_difference_resamples_runs_too() -> None:
    zero = dict.fromkeys(range(200), 0.0)
    gains = [dict.fromkeys(range(200), gain) for gain in (0.1, 0.2, 0.6)]
    one = pooled([(zero, gains[0])])
    assert (one.low, one.high) == (pytest.approx(0.1), pytest.approx(0.1))
    three = pooled([(zero, gain) for gain in gains])
    assert three.mean == pytest.approx(0.3)
    # With tasks alike, all that is left is the choice of 3 runs of 3: all-lowest and all-highest have chance 1/27 each.
    assert three.low == pytest.approx(0.1) and three.high == pytest.approx(0.6)


def test_pooled_difference_agrees_with_a_plain_loop() -> None:
    rng = np.random.default_rng(11)
    table = rng.normal(0.2, 0.5, size=(3, 25))
    runs = [(dict.fromkeys(range(25), 0.0), dict(enumerate(line))) for line in table]
    ours = pooled(runs, seed=4)
    draws = [table[np.ix_(rng.integers(3, size=3), rng.integers(25, size=25))].mean() for _ in range(6000)]
    low, high = np.percentile(draws, [2.5, 97.5])
    assert ours.low == pytest.approx(low, abs=0.02) and ours.high == pytest.approx(high, abs=0.02)


def test_unequal_runs_compare_on_the_tasks_they_share() -> None:
    gain = pooled([({0: 0.0, 1: 0.0}, {0: 1.0, 1: 1.0}), ({1: 0.0, "x": 0.0}, {1: 1.0, "x": 0.0})])
    assert (gain.mean, gain.n) == (1.0, 1)
