"""Progress bars on the terminal. Nothing is printed when stderr is not a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Self

from turnwise.records import Trajectory


class ProgressBar:
    """Bar that counts to `total`; a context manager.

    Args:
        label: text before the bar.
        show: False keeps the terminal clean.
    """

    def __init__(self, label: str, total: int, show: bool = True) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self._show = show and sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self._show:
            from rich import progress
            from rich.console import Console

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TimeElapsedColumn(),
                progress.TimeRemainingColumn(),
                progress.TextColumn("{task.fields[text]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task(self.label, total=self.total, text="")
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

    def advance(self, text: str = "") -> None:
        """Count one more as done; `text` is shown after the bar."""
        self.done += 1
        self._update(completed=self.done, text=text)

    def grow(self) -> None:
        """Raise the total by one."""
        self.total += 1
        self._update(total=self.total)

    def _update(self, **fields: Any) -> None:
        if self._bar is not None:
            self._bar.update(self._task, **fields)


class EpisodeProgress(ProgressBar):
    """Bar that counts trajectories as they end, with their success rate before it."""

    def __init__(self, total: int, show: bool = True, label: str = "episodes") -> None:
        super().__init__(label, total, show)
        self.successes = self.errors = 0

    def add(self, trajectory: Trajectory) -> None:
        """Count a finished trajectory."""
        self.successes += trajectory.success
        self.errors += trajectory.error is not None
        self.advance()
        self._update(description=self.summary())

    def summary(self) -> str:
        """Return the label, the success rate of whole episodes, and how many errored."""
        whole = self.done - self.errors
        share = f", success {self.successes / whole:.0%}" if whole else ""
        return f"{self.label}{share}{f', {self.errors} failed' if self.errors else ''}"
