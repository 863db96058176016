"""`turnwise configs`: the experiments that come with turnwise."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def configs_command(
    name: Annotated[str, typer.Argument(help="Print this config; list all when left out.")] = "",
) -> None:
    """List the packaged configs, or print one.

    [bold]turnwise configs[/]
    [bold]turnwise configs quickstart > my.toml[/]
    [bold]turnwise train quickstart[/]
    """
    from turnwise.training.packaged_configs import config_paths, config_summary, find_config

    if name:
        typer.echo(find_config(name).read_text(encoding="utf8"), nl=False)
        return
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for config, path in config_paths().items():
        grid.add_row(config, escape(config_summary(path)))
    console = Console(highlight=False)
    console.print(grid)
    console.print(
        "\n[bold]turnwise train NAME[/] runs one, [bold]turnwise configs NAME[/] prints it."
    )
