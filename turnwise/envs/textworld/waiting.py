"""Games that are not there yet: having them made, and telling the user what is waited for."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from turnwise.envs.textworld import cache
from turnwise.envs.textworld.games import GameSpec
from turnwise.envs.textworld.package import textworld, versions
from turnwise.envs.textworld.workers import make_all, workshop

_told = threading.Event()


def game_of(spec: GameSpec, root: Path) -> Path:
    """The directory of a game, which is made where it is missing. The first time in a process, a
    line on stderr says so.

    Raises:
        ConfigError: without the textworld package.
        DataError: for settings of which no game can be made, or a cache that cannot be written.
    """
    textworld()
    home = cache.place(root, spec, versions())
    if cache.present(home):
        return home
    if not _told.is_set():
        _told.set()
        print(
            f"textworld: making games as they are asked for, a second or two each; they are kept in {root}",
            file=sys.stderr,
        )
    return workshop().make(spec, root)


def prepare(specs: Sequence[GameSpec], root: Path) -> int:
    """Have the missing ones of many games made, in parallel; returns how many there were. Raises as
    `game_of` does.
    """
    missing = [spec for spec in specs if not cache.present(cache.place(root, spec, versions()))]
    if missing:
        textworld()
        try:
            with _bar(
                len(missing), f"making {len(missing)} {missing[0].settings.preset} games"
            ) as made:
                make_all(missing, root, made)
        finally:
            workshop().close()
    return len(missing)


@contextmanager
def _bar(total: int, label: str) -> Iterator[Callable[[], None]]:
    """A progress bar on the terminal, silent without one; gives the function to call at each step."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda: bar.advance(task)
