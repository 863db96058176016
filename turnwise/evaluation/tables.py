"""A score as a person reads it: what was measured on top, the conditions under it, then the table
by type.
"""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from turnwise.evaluation.intervals import Interval
from turnwise.evaluation.metrics import Metrics
from turnwise.evaluation.score import Score

_MOST_TYPES = 24


def percent(value: Interval) -> str:
    """`64.2 %  [60.0, 68.4]`."""
    return f"{100 * value.mean:.1f} %  [{100 * value.low:.1f}, {100 * value.high:.1f}]"


def signed(value: Interval) -> str:
    """A difference in percentage points: `+12.5  [+8.0, +17.1]`."""
    return f"{100 * value.mean:+.1f}  [{100 * value.low:+.1f}, {100 * value.high:+.1f}]"


def table(score: Score) -> RenderableType:
    """The whole claim, to be printed with rich."""
    parts: list[RenderableType] = [_measured(score), _conditions(score)]
    if score.metrics.types:
        parts.append(_types(score.metrics))
    return Group(*parts)


def _two_columns(title: str) -> Table:
    grid = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        show_header=False,
        pad_edge=False,
    )
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


def _measured(score: Score) -> Table:
    m, grid = (
        score.metrics,
        _two_columns(
            f"{escape(score.agent)} on {escape(score.environment)}, split {escape(score.split)}"
        ),
    )
    attempts = f" (avg@{score.attempts})" if score.attempts > 1 else ""
    grid.add_row(f"success{attempts}", f"[bold]{percent(m.success)}[/]")
    grid.add_row(f"score{attempts}", percent(m.score))
    if score.attempts > 1:
        for k, value in m.pass_at_k.items():
            grid.add_row(
                f"pass@{k}", percent(value) + ("" if value.n == m.tasks else f"  ({value.n} tasks)")
            )
    grid.add_row(
        "turns", f"{m.turns:.1f} an episode, {100 * m.invalid_actions:.1f} % of them invalid"
    )
    if m.generated_tokens:
        grid.add_row(
            "tokens",
            f"{m.generated_tokens:.0f} generated an episode, context up to {m.context_tokens:.0f}",
        )
    grid.add_row("episodes", _episodes(score))
    for message, count in m.error_messages.items():
        grid.add_row("[red]error[/]", f"{count} x {escape(message)}")
    return grid


def _episodes(score: Score) -> str:
    m = score.metrics
    ends = ", ".join(f"{count} {reason}" for reason, count in m.stop_reasons.items())
    broken = f"; [red]{m.errors} broke off and are counted nowhere above[/]" if m.errors else ""
    return f"{m.episodes} over {m.tasks} tasks ({ends}){broken}"


def _conditions(score: Score) -> Table:
    grid = _two_columns("under these conditions")
    attempts = f", {score.attempts} attempts each" if score.attempts > 1 else ""
    grid.add_row(
        "tasks", f"{len(score.task_ids)} of the {score.split_tasks} in the split{attempts}"
    )
    if score.environment_args:
        grid.add_row(
            "settings",
            escape(", ".join(f"{key}={value}" for key, value in score.environment_args.items())),
        )
    grid.add_row("data", score.data_hash)
    grid.add_row(
        "prompt", escape(score.prompt) if score.prompt else "none: the agent reads no prompt"
    )
    if score.sampling:
        grid.add_row(
            "sampling", escape(", ".join(f"{key}={value}" for key, value in score.sampling.items()))
        )
    grid.add_row("turn limit", "none" if score.max_turns is None else str(score.max_turns))
    grid.add_row("seed", str(score.seed))
    grid.add_row(
        "versions", ", ".join(f"{name} {version}" for name, version in score.versions.items())
    )
    grid.add_row("took", f"{score.wall_seconds:.1f} s")
    grid.add_row("intervals", "95 %, bootstrap over tasks")
    return grid


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
    for tag, line in lines[:_MOST_TYPES]:
        before, equals, name = tag.partition("=")
        if equals and before != kind:  # said once, so that long names have the whole column
            kind = before
            grid.add_row(f"[cyan]{escape(kind)}[/cyan]", "", "", "")
        label = f" {name}" if equals else tag
        grid.add_row(
            escape(label), str(line.tasks), percent(line.success), f"{100 * line.score.mean:.1f} %"
        )
    if len(lines) > _MOST_TYPES:
        grid.add_row(f"… {len(lines) - _MOST_TYPES} more in the JSON", "", "", "")
    return grid
