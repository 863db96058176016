"""A bar counts, is silent where stderr is no terminal, and stops whatever happens inside it."""

from __future__ import annotations

import io
import sys

import pytest

from turnwise.agents.progress import ProgressBar


class Watched(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_without_a_terminal_it_only_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("warm start", 3) as bar:
        for _ in range(3):
            bar.advance("loss 1.0")
    assert bar.done == 3 and capsys.readouterr() == ("", "")


def test_on_a_terminal_it_shows_label_count_and_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = Watched()
    monkeypatch.setattr(sys, "stderr", seen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with ProgressBar("warm start", 3) as bar:
        bar.advance("loss 1.0")
        bar.advance("loss 0.5")
        bar._bar.refresh()
    text = seen.getvalue()
    assert "warm start" in text and "2/3" in text and "loss 0.5" in text
    assert capsys.readouterr().out == "", "standard output is for results"


def test_an_error_inside_stops_it_and_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Watched())
    with pytest.raises(KeyboardInterrupt), ProgressBar("warm start", 3) as bar:
        raise KeyboardInterrupt
    assert bar._bar.live.is_started is False
