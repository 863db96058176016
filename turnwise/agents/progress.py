"""A progress bar for rollouts: how many episodes ended, how many succeeded, how many failed. Silent
without a terminal.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from turnwise.records import Trajectory


class Progress:
    """Counts trajectories as they end; a context manager."""

    def __init__(self, total: int, shown: bool = True, label: str = "episodes") -> None:
        self.total = total
        self.label = label
        self.ended = self.successes = self.errors = 0
        self._bar: Any = None
        self._task: Any = None
        self._shown = shown and sys.stderr.isatty()

    def __enter__(self) -> Self:
        if self._shown:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self.label, total=self.total)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def grow(self) -> None:
        """One more episode is to be played."""
        self.total += 1
        if self._bar is not None:
            self._bar.update(self._task, total=self.total)

    def add(self, trajectory: Trajectory) -> None:
        """An episode ended."""
        self.ended += 1
        self.successes += trajectory.success
        self.errors += trajectory.error is not None
        if self._bar is not None:
            self._bar.update(self._task, completed=self.ended, description=self.text())

    def text(self) -> str:
        """What stands beside the bar."""
        played = self.ended - self.errors
        share = f", success {self.successes / played:.0%}" if played else ""
        return f"{self.label}{share}{f', {self.errors} failed' if self.errors else ''}"
