"""Scores as tables on the terminal: results, conditions, results by type of task."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from turnwise.evaluation.intervals import Interval
from turnwise.evaluation.metrics import Metrics
from turnwise.evaluation.score import Score

MAX_TYPE_ROWS = 24


def percent(value: Interval) -> str:
    """Format a share with its interval: `64.2 %  [60.0, 68.4]`."""
    return f"{100 * value.mean:.1f} %  [{100 * value.low:.1f}, {100 * value.high:.1f}]"


def signed(value: Interval) -> str:
    """Format a difference in percentage points: `+12.5  [+8.0, +17.1]`."""
    return f"{100 * value.mean:+.1f}  [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"


def table(score: Score) -> RenderableType:
    """Return the whole score as tables to print with rich."""
    parts: list[RenderableType] = [_results(score), _conditions(score)]
    if score.metrics.types:
        parts.append(_types(score.metrics))
    return Group(*parts)


def _two_columns(title: str) -> Table:
    grid = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE, show_header=False,
        pad_edge=False,
    )  # fmt: skip
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _results(score: Score) -> Table:
    m = score.metrics
    grid = _two_columns(
        f"{escape(score.agent)} on {escape(score.environment)}, split {escape(score.split)}"
    )
    attempts = f" (avg@{score.attempts})" if score.attempts > 1 else ""
    grid.add_row(f"success{attempts}", f"[bold]{percent(m.success)}[/]")
    grid.add_row(f"score{attempts}", percent(m.score))
    if score.attempts > 1:
        for k, value in m.pass_at_k.items():
            tasks = "" if value.n == m.tasks else f"  ({value.n} tasks)"
            grid.add_row(f"pass@{k}", percent(value) + tasks)
    grid.add_row(
        "turns", f"{m.turns:.1f} per episode, {100 * m.invalid_actions:.1f} % of them invalid"
    )
    if m.generated_tokens:
        generated = f"{m.generated_tokens:.0f} generated per episode"
        grid.add_row("tokens", f"{generated}, context up to {m.context_tokens:.0f}")
    grid.add_row("episodes", _episodes(score))
    for message, count in m.error_messages.items():
        grid.add_row("[red]error[/]", f"{count} x {escape(message)}")
    return grid


def _episodes(score: Score) -> str:
    m = score.metrics
    ends = ", ".join(f"{count} {reason}" for reason, count in m.stop_reasons.items())
    errored = f"; [red]{m.errors} errored and are in none of the means[/]" if m.errors else ""
    return f"{m.episodes} over {m.tasks} {'task' if m.tasks == 1 else 'tasks'} ({ends}){errored}"


def _conditions(score: Score) -> Table:
    grid = _two_columns("conditions")
    attempts = f", {score.attempts} attempts each" if score.attempts > 1 else ""
    grid.add_row(
        "tasks", f"{len(score.task_ids)} of the {score.split_tasks} in the split{attempts}"
    )
    if score.environment_args:
        grid.add_row("settings", escape(_listed(score.environment_args)))
    grid.add_row("data", score.data_hash)
    grid.add_row("prompt", escape(score.prompt or "none: the agent reads no prompt"))
    if score.sampling:
        grid.add_row("sampling", escape(_listed(score.sampling)))
    grid.add_row("turn limit", "none" if score.max_turns is None else str(score.max_turns))
    grid.add_row("seed", str(score.seed))
    grid.add_row("versions", _listed(score.versions, " "))
    grid.add_row("time", f"{score.wall_seconds:.1f} s")
    grid.add_row("intervals", "95 %, bootstrap over tasks")
    return grid


def _listed(values: Mapping[str, object], separator: str = "=") -> str:
    return ", ".join(f"{key}{separator}{value}" for key, value in values.items())


def _types(metrics: Metrics) -> Table:
    lines = sorted(
        metrics.types.items(), key=lambda item: (item[0].split("=")[0], -item[1].tasks, item[0])
    )
    grid = Table(
        title="by type", title_justify="left", title_style="bold", box=box.SIMPLE, pad_edge=False
    )
    grid.add_column("type", overflow="fold")
    for name in ("tasks", "success", "score"):
        grid.add_column(name, justify="right")
    kind = ""
    for tag, line in lines[:MAX_TYPE_ROWS]:
        before, equals, name = tag.partition("=")
        if equals and before != kind:  # on a line of its own, so that long names have room
            kind = before
            grid.add_row(f"[cyan]{escape(kind)}[/cyan]", "", "", "")
        label = f" {name}" if equals else tag
        grid.add_row(
            escape(label), str(line.tasks), percent(line.success), f"{100 * line.score.mean:.1f} %"
        )
    if len(lines) > MAX_TYPE_ROWS:
        grid.add_row(f"… {len(lines) - MAX_TYPE_ROWS} more in the JSON", "", "", "")
    return grid
