"""`turnwise envs`: list the environments, prompts and recipes, or show one environment."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from turnwise.cli.arguments import EnvArgs, Imports, import_modules, settings
from turnwise.errors import TurnwiseError
from turnwise.plugins import describe


def envs_command(
    environment: Annotated[
        str | None,
        typer.Argument(
            help="Show one environment, by name, id or import path: splits, settings, first page."
        ),
    ] = None,
    prompts: Annotated[
        bool, typer.Option("--prompts", help="List the prompts by name and version.")
    ] = False,
    recipes: Annotated[
        bool, typer.Option("--recipes", help="List the algorithms a training config can name.")
    ] = False,
    env_arg: EnvArgs = [],  # noqa: B006  (typer copies it)
    imports: Imports = [],  # noqa: B006
) -> None:
    """List the environments, or show one of them.

    [bold]turnwise envs[/]
    [bold]turnwise envs webshop --env-arg style=compact[/]
    [bold]turnwise envs my_envs:Guess[/]
    [bold]turnwise envs --prompts --recipes[/]
    """
    import_modules(imports)
    console = Console(highlight=False)
    if prompts:
        from turnwise.envs.registry import prompt_names

        _show_names(console, "prompts", prompt_names())
    if recipes:
        from turnwise.algorithms import recipe_names

        _show_names(console, "recipes", recipe_names())
    if environment is not None:
        _show_one(console, environment, settings(env_arg))
    elif not prompts and not recipes:
        _show_all(console)


def _show_names(console: Console, title: str, names: list[str]) -> None:
    console.print(f"[bold]{title}[/]")
    for name in names:
        console.print(f"  {escape(name)}")


def _splits(env: Any) -> str:
    from turnwise.envs.base import split_tasks

    return ", ".join(f"{split} {len(split_tasks(env, split)):,}" for split in env.splits)


def _show_all(console: Console) -> None:
    from turnwise.envs.registry import env_specs, make, prompt_names, unloadable

    for spec in env_specs():
        grid = Table(
            title=f"{spec.name}  [dim]{spec.id}[/]",
            title_justify="left",
            title_style="bold",
            box=None,
            show_header=False,
        )
        grid.add_column(style="cyan", no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row("summary", escape(spec.summary))
        try:
            grid.add_row("splits", _splits(make(spec.name)))
        except Exception as problem:  # one that lacks a package, or is broken, hides no other
            reason = str(problem) if isinstance(problem, TurnwiseError) else describe(problem)
            grid.add_row("unavailable", escape(reason))
        grid.add_row("turn limit", str(spec.max_turns))
        others = [
            name
            for name in prompt_names()
            if name.startswith(f"{spec.name}/") and name != spec.prompt
        ]
        grid.add_row("prompts", escape(", ".join([f"{spec.prompt} (the default)", *others])))
        console.print(grid)
    for failure in unloadable().values():
        console.print(f"[yellow]not loaded[/] {escape(str(failure))}")
    console.print(
        "\n[bold]turnwise envs NAME[/] shows one of them and its settings ([bold]-e KEY=VALUE[/])."
    )


def _show_one(console: Console, environment: str, given: dict[str, Any]) -> None:
    from turnwise.envs.registry import env_settings, env_spec, make

    spec = env_spec(environment)
    env = make(spec, **given)
    grid = Table(
        title=spec.id,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE,
        show_header=False,
        pad_edge=False,
    )
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("summary", escape(spec.summary))
    grid.add_row("splits", _splits(env))
    grid.add_row("evaluated on", spec.eval_split)
    grid.add_row("data", env.data_hash)
    grid.add_row("turn limit", str(spec.max_turns))
    grid.add_row("prompt", escape(spec.prompt))
    defaults = ", ".join(f"{name}={value}" for name, value in env_settings(spec).items())
    grid.add_row("settings", escape(defaults or "none"))
    observation, info = env.reset(seed=0)
    grid.add_row("first task", escape(str(info["instruction"])))
    grid.add_row("first page", escape(observation))
    grid.add_row("actions", escape(", ".join(info["admissible"][:12])))
    console.print(grid)
