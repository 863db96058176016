"""`turnwise play`: act in an environment yourself, at a terminal or through a pipe."""

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

from turnwise.cli.arguments import ENV_HELP, EnvArgs, Imports, import_modules, settings
from turnwise.cli.manual_episode import ManualEpisode, action_of, fill
from turnwise.envs.base import TurnEnv, split_tasks
from turnwise.errors import DataError
from turnwise.records import TaskId, write_jsonl

_SEPARATOR = re.compile(r"\s*\[SEP\]\s*")
"""Published text environments join the lines of a page with this; people read lines."""
_HELP = (
    "Type the [bold]number[/] of an action, or an action in full. If it has a <blank>, add its "
    "text: [bold]1 red shoes[/].\nCommands: [bold]hint[/] (the expert's action), [bold]undo[/], "
    "[bold]help[/], [bold]quit[/]; with a colon ([bold]:help[/]) where an action has that name."
)


class Input:
    """The lines a player types, or those of a script or a pipe, which are echoed.

    Args:
        script: lines in place of standard input.
    """

    def __init__(self, console: Console, script: Path | None = None) -> None:
        self._console = console
        self._typed = script is None and sys.stdin.isatty()
        self._lines: Iterator[str] = iter(_script_lines(script)) if script else iter(sys.stdin)

    def line(self, ask: str = "> ") -> str | None:
        """Return the next line without blanks around it; None at the end of the input."""
        if self._typed:
            try:
                return self._console.input(ask).strip()
            except EOFError:
                self._console.print()  # the prompt is still on the line
                return None
        line = next(self._lines, None)
        if line is not None:
            self._console.print(f"{ask}{escape(line.rstrip())}", highlight=False)
            line = line.strip()
        return line


def _script_lines(script: Path) -> list[str]:
    try:
        return script.read_text(encoding="utf8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise DataError(f"cannot read the script {script}: {problem}") from problem


def _show(console: Console, episode: ManualEpisode) -> None:
    limit = f" of {episode.max_turns}" if episode.max_turns is not None else ""
    title = f"turn {len(episode.turns) + 1}{limit}"
    console.print(
        Panel(
            escape(str(episode.info["instruction"])),
            title="your task",
            title_align="left",
            border_style="cyan",
        )
    )
    console.print(
        Panel(escape(_SEPARATOR.sub("\n", episode.observation)), title=title, title_align="left")
    )
    numbered = [
        f"[bold]{n:>2}[/] {escape(action)}"
        for n, action in enumerate(episode.info["admissible"], start=1)
    ]
    console.print(Columns(numbered, padding=(0, 3)))


def _ended(console: Console, episode: ManualEpisode) -> None:
    console.print(
        Panel(
            escape(_SEPARATOR.sub("\n", episode.observation)), title="the end", title_align="left"
        )
    )
    verdict = "[green]success[/]" if episode.info["success"] else "[red]no success[/]"
    reason = " (turn limit)" if episode.ended == "truncated" else ""
    console.print(
        f"{verdict}{reason}, score {episode.info['score']:.3f} in {len(episode.turns)} turns"
    )
    parts = ", ".join(f"{name} {value:g}" for name, value in episode.info["rewards"].items())
    if parts:
        console.print(escape(parts), style="dim", highlight=False)


def _command(console: Console, episode: ManualEpisode, word: str) -> bool:
    """Carry out a command of the player; return False where `word` is none."""
    if word == "help":
        console.print(_HELP)
    elif word == "hint":
        hint = episode.env.expert_action()
        console.print(
            f"expert: [bold]{escape(hint)}[/]" if hint else "the expert has no action here"
        )
    elif word == "undo":
        if episode.undo():
            _show(console, episode)
        else:
            console.print("this is the first turn")
    else:
        return False
    return True


def converse(console: Console, episode: ManualEpisode, typed: Input) -> None:
    """Show, ask and act until the episode ends, the player leaves or the input ends."""
    console.print(_HELP)
    _show(console, episode)
    while not episode.ended:
        began = time.monotonic()
        line = typed.line()
        word = (line or "").removeprefix(":").lower()
        plain = line is not None and line not in episode.info["admissible"]
        if line is None or (plain and word in ("quit", "exit", "q")):
            console.print(
                f"left at turn {len(episode.turns) + 1}, score {episode.info['score']:.3f}"
            )
            return
        if not line or (plain and _command(console, episode, word)):
            continue
        if line.isdecimal() and not 1 <= int(line) <= len(episode.info["admissible"]) and plain:
            console.print(
                f"there is no action {line}: choose 1 to {len(episode.info['admissible'])}"
            )
            continue
        action, blank = action_of(line, episode.info["admissible"])
        if blank is not None:
            text = typed.line(f"{blank}: ")
            if not text:
                console.print("no text was typed; no turn was used")
                continue
            action = fill(action, text)
        episode.act(action, time.monotonic() - began)
        if not episode.info["valid"]:
            console.print(
                f"[yellow]{escape(action)} is not a valid action here and used up a turn "
                "(undo takes it back)[/]"
            )
        if not episode.ended:
            _show(console, episode)
    _ended(console, episode)


def play_command(
    environment: Annotated[str, typer.Argument(help=ENV_HELP)],
    task: Annotated[str | None, typer.Option(help="Task id; by default drawn at random.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Split of the task; by default the first one.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed for the draw of the task and for the episode.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="Append the trajectory to this file (JSON lines).")
    ] = None,
    script: Annotated[
        Path | None, typer.Option(help="Read input from this file, one line per turn.")
    ] = None,
    env_arg: EnvArgs = [],  # noqa: B006  (typer copies it)
    imports: Imports = [],  # noqa: B006
) -> None:
    """Play an episode yourself.

    [bold]turnwise play webshop[/]
    [bold]turnwise play webshop --task 3 --split test --save mine.jsonl[/]
    [bold]printf '1 red shoes\\n2\\nquit\\n' | turnwise play webshop --task 0[/]
    [bold]turnwise play my_envs:Guess --script moves.txt[/]
    """
    from turnwise.envs.registry import env_spec, make

    import_modules(imports)
    spec = env_spec(environment)
    env = make(spec, **settings(env_arg))
    console = Console(highlight=False)
    typed = Input(console, script)
    options: dict[str, Any] = {"split": split or env.splits[0]}
    if task is not None:
        options["task"] = _task(env, task, options["split"])
    episode = ManualEpisode.start(env, spec.max_turns, options, seed)
    try:
        converse(console, episode, typed)
    finally:
        if save is not None:
            write_jsonl(save, [episode.trajectory(options["split"], seed)], append=True)
            typer.echo(f"saved to {save}")


def _task(env: TurnEnv[Any], text: str, split: str) -> TaskId:
    """Return the task id that was typed: a number in some environments, a name in others."""
    tasks = split_tasks(env, split)
    return int(text) if text.isdecimal() and len(tasks) and isinstance(tasks[0], int) else text
