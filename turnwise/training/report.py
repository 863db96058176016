"""`report.html`: the curves, scores and episodes of a run in one file, without external resources.

It is made from the run folder alone, so it can be made again at any time, also for a run that was
stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from turnwise.evaluation import score as scores
from turnwise.evaluation.score import Score, compare
from turnwise.records import Trajectory, read_jsonl
from turnwise.training.charts import Curve, interval_bar, line_chart, number, panels
from turnwise.training.run_folder import read_json, read_metrics, write_atomically

STYLE_SHEET = Path(__file__).with_name("report.css")
MAX_OBSERVATION_CHARS = 1500
"""Longer observations are cut."""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title><style>{style}</style></head>
<body><main>{body}</main></body></html>
"""


def write_report(folder: Path) -> Path:
    """Write `report.html` into a run folder; return its path.

    Raises:
        DataError: for a folder that is not a complete run folder.
    """
    config, facts = read_json(folder / "config.json"), read_json(folder / "facts.json")
    metrics = list(read_metrics(folder))
    before, after = (
        scores.read(path) if (path := folder / f"{name}.json").is_file() else None
        for name in ("before", "after")
    )
    title = f"{config['run']['name']} · {config['algorithm']['name']} on {facts['environment']}"
    body = [
        _head(title, config, facts, metrics), _tiles(before, after, metrics),
        _table(before, after), _sft(folder), _curves(metrics), _episodes(folder, config),
        _conditions(config, facts),
    ]  # fmt: skip
    style = STYLE_SHEET.read_text(encoding="utf8")
    page = PAGE.format(title=escape(title), style=style, body="".join(body))
    write_atomically(folder / "report.html", page)
    return folder / "report.html"


def _head(
    title: str, config: Mapping[str, Any], facts: Mapping[str, Any],
    metrics: Sequence[Mapping[str, float]],
) -> str:  # fmt: skip
    tiny = config["model"]["tiny"]
    chips = {
        "environment": facts["environment"],
        "prompt": facts["prompt"],
        "model": config["model"]["path"] or f"tiny, {tiny['layers']} layers of {tiny['hidden']}",
        "algorithm": config["algorithm"]["name"],
        "seed": config["run"]["seed"],
        "steps": f"{len(metrics)} of {config['train']['steps']}",
        "data": facts["data_hash"][:12],
    }
    shown = "".join(
        f'<span class="chip"><span class="soft">{escape(k)}</span> <b>{escape(str(v))}</b></span>'
        for k, v in chips.items()
    )
    return (
        f'<h1>{escape(title)}</h1><p class="soft">A training run of turnwise</p>'
        f'<div class="chips">{shown}</div>'
    )


def _tiles(
    before: Score | None, after: Score | None, metrics: Sequence[Mapping[str, float]]
) -> str:
    tiles: list[str] = []
    for name, score in (("before", before), ("after", after)):
        if score is not None:
            s = score.metrics.success
            interval = f"95 %: {100 * s.low:.1f} to {100 * s.high:.1f}"
            tiles.append(
                _tile(f"success on {score.split}, {name}", f"{100 * s.mean:.1f} %", interval)
            )
    if before is not None and after is not None:
        d = compare(before, after)
        mood = ("good" if d.low > 0 else "bad") if d.excludes_zero else ""
        text = f"95 %: {100 * d.low:+.1f} to {100 * d.high:+.1f} over {d.n} tasks"
        tiles.append(_tile("difference, in points", f"{100 * d.mean:+.1f}", text, mood))
    if metrics:
        seconds = sum(m.get("seconds", 0.0) for m in metrics)
        episodes = sum(m.get("episodes", 0.0) for m in metrics)
        text = f"{episodes:,.0f} episodes in {len(metrics)} steps"
        tiles.append(_tile("RL", f"{seconds / 60:.1f} min", text))
    return f'<section class="hero">{"".join(tiles)}</section>'


def _tile(label: str, value: str, small: str, mood: str = "") -> str:
    return (
        f'<div class="card tile"><div class="what">{escape(label)}</div>'
        f'<div class="big {mood}">{escape(value)}</div>'
        f'<div class="range">{escape(small)}</div></div>'
    )


