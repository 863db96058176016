"""`turnwise envs`: what there is to act in, and the prompts and recipes to do it with."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from turnwise.cli.arguments import EnvArgs, settings
from turnwise.errors import ConfigError


def envs(
    environment: Annotated[
        str | None,
        typer.Argument(help="Show one environment: splits with sizes, data, a first page."),
    ] = None,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="List the prompts by name and version.")
    ] = False,
    recipes: Annotated[
        bool, typer.Option("--recipes", help="List the algorithms a training config can name.")
    ] = False,
    env_arg: EnvArgs = [],  # noqa: B006  (typer copies it)
) -> None:
    """List the environments, or show one of them.

    [bold]turnwise envs[/]
    [bold]turnwise envs webshop --env-arg style=compact[/]
    [bold]turnwise envs --prompts --recipes[/]
    """
    console = Console(highlight=False)
    if prompts:
        from turnwise.envs.registry import prompt_names

        _names(console, "prompts", prompt_names())
    if recipes:
        from turnwise.algorithms import recipe_names

        _names(console, "recipes", recipe_names())
    if environment is not None:
        _one(console, environment, settings(env_arg))
    elif not prompts and not recipes:
        _all(console)


def _names(console: Console, title: str, names: list[str]) -> None:
    console.print(f"[bold]{title}[/]")
    for name in names:
        console.print(f"  {escape(name)}")


def _splits(env: Any) -> str:
    return ", ".join(f"{split} {len(env.tasks(split)):,}" for split in env.splits)


def _all(console: Console) -> None:
    from turnwise.envs.registry import env_specs, make, prompt_names

    for card in env_specs():
        grid = Table(
            title=f"{card.name}  [dim]{card.id}[/]",
            title_justify="left",
            title_style="bold",
            box=None,
            show_header=False,
        )
        grid.add_column(style="cyan", no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row("what it is", escape(card.summary))
        try:
            grid.add_row("splits", _splits(make(card.name)))
        except ConfigError as missing:  # one environment that lacks a package hides no other
            grid.add_row("not here", escape(str(missing)))
        grid.add_row("turn limit", str(card.max_turns))
        others = [
            name
            for name in prompt_names()
            if name.startswith(f"{card.name}/") and name != card.prompt
        ]
        grid.add_row("prompts", escape(", ".join([f"{card.prompt} (the usual one)", *others])))
        console.print(grid)
    console.print(
        "\nMore of one: [bold]turnwise envs NAME[/]; settings go with [bold]-e KEY=VALUE[/]."
    )


def _one(console: Console, environment: str, given: dict[str, Any]) -> None:
    from turnwise.envs.registry import env_spec, make

    chosen, env = env_spec(environment), make(environment, **given)
    grid = Table(
        title=chosen.id,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        show_header=False,
        pad_edge=False,
    )
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("what it is", escape(chosen.summary))
    grid.add_row("splits", _splits(env))
    grid.add_row("data", env.data_hash)
    grid.add_row("turn limit", str(chosen.max_turns))
    grid.add_row("prompt", escape(chosen.prompt))
    observation, info = env.reset(seed=0)
    grid.add_row("first task", escape(str(info["instruction"])))
    grid.add_row("first page", escape(observation))
    grid.add_row("actions", escape(", ".join(info["admissible"][:12])))
    console.print(grid)
