"""Charts say the numbers they were given, whatever those are."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.training.charts import (
    BOTTOM,
    HEIGHT,
    TOP,
    Curve,
    axis_ticks,
    interval_bar,
    line_chart,
    number,
    smoothed,
)

SUFFIX = {"k": 1e3, "M": 1e6}


@given(value=st.floats(1e-3, 1e8), sign=st.sampled_from([1, -1]))
def test_a_short_number_reads_back(value: float, sign: int) -> None:
    text = number(sign * value)
    assert "e" not in text or value >= 1e9, "1e+03 is no short number"
    factor = SUFFIX.get(text[-1], 1.0)
    assert float(text.rstrip("kM")) * factor == pytest.approx(sign * value, rel=6e-3)
    assert len(text.removeprefix("-")) <= 7


@given(value=st.floats(0, 1))
def test_a_percentage_reads_back(value: float) -> None:
    text = number(value, percent=True)
    assert text.endswith(" %") and float(text[:-2]) / 100 == pytest.approx(
        value, rel=0.06, abs=1e-9
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(999.4, "999"), (999.7, "1k"), (999_499, "999k"), (999_700, "1M"), (-1500, "-1.5k")],
)
def test_numbers_at_the_edge_of_a_suffix(value: float, text: str) -> None:
    assert number(value) == text


@given(low=st.floats(-1e9, 1e9), high=st.floats(-1e9, 1e9))
def test_ticks_are_even_and_rise(low: float, high: float) -> None:
    ticks = axis_ticks(low, high)
    steps = [b - a for a, b in pairwise(ticks)]
    assert len(steps) >= 1 and min(steps) > 0
    assert max(steps) == pytest.approx(min(steps), rel=1e-3)


def test_higher_values_are_drawn_higher_and_later_ones_further_right() -> None:
    drawn = ElementTree.fromstring(line_chart([Curve("a", [1, 2, 3], [0.1, 0.9, 0.5])], 0, 1))
    circles = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in drawn.iter("circle")]
    (x1, y1), (x2, y2), (x3, y3) = circles
    assert x1 < x2 < x3 and y2 < y3 < y1
    assert y3 == pytest.approx((TOP + HEIGHT - BOTTOM) / 2, abs=0.1)


def test_a_value_outside_the_axis_is_drawn_at_its_edge_and_named_as_it_is() -> None:
    drawn = ElementTree.fromstring(line_chart([Curve("kl", [1, 2], [-0.5, 0.5])], low=0))
    first = next(drawn.iter("circle"))
    assert float(first.attrib["cy"]) == HEIGHT - BOTTOM
    assert first.findtext("title") == "kl -0.5 at step 1"


def test_gaps_are_left_out_and_a_faint_curve_lies_behind() -> None:
    curves = [
        Curve("trend", [1, 2, 3], [1.0, 2.0, 3.0]),
        Curve("raw", [1, 2, 3], [1.0, math.inf, 3.0], faint=True),
    ]
    drawn = line_chart(curves)
    paths = re.findall(r'<path class="([^"]*)" d="([^"]*)"', drawn)
    assert [name for name, _ in paths] == ["line series-0 faint", "line series-0"]
    assert paths[0][1].count("L") == 1 and paths[1][1].count("L") == 2


def test_a_single_point_is_seen() -> None:
    assert 'class="dot series-0"' in line_chart([Curve("a", [5], [0.5])])
    assert "nothing recorded" in line_chart([]) and "nothing recorded" in line_chart(
        [Curve("a", [], [])]
    )


@given(mean=st.floats(-2, 2), spread=st.floats(0, 2))
def test_a_bar_stays_in_its_track(mean: float, spread: float) -> None:
    drawn = ElementTree.fromstring(interval_bar(mean, mean - spread, mean + spread, 1))
    for line in drawn.iter("line"):
        assert 0 <= float(line.attrib["x1"]) <= float(line.attrib["x2"]) <= 220
    assert [float(r.attrib["width"]) <= 220 for r in drawn.iter("rect")] == [True, True]


@given(values=st.lists(st.floats(-100, 100), max_size=30), window=st.integers(1, 8))
def test_smoothing_is_the_mean_of_the_last_ones(values: list[float], window: int) -> None:
    found = smoothed(values, window)
    assert len(found) == len(values)
    for k, value in enumerate(found):
        last = values[: k + 1][-window:]
        assert value == pytest.approx(sum(last) / len(last), abs=1e-9)
