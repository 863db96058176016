"""Intervals against a plain loop, by simulation, and where the bootstrap has nothing to say."""

from __future__ import annotations

import numpy as np
import pytest

from turnwise.errors import TaskError
from turnwise.evaluation.intervals import Interval, interval, pooled


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
    monkeypatch.setattr("turnwise.evaluation.intervals._CELLS", 64)
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


def test_runs_over_different_tasks_resample_tasks_within_each() -> None:
    rng = np.random.default_rng(5)
    tables = [rng.normal(0.3, 0.4, size=20), rng.normal(0.1, 0.4, size=30)]
    runs = [(dict.fromkeys(range(k, k + len(t)), 0.0), dict(enumerate(t, start=k))) for k, t in zip((0, 10), tables, strict=True)]
    ours = pooled(runs, seed=1)
    assert ours.n == 40 and ours.mean == pytest.approx((tables[0].mean() + tables[1].mean()) / 2)
    drawn = [np.mean([rng.choice(tables[i], len(tables[i])).mean() for i in rng.integers(2, size=2)]) for _ in range(6000)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert ours.low == pytest.approx(low, abs=0.02) and ours.high == pytest.approx(high, abs=0.02)


def test_a_run_that_shares_no_task_with_itself() -> None:
    with pytest.raises(TaskError, match="nothing to compare"):
        pooled([({0: 0.0}, {0: 1.0}), ({1: 0.0}, {2: 1.0})])
