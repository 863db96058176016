"""The commands of `turnwise`, and their exit status.

An expected failure is one sentence on standard error; `--debug` shows its traceback. So is an
exception in code of the user's own, such as an environment that was named by its import path. The
status is 0 for success, 2 for a mistake in the arguments, config or files, 130 when interrupted.
Anything else is a bug and keeps its traceback.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from turnwise.cli.arguments import add_current_directory
from turnwise.cli.configs import configs_command
from turnwise.cli.doctor import doctor_command
from turnwise.cli.envs import envs_command
from turnwise.cli.eval import evaluate_command
from turnwise.cli.play import play_command
from turnwise.cli.swe import swe_commands
from turnwise.cli.train import train_command
from turnwise.errors import TurnwiseError
from turnwise.plugins import describe, named_packages

_HELP = """Environments for language agents over many turns, and algorithms to train them.

[bold]turnwise envs[/]                            list the environments
[bold]turnwise play webshop[/]                    act in one yourself
[bold]turnwise eval webshop --agent expert[/]     measure an agent
[bold]turnwise configs[/]                         list the packaged experiments
[bold]turnwise train quickstart[/]                train an agent
[bold]turnwise swe generate inflection==0.5.1[/]  make repair tasks from a package
[bold]turnwise doctor[/]                          show what is installed or missing

Name an environment, prompt, agent or recipe of your own by its import path:
[bold]turnwise eval my_envs:Guess --prompt my_prompts:Short[/]. Modules in the
current directory are found; --import loads one that registers names.

Exit status: 0 for success, 2 for a mistake in the arguments, config or files
(one sentence says which), 130 when interrupted.
"""


class Commands(TyperGroup):
    """Turns expected failures into a sentence and an exit status."""

    def make_context(self, *given: Any, **more: Any) -> Any:
        try:
            return super().make_context(*given, **more)
        except KeyboardInterrupt as stop:  # typer would end with 130 and say nothing
            _print_interrupted("interrupted")
            raise typer.Exit(130) from stop

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TurnwiseError as problem:
            if ctx.params.get("debug"):
                raise
            _print(f"error: {problem}")
            raise typer.Exit(2) from problem
        except Exception as problem:
            place = _place_in_user_code(problem)
            if not place or ctx.params.get("debug"):
                raise
            _print(
                f"error: {place} raised {describe(problem)}: correct it there; turnwise --debug "
                "shows the traceback"
            )
            raise typer.Exit(2) from problem
        except KeyboardInterrupt as stop:
            _print_interrupted(str(stop) or "interrupted")
            raise typer.Exit(130) from stop


def _print(sentence: str) -> None:
    # Sentences hold brackets (actions, types) and long paths: no markup, no wrapping.
    Console(stderr=True).print(sentence, markup=False, highlight=False, soft_wrap=True)


def _place_in_user_code(problem: Exception) -> str:
    """Return the innermost line of a traceback that belongs to a module of the user's.

    Empty where there is none.
    """
    place = ""
    for frame, line in traceback.walk_tb(problem.__traceback__):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in named_packages - {"turnwise", "gymnasium"}:
            code = frame.f_code
            place = f"{code.co_qualname} ({Path(code.co_filename).name} line {line})"
    return place


def _print_interrupted(sentence: str) -> None:
    _print(f"\n{sentence}" if sys.stderr.isatty() else sentence)  # not on the line of the ^C


def _version(wanted: bool) -> None:
    if wanted:
        from turnwise.evaluation.score import software_versions

        found = software_versions()
        typer.echo(f"turnwise {found['turnwise']} (Python {found['python']})")
        raise typer.Exit()


commands = typer.Typer(
    cls=Commands,
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@commands.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Apply the options that hold for every command."""
    add_current_directory()


commands.command("envs")(envs_command)
commands.command("play")(play_command)
commands.command("eval")(evaluate_command)
commands.command("configs")(configs_command)
commands.command("train")(train_command)
commands.command("doctor")(doctor_command)
commands.add_typer(swe_commands, name="swe")
