"""`turnwise play`: a person is the agent. Works at a terminal and through a pipe."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from turnwise.cli.arguments import EnvArgs, settings
from turnwise.cli.game import Game, action_of, fill
from turnwise.envs.base import TurnEnv
from turnwise.records import TaskId, write_jsonl

_SEPARATOR = re.compile(r"\s*\[SEP\]\s*")
"""How published text environments join the lines of a page; a person wants the lines."""
_HELP = (
    "Type the [bold]number[/] of an action, or a whole action. A number may bring the text for its <blank> along: "
    "[bold]1 red shoes[/].\n[bold]hint[/] what the expert would do, [bold]undo[/] one turn back, [bold]help[/] this, "
    "[bold]quit[/]. Put [bold]:[/] before these words where the environment has actions of the same name."
)


def _lines(console: Console, ask: str = "> ") -> Iterator[str]:
    """What the player types. Through a pipe it is echoed, so that the output reads as a transcript."""
    while True:
        try:
            line = console.input(ask) if sys.stdin.isatty() else next(sys.stdin)
        except (EOFError, StopIteration):
            return
        if not sys.stdin.isatty():
            console.print(f"{ask}{escape(line.rstrip())}", highlight=False)
        yield line.strip()


def _show(console: Console, game: Game) -> None:
    limit = f" of {game.max_turns}" if game.max_turns is not None else ""
    title = f"turn {len(game.turns) + 1}{limit}"
    console.print(
        Panel(
            escape(str(game.info["instruction"])),
            title="your task",
            title_align="left",
            border_style="cyan",
        )
    )
    console.print(
        Panel(escape(_SEPARATOR.sub("\n", game.observation)), title=title, title_align="left")
    )
    numbered = [
        f"[bold]{n:>2}[/] {escape(action)}"
        for n, action in enumerate(game.info["admissible"], start=1)
    ]
    console.print(Columns(numbered, padding=(0, 3)))


def _ended(console: Console, game: Game) -> None:
    console.print(
        Panel(escape(_SEPARATOR.sub("\n", game.observation)), title="the end", title_align="left")
    )
    verdict = "[green]success[/]" if game.info["success"] else "[red]no success[/]"
    reason = " (turn limit)" if game.ended == "truncated" else ""
    console.print(f"{verdict}{reason}, score {game.info['score']:.3f} in {len(game.turns)} turns")
    parts = ", ".join(f"{name} {value:g}" for name, value in game.info["rewards"].items())
    if parts:
        console.print(escape(parts), style="dim", highlight=False)


def _command(console: Console, game: Game, word: str) -> bool:
    """Do what is not an action; False where `word` is one."""
    if word == "help":
        console.print(_HELP)
    elif word == "hint":
        hint = game.env.expert_action()
        console.print(
            f"the expert would do: [bold]{escape(hint)}[/]"
            if hint
            else "there is no expert here, or nothing left to do"
        )
    elif word == "undo":
        if game.undo():
            _show(console, game)
        else:
            console.print("this is the first turn")
    else:
        return False
    return True


def converse(console: Console, game: Game) -> None:
    """Show, ask and act until the episode ends, the player leaves or the input does."""
    console.print(_HELP)
    _show(console, game)
    lines = _lines(console)
    while not game.ended:
        began = time.monotonic()
        line = next(lines, None)
        word = (line or "").removeprefix(":").lower()
        plain = line is not None and line not in game.info["admissible"]
        if line is None or (plain and word in ("quit", "exit", "q")):
            console.print(f"left at turn {len(game.turns) + 1}, score {game.info['score']:.3f}")
            return
        if not line or (plain and _command(console, game, word)):
            continue
        if line.isdecimal() and not 1 <= int(line) <= len(game.info["admissible"]) and plain:
            console.print(
                f"there is no action {line} here: the last one is {len(game.info['admissible'])}"
            )
            continue
        action, blank = action_of(line, game.info["admissible"])
        if blank is not None:
            text = next(_lines(console, f"{blank}: "), "")
            if not text:
                console.print("nothing was typed, so nothing was done")
                continue
            action = fill(action, text)
        game.act(action, time.monotonic() - began)
        if not game.info["valid"]:
            console.print(
                f"[yellow]{escape(action)} did nothing but cost a turn: it is no action here (undo takes it back)[/]"
            )
        if not game.ended:
            _show(console, game)
    _ended(console, game)


def play(
    environment: Annotated[
        str, typer.Argument(help="Its name, such as webshop; `turnwise envs` lists them.")
    ],
    task: Annotated[str | None, typer.Option(help="Task id; one is drawn when left out.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Where to draw the task from; the first split when left out.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seeds the draw of the task and the episode.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Add the trajectory to this file (JSON lines).")
    ] = None,
    env_arg: EnvArgs = [],  # noqa: B006  (typer copies it)
) -> None:
    """Play an episode yourself.

    [bold]turnwise play webshop[/]
    [bold]turnwise play webshop --task 3 --split test --save mine.jsonl[/]
    [bold]printf '1 red shoes\\n2\\nquit\\n' | turnwise play webshop --task 0[/]
    """
    from turnwise.envs.registry import env_spec, make

    chosen = env_spec(environment)
    env = make(environment, **settings(env_arg))
    options: dict[str, Any] = {"split": split or env.splits[0]}
    if task is not None:
        options["task"] = _task(env, task, options["split"])
    game = Game.start(env, chosen.max_turns, options, seed)
    try:
        converse(Console(highlight=False), game)
    finally:
        if save is not None:
            write_jsonl(save, [game.trajectory(options["split"], seed)], append=True)
            typer.echo(f"saved to {save}")


def _task(env: TurnEnv[Any], text: str, split: str) -> TaskId:
    """The task id that was typed: ids are numbers in some environments and names in others."""
    tasks = env.tasks(split)
    return int(text) if text.isdecimal() and len(tasks) and isinstance(tasks[0], int) else text
