"""Charts of a training run as inline SVG: no script, no network, colours from the style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 44, 12, 12, 26


@dataclass(frozen=True, slots=True)
class Curve:
    """A named series; the style sheet colours `series-N` by its position in the chart."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    dots: bool = False
    """Draw the points too, for a series with few of them."""
    faint: bool = False
    """Draw it behind the first series in the same colour, for the values behind a trend."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A panel of the report: title, explanation, and its metrics as (name, label) pairs."""

    title: str
    about: str
    series: tuple[tuple[str, str], ...]
    low: float | None = None
    high: float | None = None
    percent: bool = False
    trend: bool = False
    """Draw the mean of the last five steps over the first series."""


def _share(title: str, about: str, *series: tuple[str, str], **options: bool) -> Chart:
    return Chart(title, about, series, 0, 1, percent=True, **options)


def _positive(title: str, about: str, *series: tuple[str, str], percent: bool = False) -> Chart:
    return Chart(title, about, series, 0, percent=percent)


CHARTS = (
    _share(
        "Success", "share of sampled episodes that succeed",
        ("success", "rollouts"), ("dev_success", "dev split"), trend=True,
    ),
    Chart(
        "Reward", "mean and spread of the return",
        (("reward", "mean"), ("reward_std", "standard deviation")), trend=True,
    ),
    _share(
        "Score", "the benchmark's own score",
        ("score", "rollouts"), ("dev_score", "dev split"), trend=True,
    ),
    _positive("Entropy", "nats per token, sampling policy", ("entropy", "entropy")),
    _positive(
        "Clip share", "share of tokens whose gradient the clip removed",
        ("clip_share", "clipped"), percent=True,
    ),
    _positive(
        "KL", "nats per token", ("kl_old", "to the old policy"), ("kl_ref", "to the reference")
    ),
    _positive("Length of a reply", "tokens", ("turn_tokens", "tokens per turn")),
    _positive("Length of an episode", "turns", ("turns", "turns")),
    _positive("Context", "tokens at the end of an episode", ("context_tokens", "tokens")),
    _positive(
        "Invalid and truncated", "shares of turns and of episodes",
        ("invalid", "invalid turns"), ("truncated", "truncated"), percent=True,
    ),
    _share(
        "Mixed groups", "groups with both success and failure", ("mixed_groups", "mixed groups")
    ),
    _positive(
        "Engine and learner", "mean difference of log-probabilities", ("engine_gap", "nats")
    ),
    _positive("Gradient", "norm before clipping", ("grad_norm", "norm")),
    _positive("Learning rate", "of AdamW", ("learning_rate", "rate")),
    _positive(
        "Speed", "tokens per second",
        ("generated_per_second", "generated"), ("trained_per_second", "trained"),
    ),
    _positive(
        "Time", "seconds per step", ("rollout_seconds", "rollouts"), ("update_seconds", "update")
    ),
)  # fmt: skip


def panels(metrics: Sequence[Mapping[str, float]]) -> str:
    """Return the HTML of every chart that has a value in these metrics (one mapping per step)."""
    return "".join(_panel(chart, metrics) for chart in CHARTS)


def _panel(chart: Chart, metrics: Sequence[Mapping[str, float]]) -> str:
    curves: list[Curve] = []
    for key, label in chart.series:
        xs, ys = ([m[name] for m in metrics if key in m] for name in ("step", key))
        if xs:
            curves.append(Curve(label, xs, ys, dots=len(xs) < len(metrics)))
    if not curves:
        return ""
    if chart.trend and len(curves[0].ys) > 5:
        first = curves[0]
        trend = Curve(f"{first.name}, mean of 5 steps", first.xs, smoothed(first.ys))
        curves = [trend, *curves[1:], Curve(first.name, first.xs, first.ys, faint=True)]
    named = [(k, c) for k, c in enumerate(curves) if not c.faint]
    names = "".join(
        f'<span><i style="background:var(--s{k})"></i>{escape(c.name)}</span>' for k, c in named
    )
    legend = f'<div class="legend">{names}</div>' if len(curves) > 1 else ""
    drawn = line_chart(curves, chart.low, chart.high, chart.percent)
    return (
        f'<div class="card"><h3>{escape(chart.title)}</h3>'
        f'<p class="soft">{escape(chart.about)}</p>{legend}{drawn}</div>'
    )


