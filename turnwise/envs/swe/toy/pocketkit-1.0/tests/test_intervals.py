import pytest

from pocketkit import intervals


def test_merge_overlapping_and_touching():
    assert intervals.merge([(5, 8), (1, 3), (3, 4), (2, 3)]) == [(1, 4), (5, 8)]


def test_merge_one_inside_another():
    assert intervals.merge([(0, 10), (2, 3)]) == [(0, 10)]


def test_merge_drops_empty_ones():
    assert intervals.merge([(4, 4), (1, 2), (9, 7)]) == [(1, 2)]


def test_length_counts_once():
    assert intervals.length([(0, 4), (2, 6)]) == 6
    assert intervals.length([]) == 0


def test_contains_the_start_but_not_the_end():
    assert intervals.contains([(1, 3)], 1)
    assert not intervals.contains([(1, 3)], 3)
    assert not intervals.contains([(1, 3)], 0)


def test_intersect():
    assert intervals.intersect([(0, 5), (7, 9)], [(3, 8)]) == [(3, 5), (7, 8)]


def test_intersect_of_those_that_touch_is_empty():
    assert intervals.intersect([(0, 5)], [(5, 8)]) == []


def test_intersect_with_many():
    assert intervals.intersect([(0, 20)], [(1, 2), (4, 6), (19, 30)]) == [(1, 2), (4, 6), (19, 20)]


def test_gaps():
    assert intervals.gaps([(2, 4), (6, 7)], 0, 10) == [(0, 2), (4, 6), (7, 10)]


def test_gaps_at_the_borders():
    assert intervals.gaps([(-5, 1), (9, 20)], 0, 10) == [(1, 9)]
    assert intervals.gaps([(0, 10)], 0, 10) == []
    assert intervals.gaps([], 3, 5) == [(3, 5)]


def test_gaps_ignores_what_lies_outside():
    assert intervals.gaps([(-9, -3), (12, 14)], 0, 10) == [(0, 10)]


def test_shift():
    assert intervals.shift([(3, 4), (0, 1)], -2) == [(1, 2), (-2, -1)]


def test_split():
    assert intervals.split((0, 7), 3) == [(0, 3), (3, 6), (6, 7)]
    assert intervals.split((0, 2), 1) == [(0, 1), (1, 2)]
    with pytest.raises(ValueError):
        intervals.split((0, 7), 0)
