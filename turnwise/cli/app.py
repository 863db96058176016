"""The commands, and how they fail: one sentence on standard error, never a traceback unless it is
asked for.

Exit status: 0 done, 2 something that was asked for or given is wrong, 130 interrupted; anything
else is a bug of turnwise and keeps its traceback.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from turnwise.cli.doctor import doctor
from turnwise.cli.envs import envs
from turnwise.cli.eval import evaluate_command
from turnwise.cli.play import play
from turnwise.cli.swe import swe
from turnwise.cli.train import train
from turnwise.errors import TurnwiseError

_HELP = """Environments for language agents that act over many turns, and algorithms that train agents in them.

[bold]turnwise envs[/]                           which environments there are
[bold]turnwise play webshop[/]                   act in one yourself
[bold]turnwise eval webshop --agent expert[/]    measure an agent on the test split
[bold]turnwise train configs/quickstart.toml[/]  train one
[bold]turnwise swe generate inflection==0.5.1[/]   make repair tasks from a package with tests
[bold]turnwise doctor[/]                         what is installed, and how to add the rest

Status: 0 done, 2 something asked for or given is wrong (one sentence says what), 130 interrupted.
"""


class Commands(TyperGroup):
    """Turns expected failures into a sentence and an exit status, for the program and for tests
    alike.
    """

    def make_context(self, *given: Any, **more: Any) -> Any:
        try:
            return super().make_context(*given, **more)
        except KeyboardInterrupt as stop:  # typer would end with 130 and without a word
            _say("interrupted")
            raise typer.Exit(130) from stop

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except TurnwiseError as problem:
            if ctx.params.get("debug"):
                raise
            _say(f"error: {problem}")
            raise typer.Exit(2) from problem
        except KeyboardInterrupt as stop:
            _say(str(stop) or "interrupted")
            raise typer.Exit(130) from stop


def _say(sentence: str) -> None:
    # Sentences hold brackets (actions, types) and long paths: neither markup nor wrapping is
    # wanted.
    Console(stderr=True).print(sentence, markup=False, highlight=False, soft_wrap=True)


def _version(wanted: bool) -> None:
    if wanted:
        from turnwise.evaluation.score import software_versions

        found = software_versions()
        typer.echo(f"turnwise {found['turnwise']} (Python {found['python']})")
        raise typer.Exit()


app = typer.Typer(
    cls=Commands,
    help=_HELP,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options that hold for every command."""


app.command("envs")(envs)
app.command("play")(play)
app.command("eval")(evaluate_command)
app.command("train")(train)
app.command("doctor")(doctor)
app.add_typer(swe, name="swe")
