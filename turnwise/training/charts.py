"""Line charts and interval bars as inline SVG: no script, no network, colours from the page's style
sheet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 26


@dataclass(frozen=True, slots=True)
class Curve:
    """A named series; the style sheet colours `series-N` by its place."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    dots: bool = False
    """Draw the points themselves, for series with few of them."""
    faint: bool = False
    """Draw it in the colour of the first series and behind it: what a trend is the trend of."""


def line_chart(
    curves: Sequence[Curve],
    low: float | None = None,
    high: float | None = None,
    percent: bool = False,
) -> str:
    """An SVG of some curves over the step; values that are not finite are gaps.

    Args:
        low, high: ends of the value axis where they are known, such as 0 and 1 for a share.
    """
    ys = [y for curve in curves for y in curve.ys if math.isfinite(y)]
    xs = [x for curve in curves for x in curve.xs]
    if not ys:
        return '<p class="empty">nothing recorded</p>'
    ticks = axis_ticks(min(ys) if low is None else low, max(ys) if high is None else high)
    x0, x1, y0, y1 = min(xs), max(max(xs), min(xs) + 1), ticks[0], ticks[-1]

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - (min(max(y, y0), y1) - y0) / (y1 - y0) * (
            HEIGHT - TOP - BOTTOM
        )

    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(", ".join(c.name for c in curves))} by step">'
    ]
    for tick in ticks:
        _, y = at(x0, tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">{number(tick, percent)}</text>'
        )
    for x in sorted({x0, round((x0 + x1) / 2), x1}):
        across, _ = at(x, y0)
        parts.append(
            f'<text class="tick" x="{across:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{x:g}</text>'
        )
    for place, curve in sorted(enumerate(curves), key=lambda item: (not item[1].faint, -item[0])):
        parts += _drawn(curve, 0 if curve.faint else place, at, percent)
    return "".join([*parts, "</svg>"])


def _drawn(curve: Curve, place: int, at: object, percent: bool) -> list[str]:
    assert callable(at)
    points = [
        (x, y, *at(x, y)) for x, y in zip(curve.xs, curve.ys, strict=True) if math.isfinite(y)
    ]
    if not points:
        return []
    path = " ".join(
        f"{'M' if k == 0 else 'L'}{px:.1f} {py:.1f}" for k, (_, _, px, py) in enumerate(points)
    )
    faint = " faint" if curve.faint else ""
    drawn = [f'<path class="line series-{place}{faint}" d="{path}"/>']
    radius = 3 if curve.dots or len(points) == 1 else 5
    shown = "dot" if curve.dots or len(points) == 1 else "hit"
    for x, y, px, py in points:
        label = escape(f"{curve.name} {number(y, percent)} at step {x:g}")
        drawn.append(
            f'<circle class="{shown} series-{place}" cx="{px:.1f}" cy="{py:.1f}" r="{radius}"><title>{label}</title></circle>'
        )
    return drawn


def interval_bar(mean: float, low: float, high: float, place: int) -> str:
    """A bar from 0 to 1 with its 95 % interval as a whisker."""
    width, height = 220, 22

    def at(value: float) -> float:
        return 2 + min(max(value, 0.0), 1.0) * (width - 4)

    return (
        f'<svg class="bar" viewBox="0 0 {width} {height}" role="img" aria-label="{mean:.3f}, interval {low:.3f} to {high:.3f}">'
        f'<rect class="track" x="0" y="7" width="{width}" height="8" rx="4"/>'
        f'<rect class="fill series-{place}" x="0" y="7" width="{at(mean):.1f}" height="8" rx="4"/>'
        f'<line class="whisker" x1="{at(low):.1f}" x2="{at(high):.1f}" y1="11" y2="11"/>'
        f'<line class="whisker" x1="{at(low):.1f}" x2="{at(low):.1f}" y1="5" y2="17"/>'
        f'<line class="whisker" x1="{at(high):.1f}" x2="{at(high):.1f}" y1="5" y2="17"/></svg>'
    )


def axis_ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers that cover `low` to `high`, at least two."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-300):
        pad = abs(low) * 0.1 or 1.0
        low, high = low - (pad if low != 0 else 0.0), low + pad
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * k for k in range(first, last + 1)]


def number(value: float, percent: bool = False) -> str:
    """A short number: `45 %`, `0.5 %`, `1.2k`, `0.0031`."""
    if percent:
        return f"{100 * value:.0f} %" if abs(value) >= 0.1 else f"{100 * value:.2g} %"
    size = abs(value)
    if size >= 999_500:  # what rounds to a million
        return f"{value / 1e6:.3g}M"
    if size >= 999.5:
        return f"{value / 1e3:.3g}k"
    if size == 0:
        return "0"
    return f"{value:.3g}" if size >= 1e-3 else f"{value:.0e}"


def smoothed(values: Sequence[float], window: int = 5) -> list[float]:
    """The mean of the last `window` values at each place."""
    return [
        sum(values[max(0, k - window + 1) : k + 1]) / (k + 1 - max(0, k - window + 1))
        for k in range(len(values))
    ]