def _table(before: Score | None, after: Score | None) -> str:
    measured = [(name, s) for name, s in (("before", before), ("after", after)) if s is not None]
    if not measured:
        return ""
    lines = []
    for what in ("success", "score"):
        for k, (name, score) in enumerate(measured):
            value = getattr(score.metrics, what)
            mean, low, high = (f"{100 * v:.1f}" for v in (value.mean, value.low, value.high))
            bar = interval_bar(value.mean, value.low, value.high, k)
            lines.append(_table_row(what, name, bar, f"{mean} %", f"{low} to {high}"))
    for label, key, form in (
        ("turns per episode", "turns", ".1f"),
        ("tokens per episode", "generated_tokens", ".0f"),
    ):
        for name, score in measured:
            lines.append(_table_row(label, name, "", f"{getattr(score.metrics, key):{form}}"))
    for name, score in measured:
        share = f"{100 * score.metrics.invalid_actions:.1f} %"
        lines.append(_table_row("invalid turns", name, "", share))
    one = measured[0][1]
    about = (
        f"{len(one.task_ids)} of the {one.split_tasks} tasks in {one.split}, "
        f"temperature {one.sampling.get('temperature', 0)}"
    )
    head = "<tr><th></th><th></th><th></th><th>mean</th><th>95 % interval over tasks</th></tr>"
    return (
        f'<h2>Held out</h2><p class="soft">{escape(about)}. Nothing was tuned on these tasks.</p>'
        f'<div class="card wide"><table>{head}{"".join(lines)}</table></div>'
    )


def _table_row(label: str, name: str, bar: str, value: str, interval: str = "") -> str:
    return (
        f"<tr><td>{label}</td><td>{name}</td><td>{bar}</td><td>{value}</td>"
        f"<td class='soft'>{interval}</td></tr>"
    )


def _sft(folder: Path) -> str:
    path = folder / "start" / "warm_start.json"
    if not path.is_file():
        return ""
    facts = read_json(path)
    text = (
        f"{facts['demonstrations']:,} demonstrations, {number(facts['tokens'])} tokens "
        f"in {facts['seconds']:.0f} s"
    )
    if "held_out_turn" in facts:
        text += f"; a held-out turn of the expert has probability {facts['held_out_turn']:.2f}"
    curve = Curve("loss", [at[0] for at in facts["curve"]], [at[1] for at in facts["curve"]])
    return (
        f'<h2>SFT warm start</h2><div class="card warm"><div><h3>Loss</h3>'
        f'<p class="soft">{escape(text)}</p></div>{line_chart([curve], low=0)}</div>'
    )


def _curves(metrics: Sequence[Mapping[str, float]]) -> str:
    if not metrics:
        return ""
    return f'<h2>RL, step by step</h2><div class="curves">{panels(metrics)}</div>'


def _episodes(folder: Path, config: Mapping[str, Any]) -> str:
    played = {
        name: {t.task: t for t in reversed(list(read_jsonl(path)))}
        for name in ("before", "after")
        if (path := folder / "trajectories" / f"{name}.jsonl").is_file()
    }
    if not played or not config["eval"]["samples"]:
        return ""
    first = reversed(list(next(iter(played.values()))))
    shared = [task for task in first if all(task in found for found in played.values())]
    # Sorting is stable: tasks whose outcome changed come first, in their order.
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
    messages = []
    for turn in trajectory.turns:
        observation = turn.observation
        if len(observation) > MAX_OBSERVATION_CHARS:
            observation = f"{observation[:MAX_OBSERVATION_CHARS]} …"
        invalid = "" if turn.valid else " invalid"
        messages.append(
            f'<div class="said user">{escape(observation)}</div>'
            f'<div class="said agent{invalid}">{escape(turn.completion)}</div>'
        )
    mood = "good" if trajectory.success else "bad"
    return (
        f'<div class="card"><h3><span>{escape(title)}</span>'
        f'<span class="{mood}">{escape(end)}, score {trajectory.score:.2f}</span></h3>'
        f"<details open><summary>{len(trajectory.turns)} turns</summary>"
        f"{''.join(messages)}</details></div>"
    )


def _conditions(config: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    parts = (("config", config), ("versions and hashes", facts))
    shown = "".join(
        f"<details><summary>{name}</summary>"
        f"<pre>{escape(json.dumps(data, indent=2))}</pre></details>"
        for name, data in parts
    )
    return f'<h2>Conditions</h2><div class="card">{shown}</div>'
