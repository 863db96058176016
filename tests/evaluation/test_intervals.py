"""Intervals against a plain loop, by simulation, and where the bootstrap has nothing to say."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnwise.errors import TaskError
from turnwise.evaluation.intervals import Interval, interval, pooled


def test_interval_is_the_percentile_bootstrap() -> None:
    values = np.random.default_rng(3).random(60)
    rng = np.random.default_rng(99)
    means = [rng.choice(values, size=60).mean() for _ in range(4000)]
    ours, (low, high) = interval(values, seed=1), np.percentile(means, [2.5, 97.5])
    assert ours.mean == pytest.approx(values.mean()) and ours.n == 60
    assert ours.low == pytest.approx(low, abs=0.01) and ours.high == pytest.approx(high, abs=0.01)


def test_interval_is_seeded_and_does_not_depend_on_the_blocks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(0).random(30)
    whole = interval(values, seed=5)
    assert interval(values, seed=5) == whole != interval(values, seed=6)
    monkeypatch.setattr("turnwise.evaluation.intervals.MAX_RESAMPLED_VALUES", 64)
    cut = interval(values, seed=5)
    assert cut.low == pytest.approx(whole.low, abs=0.01) and cut.high == pytest.approx(
        whole.high, abs=0.01
    )


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


@settings(deadline=None, max_examples=40)
@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    seed=st.integers(0, 99),
    bounded=st.booleans(),
)
def test_an_interval_lies_within_its_values_around_its_mean(
    values: list[float], seed: int, bounded: bool
) -> None:
    with patch("turnwise.evaluation.intervals.RESAMPLES", 500):
        found = interval(values, seed, bounded)
        turned = interval([-v for v in values], seed)
    assert found.n == len(values) and found.mean == pytest.approx(np.mean(values))
    low, high = (0.0, 1.0) if bounded else (min(values), max(values))
    assert (
        low - 1e-9 <= found.low <= found.mean + 1e-9
        and found.mean - 1e-9 <= found.high <= high + 1e-9
    )
    if not (bounded and len(set(values)) == 1):
        assert (turned.low, turned.high) == (
            pytest.approx(-found.high),
            pytest.approx(-found.low),
        ), "no side is favoured"


@given(n=st.integers(1, 400))
def test_the_limit_of_unanimity_tightens_with_the_number_of_tasks(n: int) -> None:
    all_, none = interval([1.0] * n, bounded=True), interval([0.0] * n, bounded=True)
    assert all_.high == 1.0 and none.low == 0.0 and all_.low == pytest.approx(1 - none.high)
    assert all_.low < interval([1.0] * (n + 1), bounded=True).low < 1.0
    # Someone who succeeds with that chance at each task succeeds at all n in one of 40 evaluations.
    assert all_.low**n == pytest.approx(0.025)


def test_an_interval_on_either_side_excludes_zero() -> None:
    sides = [(0.1, 0.2), (-0.2, -0.1), (0.0, 0.2), (-0.2, 0.0), (-0.1, 0.1)]
    assert [Interval(0, low, high, 3).excludes_zero for low, high in sides] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert str(Interval(0.5, 0.25, 0.75, 3)) == "0.500 [0.250, 0.750]"


def test_more_tasks_make_a_narrower_interval() -> None:
    widths = [(found := interval([0.0, 1.0] * n, seed=2)).high - found.low for n in (10, 40, 160)]
    assert widths[0] > 1.6 * widths[1] > 1.6**2 * widths[2]


def test_pooling_is_paired_and_turns_with_the_sides() -> None:
    rng = np.random.default_rng(1)
    runs = [(dict(enumerate(rng.random(15))), dict(enumerate(rng.random(15)))) for _ in range(3)]
    gain, loss = pooled(runs, seed=3), pooled([(after, before) for before, after in runs], seed=3)
    assert loss.mean == pytest.approx(-gain.mean)
    assert (loss.low, loss.high) == (pytest.approx(-gain.high), pytest.approx(-gain.low))
    assert pooled(runs[:1], seed=3) == interval(
        [runs[0][1][k] - runs[0][0][k] for k in range(15)], seed=3
    )


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
    # With tasks alike, all that is left is the choice of 3 runs of 3: all-lowest and all-highest
    # have chance 1/27 each.
    assert three.low == pytest.approx(0.1) and three.high == pytest.approx(0.6)


def test_pooled_difference_agrees_with_a_plain_loop() -> None:
    rng = np.random.default_rng(11)
    table = rng.normal(0.2, 0.5, size=(3, 25))
    runs = [(dict.fromkeys(range(25), 0.0), dict(enumerate(line))) for line in table]
    ours = pooled(runs, seed=4)
    draws = [
        table[np.ix_(rng.integers(3, size=3), rng.integers(25, size=25))].mean()
        for _ in range(6000)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    assert ours.low == pytest.approx(low, abs=0.02) and ours.high == pytest.approx(high, abs=0.02)


def test_runs_over_different_tasks_resample_tasks_within_each() -> None:
    rng = np.random.default_rng(5)
    tables = [rng.normal(0.3, 0.4, size=20), rng.normal(0.1, 0.4, size=30)]
    runs = [
        (dict.fromkeys(range(k, k + len(t)), 0.0), dict(enumerate(t, start=k)))
        for k, t in zip((0, 10), tables, strict=True)
    ]
    ours = pooled(runs, seed=1)
    assert ours.n == 40 and ours.mean == pytest.approx((tables[0].mean() + tables[1].mean()) / 2)
    drawn = [
        np.mean([rng.choice(tables[i], len(tables[i])).mean() for i in rng.integers(2, size=2)])
        for _ in range(6000)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    assert ours.low == pytest.approx(low, abs=0.02) and ours.high == pytest.approx(high, abs=0.02)


def test_a_run_that_shares_no_task_with_itself() -> None:
    with pytest.raises(TaskError, match="nothing to compare"):
        pooled([({0: 0.0}, {0: 1.0}), ({1: 0.0}, {2: 1.0})])
