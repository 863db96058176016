"""Statistics over processes, among them exact order statistics from sums."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.algorithms.reducer import Reducer

numbers = st.lists(st.floats(allow_nan=False), min_size=1, max_size=30)
plain = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30)


@given(numbers)
def test_order_statistics_are_those_of_sorting(values):
    array = np.array(values)
    reducer = Reducer()
    assert [reducer.order(array, k) for k in range(len(values))] == sorted(values)
    assert reducer.minimum(array) == min(values) and reducer.maximum(array) == max(values)


@given(plain, st.floats(0, 1))
def test_quantile_is_the_smallest_value_that_covers_the_share(values, q):
    cut = Reducer().quantile(np.array(values), q)
    assert cut in values and np.mean(np.array(values) <= cut) >= q - 1e-12
    lower = [v for v in values if v < cut]
    assert not lower or np.mean(np.array(values) <= max(lower)) < q


@given(plain)
def test_mean_and_deviation_are_numpys(values):
    reducer = Reducer()
    assert reducer.mean(np.array(values)) == pytest.approx(np.mean(values), abs=1e-6)
    assert reducer.std(np.array(values)) == pytest.approx(
        np.std(values, ddof=1), rel=1e-9, abs=1e-9
    )


def test_statistics_of_an_empty_batch():
    reducer = Reducer()
    assert np.isnan(reducer.minimum(np.zeros(0))) and np.isnan(reducer.quantile(np.zeros(0), 0.5))
    assert (
        reducer.mean(np.zeros(0)) == 0.0
        and reducer.std(np.ones(1)) == 0.0
        and reducer.count(np.zeros(0)) == 0
    )


def test_unequal_shares_of_processes_give_the_same_statistics():
    shares = [np.array([3.0, -1.0, 8.5]), np.zeros(0), np.array([2.0, -7.25])]
    parts, gate, answers = [np.zeros(0)] * 3, threading.Barrier(3, timeout=10), [()] * 3

    def work(rank):
        def add(array):
            parts[rank] = array
            gate.wait()
            total = np.sum(parts, axis=0)
            gate.wait()
            return total

        t, mine = Reducer(add), shares[rank]
        answers[rank] = (
            t.minimum(mine),
            t.maximum(mine),
            t.quantile(mine, 0.5),
            t.mean(mine),
            t.std(mine),
            t.count(mine),
        )

    threads = [threading.Thread(target=work, args=(rank,), daemon=True) for rank in range(3)]
    [t.start() for t in threads]
    [t.join(20) for t in threads]
    everything = np.concatenate(shares)
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][:3] == (-7.25, 8.5, 2.0)
    assert answers[0][3:] == pytest.approx((everything.mean(), everything.std(ddof=1), 5))
