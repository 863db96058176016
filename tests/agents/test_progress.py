"""Progress bars count, and print nothing without a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from turnwise.agents.progress import EpisodeProgress, ProgressBar
from turnwise.records import Trajectory

FINE = Trajectory(
    task=1, group="g", uid="u", turns=(), success=True, score=1.0, stop_reason="terminated"
)
ENDED = (
    FINE,
    replace(FINE, success=False),
    replace(FINE, success=False, error="broken"),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def count(progress: EpisodeProgress) -> None:
    progress.grow()
    for trajectory in ENDED:
        progress.add(trajectory)


def test_the_success_rate_is_that_of_whole_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    with EpisodeProgress(2) as progress:
        assert progress.summary() == "episodes"
        count(progress)
        assert progress.summary() == "episodes, success 50%, 1 failed"
        assert progress.total == progress.done == 3
    assert stderr.getvalue() == ""


def test_episodes_are_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with EpisodeProgress(2, label="tasks") as progress:
        count(progress)
        progress._bar.refresh()
    assert "tasks, success 50%, 1 failed" in terminal.getvalue() and "3/3" in terminal.getvalue()
    before = len(terminal.getvalue())
    with EpisodeProgress(2, show=False) as progress:
        count(progress)
    assert len(terminal.getvalue()) == before


def test_a_bar_shows_its_label_its_count_and_the_last_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with ProgressBar("SFT", 2) as bar:
        bar.advance("loss 2.0")
        bar.advance("loss 1.5")
        bar._bar.refresh()
    shown = terminal.getvalue()
    assert "SFT" in shown and "2/2" in shown and "loss 1.5" in shown


def test_a_bar_prints_nothing_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    with ProgressBar("SFT", 1) as bar:
        bar.advance("loss 2.0")
    assert stderr.getvalue() == "" and bar.done == 1
