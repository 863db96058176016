"""The progress bar counts, and stays silent without a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from turnwise.agents.progress import Progress
from turnwise.records import Trajectory

FINE = Trajectory(
    task=1, group="g", uid="u", turns=(), success=True, score=1.0, stop_reason="terminated"
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def count(progress: Progress) -> None:
    progress.grow()
    for trajectory in (
        FINE,
        replace(FINE, success=False),
        replace(FINE, success=False, error="broken"),
    ):
        progress.add(trajectory)


def test_successes_are_counted_among_what_was_played_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with Progress(2) as progress:
        assert progress.text() == "episodes"
        count(progress)
        assert (
            progress.text() == "episodes, success 50%, 1 failed"
            and progress.total == progress.ended == 3
        )
        import sys

        assert sys.stderr.getvalue() == ""  # type: ignore[attr-defined]


def test_a_terminal_sees_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with Progress(2, label="tasks") as progress:
        count(progress)
        progress._bar.refresh()
    assert "tasks, success 50%, 1 failed" in terminal.getvalue() and "3/3" in terminal.getvalue()
    before = len(terminal.getvalue())
    with Progress(2, shown=False) as progress:
        count(progress)
    assert len(terminal.getvalue()) == before