# SVG
# --------------------------------------------------------------------------------------------------


def line_chart(
    curves: Sequence[Curve], low: float | None = None, high: float | None = None,
    percent: bool = False,
) -> str:  # fmt: skip
    """Return the SVG of curves over the step; values that are not finite are gaps.

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
        share = (min(max(y, y0), y1) - y0) / (y1 - y0)
        return across, HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    names = escape(", ".join(c.name for c in curves))
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{names} by step">']
    for tick in ticks:
        _, y = at(x0, tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{LEFT - 6}" y="{y + 3.5:.1f}" text-anchor="end">'
            f"{number(tick, percent)}</text>"
        )
    for x in sorted({x0, round((x0 + x1) / 2), x1}):
        across, _ = at(x, y0)
        parts.append(
            f'<text class="tick" x="{across:.1f}" y="{HEIGHT - 8}" text-anchor="middle">'
            f"{x:g}</text>"
        )
    for k, curve in sorted(enumerate(curves), key=lambda item: (not item[1].faint, -item[0])):
        parts += _draw(curve, 0 if curve.faint else k, at, percent)
    return "".join([*parts, "</svg>"])


def _draw(
    curve: Curve, position: int, at: Callable[[float, float], tuple[float, float]], percent: bool
) -> list[str]:
    points = [
        (x, y, *at(x, y)) for x, y in zip(curve.xs, curve.ys, strict=True) if math.isfinite(y)
    ]
    if not points:
        return []
    path = " ".join(
        f"{'M' if k == 0 else 'L'}{px:.1f} {py:.1f}" for k, (_, _, px, py) in enumerate(points)
    )
    faint = " faint" if curve.faint else ""
    drawn = [f'<path class="line series-{position}{faint}" d="{path}"/>']
    visible = curve.dots or len(points) == 1
    kind, radius = ("dot", 3) if visible else ("hit", 5)
    for x, y, px, py in points:
        label = escape(f"{curve.name} {number(y, percent)} at step {x:g}")
        drawn.append(
            f'<circle class="{kind} series-{position}" cx="{px:.1f}" cy="{py:.1f}" r="{radius}">'
            f"<title>{label}</title></circle>"
        )
    return drawn


def interval_bar(mean: float, low: float, high: float, position: int) -> str:
    """Return the SVG of a bar from 0 to 1 with its 95 % interval as a whisker."""
    width, height = 220, 22

    def at(value: float) -> str:
        return f"{2 + min(max(value, 0.0), 1.0) * (width - 4):.1f}"

    left, right = at(low), at(high)
    label = f"{mean:.3f}, interval {low:.3f} to {high:.3f}"
    return (
        f'<svg class="bar" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">'
        f'<rect class="track" x="0" y="7" width="{width}" height="8" rx="4"/>'
        f'<rect class="fill series-{position}" x="0" y="7" width="{at(mean)}" height="8" rx="4"/>'
        f'<line class="whisker" x1="{left}" x2="{right}" y1="11" y2="11"/>'
        f'<line class="whisker" x1="{left}" x2="{left}" y1="5" y2="17"/>'
        f'<line class="whisker" x1="{right}" x2="{right}" y1="5" y2="17"/></svg>'
    )


# Numbers
# --------------------------------------------------------------------------------------------------


def axis_ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Return round numbers that cover `low` to `high`, at least two."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-300):
        pad = abs(low) * 0.1 or 1.0
        low, high = low - (pad if low != 0 else 0.0), low + pad
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * k for k in range(first, last + 1)]


def number(value: float, percent: bool = False) -> str:
    """Format a number shortly: `45 %`, `0.5 %`, `1.2k`, `0.0031`."""
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
    """Return the mean of the last `window` values at each position."""
    return [
        sum(values[max(0, k - window + 1) : k + 1]) / (k + 1 - max(0, k - window + 1))
        for k in range(len(values))
    ]
