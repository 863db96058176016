"""`turnwise train`: run an experiment, or the same one with several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from turnwise.cli.arguments import Imports, import_modules
from turnwise.errors import ConfigError
from turnwise.evaluation import score as scores
from turnwise.evaluation.intervals import Interval, pooled
from turnwise.evaluation.score import Score
from turnwise.evaluation.tables import percent, signed


def train_command(
    config: Annotated[
        str, typer.Argument(help="A name that `turnwise configs` lists, or a TOML file.")
    ],
    set_: Annotated[
        list[str],
        typer.Option(
            "--set",
            "-s",
            metavar="SECTION.KEY=VALUE",
            help="Change a key of the config; repeatable.",
        ),
    ] = [],  # noqa: B006  (typer copies it)
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Only continue a run; an error if there is none."),
    ] = False,
    seeds: Annotated[
        str,
        typer.Option(metavar="0,1,2", help="One run per seed, and a table of all."),
    ] = "",
    imports: Imports = [],  # noqa: B006
) -> None:
    """Train an agent, or continue a run that was interrupted.

    [bold]turnwise train quickstart[/]
    [bold]turnwise train quickstart --set train.steps=10 --set run.name=short[/]
    [bold]turnwise train quickstart --seeds 0,1,2[/]
    [bold]turnwise train my.toml --import my_envs[/]

    Ctrl-C is safe at any time: the same command continues from the last
    checkpoint and ends with the same weights as an uninterrupted run. The run
    folder holds the curves (report.html), both scores, and the model.
    """
    from turnwise.training.config import load_config
    from turnwise.training.packaged_configs import find_config

    import_modules(imports)
    path = find_config(config)
    first = load_config(path, set_)
    if not seeds:
        _run(first, resume)
        return
    numbers = _seeds(seeds)
    # All configs are read first, so that a mistake shows now and not after an hour.
    runs = [
        load_config(path, [*set_, f"run.seed={n}", f'run.name="{first.run.name}-seed{n}"'])
        for n in numbers
    ]
    folders = []
    for number, run in zip(numbers, runs, strict=True):
        typer.echo(f"seed {number}")
        folders.append(_run(run, resume))
    _show_together(Console(highlight=False), numbers, folders)


def _seeds(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts) or len(set(parts)) != len(parts):
        raise ConfigError(
            f"--seeds {text} is not a list of different whole numbers: write it like 0,1,2"
        )
    return [int(part) for part in parts]


def _run(config: Any, resume: bool) -> Path:
    folder = Path(config.run.directory) / config.run.name
    if resume and not (folder / "config.json").is_file():
        raise ConfigError(
            f"there is no run in {folder} to continue: leave out --resume to start one"
        )
    from turnwise.training.api import check_libraries

    check_libraries(quiet=not config.model.path)
    from turnwise.training.loop import Interrupted
    from turnwise.training.loop import train as run

    try:
        return run(config)
    except Interrupted as stop:
        raise KeyboardInterrupt(f"interrupted: {stop}") from stop


# Several seeds
# ----------------------------------------------------------------------------------------------


def _show_together(console: Console, seeds: Sequence[int], folders: Sequence[Path]) -> None:
    pairs = [
        (scores.read(folder / "before.json"), scores.read(folder / "after.json"))
        for folder in folders
    ]
    for what in ("success", "score"):
        console.print(_summary(what, seeds, pairs))


def _summary(what: str, seeds: Sequence[int], pairs: Sequence[tuple[Score, Score]]) -> Table:
    title = f"{what} on {pairs[0][0].split} before and after, {len(pairs)} seeds, 95 % intervals"
    grid = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_footer=True,
    )
    total = pooled([(before.by_task(what), after.by_task(what)) for before, after in pairs])
    grid.add_column("seed", footer="all", no_wrap=True)
    grid.add_column(
        "before",
        justify="right",
        no_wrap=True,
        footer=f"{100 * _mean(before for before, _ in _means(what, pairs)):.1f} %",
    )
    grid.add_column(
        "after",
        justify="right",
        no_wrap=True,
        footer=f"{100 * _mean(after for _, after in _means(what, pairs)):.1f} %",
    )
    grid.add_column("difference", justify="right", no_wrap=True, footer=signed(total))
    grid.add_column("not 0", footer=_yes(total))
    for seed, (before, after) in zip(seeds, pairs, strict=True):
        gain = scores.compare(before, after, what)
        one, two = getattr(before.metrics, what), getattr(after.metrics, what)
        grid.add_row(str(seed), percent(one), percent(two), signed(gain), _yes(gain))
    return grid


def _means(what: str, pairs: Sequence[tuple[Score, Score]]) -> list[tuple[float, float]]:
    return [
        (getattr(before.metrics, what).mean, getattr(after.metrics, what).mean)
        for before, after in pairs
    ]


def _mean(values: Any) -> float:
    kept = list(values)
    return sum(kept) / len(kept)


def _yes(gain: Interval) -> str:
    return "yes" if gain.excludes_zero else "no"
