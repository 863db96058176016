"""`report.html`: what a run did, in one file that needs nothing else.

It is made from the run folder alone, so it can be made again at any time, also of a run that was
broken off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from turnwise.evaluation import score as scores
from turnwise.evaluation.score import Score, compare
from turnwise.records import Trajectory, read_jsonl
from turnwise.training.charts import Curve, interval_bar, line_chart, number, smoothed
from turnwise.training.run_folder import read_json, read_metrics, write_whole

STYLE = Path(__file__).with_name("report.css")
LONGEST = 1500
"""Characters of one observation that are shown."""


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title><style>{style}</style></head>
<body><main>{body}</main></body></html>
"""


@dataclass(frozen=True, slots=True)
class Chart:
    """One panel: a title, what it means, and the metrics it draws by (metric, label)."""

    title: str
    about: str
    series: tuple[tuple[str, str], ...]
    low: float | None = None
    high: float | None = None
    percent: bool = False
    trend: bool = False
    """Draw the mean of the last five steps over the first series."""


CHARTS = (
    Chart(
        "Success",
        "share of sampled episodes that succeed",
        (("success", "rollouts"), ("dev_success", "dev split")),
        0,
        1,
        True,
        True,
    ),
    Chart(
        "Reward",
        "mean and spread of the return",
        (("reward", "mean"), ("reward_std", "standard deviation")),
        trend=True,
    ),
    Chart(
        "Score",
        "the benchmark's own score",
        (("score", "rollouts"), ("dev_score", "dev split")),
        0,
        1,
        True,
        True,
    ),
    Chart("Entropy", "nats a token, of the policy that sampled", (("entropy", "entropy"),), 0),
    Chart(
        "Clip share",
        "share of tokens whose gradient the clip removed",
        (("clip_share", "clipped"),),
        0,
        percent=True,
    ),
    Chart(
        "KL", "nats a token", (("kl_old", "to the old policy"), ("kl_ref", "to the reference")), 0
    ),
    Chart("Length of a reply", "tokens", (("turn_tokens", "tokens a turn"),), 0),
    Chart("Length of an episode", "turns", (("turns", "turns"),), 0),
    Chart("Context", "tokens at the end of an episode", (("context_tokens", "tokens"),), 0),
    Chart(
        "Invalid and cut off",
        "shares of turns and of episodes",
        (("invalid", "invalid turns"), ("truncated", "cut off")),
        0,
        percent=True,
    ),
    Chart(
        "Groups that teach",
        "groups with both success and failure",
        (("mixed_groups", "mixed groups"),),
        0,
        1,
        True,
    ),
    Chart(
        "Engine and learner", "mean difference of log-probabilities", (("engine_gap", "nats"),), 0
    ),
    Chart("Gradient", "norm before clipping", (("grad_norm", "norm"),), 0),
    Chart("Learning rate", "of AdamW", (("learning_rate", "rate"),), 0),
    Chart(
        "Speed",
        "tokens a second",
        (("generated_per_second", "generated"), ("trained_per_second", "trained")),
        0,
    ),
    Chart(
        "Time",
        "seconds of a step",
        (("rollout_seconds", "rollouts"), ("update_seconds", "update")),
        0,
    ),
)


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder; returns its path. Raises `DataError` for a folder that
    is not whole.
    """
    config, facts = read_json(folder / "config.json"), read_json(folder / "facts.json")
    metrics = list(read_metrics(folder))
    before, after = (
        scores.read(path) if (path := folder / f"{name}.json").is_file() else None
        for name in ("before", "after")
    )
    title = f"{config['run']['name']} · {config['algorithm']['name']} on {facts['environment']}"
    body = [
        _head(title, config, facts, metrics), _tiles(before, after, metrics, config), _table(before, after), _warm(folder),
        _curves(metrics), _episodes(folder, config), _conditions(config, facts),
    ]  # fmt: skip
    page = PAGE.format(
        title=escape(title), style=STYLE.read_text(encoding="utf8"), body="".join(body)
    )
    write_whole(folder / "report.html", page)
    return folder / "report.html"


def _head(
    title: str,
    config: Mapping[str, Any],
    facts: Mapping[str, Any],
    metrics: Sequence[Mapping[str, float]],
) -> str:
    tiny = config["model"]["tiny"]
    model = config["model"]["path"] or f"tiny, {tiny['layers']} layers of {tiny['hidden']}"
    chips = {
        "environment": facts["environment"], "prompt": facts["prompt"], "model": model, "algorithm": config["algorithm"]["name"],
        "seed": config["run"]["seed"], "steps": f"{len(metrics)} of {config['train']['steps']}", "data": facts["data_hash"][:12],
    }  # fmt: skip
    shown = "".join(
        f'<span class="chip"><span class="soft">{escape(k)}</span> <b>{escape(str(v))}</b></span>'
        for k, v in chips.items()
    )
    return f'<h1>{escape(title)}</h1><p class="soft">A run of turnwise</p><div class="chips">{shown}</div>'


def _tiles(
    before: Score | None,
    after: Score | None,
    metrics: Sequence[Mapping[str, float]],
    config: Mapping[str, Any],
) -> str:
    tiles: list[str] = []
    split = config["eval"]["split"]
    for name, made in (("before", before), ("after", after)):
        if made is not None:
            s = made.metrics.success
            tiles.append(
                _tile(
                    f"success on {split}, {name}",
                    f"{100 * s.mean:.1f} %",
                    f"95 %: {100 * s.low:.1f} to {100 * s.high:.1f}",
                )
            )
    if before is not None and after is not None:
        d = compare(before, after)
        mood = ("good" if d.low > 0 else "bad") if d.excludes_zero else ""
        text = f"95 %: {100 * d.low:+.1f} to {100 * d.high:+.1f} over {d.n} tasks"
        tiles.append(_tile("difference, in points", f"{100 * d.mean:+.1f}", text, mood))
    if metrics:
        seconds = sum(m.get("seconds", 0.0) for m in metrics)
        episodes = sum(m.get("episodes", 0.0) for m in metrics)
        tiles.append(
            _tile(
                "reinforcement",
                f"{seconds / 60:.1f} min",
                f"{episodes:,.0f} episodes in {len(metrics)} steps",
            )
        )
    return f'<section class="hero">{"".join(tiles)}</section>'


def _tile(what: str, big: str, small: str, mood: str = "") -> str:
    return (
        f'<div class="card tile"><div class="what">{escape(what)}</div><div class="big {mood}">{escape(big)}</div>'
        f'<div class="range">{escape(small)}</div></div>'
    )


def _table(before: Score | None, after: Score | None) -> str:
    made = [
        (name, score) for name, score in (("before", before), ("after", after)) if score is not None
    ]
    if not made:
        return ""
    lines = []
    for what in ("success", "score"):
        for place, (name, score) in enumerate(made):
            value = getattr(score.metrics, what)
            text = f"{100 * value.mean:.1f} %</td><td class='soft'>{100 * value.low:.1f} to {100 * value.high:.1f}"
            bar = interval_bar(value.mean, value.low, value.high, place)
            lines.append(f"<tr><td>{what}</td><td>{name}</td><td>{bar}</td><td>{text}</td></tr>")
    for label, key, form in (
        ("turns an episode", "turns", ".1f"),
        ("tokens an episode", "generated_tokens", ".0f"),
    ):
        for name, score in made:
            lines.append(
                f"<tr><td>{label}</td><td>{name}</td><td></td><td>{getattr(score.metrics, key):{form}}</td><td></td></tr>"
            )
    for name, score in made:
        share = f"{100 * score.metrics.invalid_actions:.1f} %"
        lines.append(
            f"<tr><td>invalid turns</td><td>{name}</td><td></td><td>{share}</td><td></td></tr>"
        )
    one = made[0][1]
    about = f"{len(one.task_ids)} of the {one.split_tasks} tasks in {one.split}, temperature {one.sampling.get('temperature', 0)}"
    head = "<tr><th></th><th></th><th></th><th>mean</th><th>95 % interval over tasks</th></tr>"
    return (
        f'<h2>Held out</h2><p class="soft">{escape(about)}. Nothing was tuned on these tasks.</p>'
        f'<div class="card wide"><table>{head}{"".join(lines)}</table></div>'
    )


def _warm(folder: Path) -> str:
    path = folder / "start" / "warm_start.json"
    if not path.is_file():
        return ""
    facts = read_json(path)
    said = f"{facts['demonstrations']:,} demonstrations, {number(facts['tokens'])} tokens in {facts['seconds']:.0f} s"
    if "held_out_turn" in facts:
        said += f"; an unseen turn of the expert has probability {facts['held_out_turn']:.2f}"
    curve = Curve("loss", [at[0] for at in facts["curve"]], [at[1] for at in facts["curve"]])
    return (
        f'<h2>Warm start</h2><div class="card warm"><div><h3>Loss</h3><p class="soft">{escape(said)}</p>'
        f"</div>{line_chart([curve], low=0)}</div>"
    )


def _curves(metrics: Sequence[Mapping[str, float]]) -> str:
    if not metrics:
        return ""
    panels = [panel for chart in CHARTS if (panel := _panel(chart, metrics))]
    return f'<h2>Reinforcement, step by step</h2><div class="curves">{"".join(panels)}</div>'


def _panel(chart: Chart, metrics: Sequence[Mapping[str, float]]) -> str:
    curves: list[Curve] = []
    for key, label in chart.series:
        points = [(m["step"], m[key]) for m in metrics if key in m]
        if points:
            curves.append(
                Curve(
                    label,
                    [x for x, _ in points],
                    [y for _, y in points],
                    dots=len(points) < len(metrics),
                )
            )
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
    return f'<div class="card"><h3>{escape(chart.title)}</h3><p class="soft">{escape(chart.about)}</p>{legend}{drawn}</div>'


def _episodes(folder: Path, config: Mapping[str, Any]) -> str:
    played = {
        name: {t.task: t for t in reversed(list(read_jsonl(path)))}
        for name in ("before", "after")
        if (path := folder / "trajectories" / f"{name}.jsonl").is_file()
    }
    if not played or not config["eval"]["samples"]:
        return ""
    shared = [
        task
        for task in reversed(list(next(iter(played.values()))))
        if all(task in found for found in played.values())
    ]
    # Tasks that reinforcement changed say most, so they come first.
    shared.sort(key=lambda task: len({found[task].success for found in played.values()}) == 1)
    pairs = []
    for task in shared[: config["eval"]["samples"]]:
        cards = "".join(
            _episode(f"task {task}, {name}", found[task]) for name, found in played.items()
        )
        pairs.append(f'<div class="pair">{cards}</div>')
    about = "Tasks whose outcome changed come first."
    return f'<h2>Episodes</h2><p class="soft">{about}</p>{"".join(pairs)}'


def _episode(title: str, trajectory: Trajectory) -> str:
    end = "success" if trajectory.success else trajectory.error or trajectory.stop_reason
    said = []
    for turn in trajectory.turns:
        seen = (
            turn.observation
            if len(turn.observation) <= LONGEST
            else f"{turn.observation[:LONGEST]} …"
        )
        said.append(f'<div class="said user">{escape(seen)}</div>')
        said.append(
            f'<div class="said agent{"" if turn.valid else " invalid"}">{escape(turn.completion)}</div>'
        )
    mood = "good" if trajectory.success else "bad"
    head = f'<h3><span>{escape(title)}</span><span class="{mood}">{escape(end)}, score {trajectory.score:.2f}</span></h3>'
    return f'<div class="card">{head}<details open><summary>{len(trajectory.turns)} turns</summary>{"".join(said)}</details></div>'


def _conditions(config: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    parts = (("config", config), ("versions and hashes", facts))
    shown = "".join(
        f"<details><summary>{name}</summary><pre>{escape(json.dumps(data, indent=2))}</pre></details>"
        for name, data in parts
    )
    return f'<h2>Conditions</h2><div class="card">{shown}</div>'
