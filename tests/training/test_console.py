"""What a run says: whole lines, nothing of it taken for markup, and a closing table that fits a
console.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from tests.training.test_report import episode, score
from turnwise.errors import DataError
from turnwise.training.console import RunConsole

STEP = {
    "success": 0.25, "reward": -0.1, "entropy": 0.456, "turns": 5.04, "invalid": 0.0,
    "rollout_seconds": 1.25, "update_seconds": 3.0,
}  # fmt: skip


def said(width: int = 80) -> tuple[RunConsole, io.StringIO]:
    out = io.StringIO()
    return RunConsole(Console(file=out, width=width, highlight=False)), out


def test_a_line_is_printed_as_it_is() -> None:
    console, out = said()
    text = "runs/[bold]x[/] " + "word " * 40
    console.line(text)
    assert out.getvalue() == text + "\n", "wrapped, or read as markup"


def test_a_step_is_one_line_with_the_development_score_where_there_is_one() -> None:
    console, out = said()
    console.step(3, 40, STEP)
    console.step(4, 40, {**STEP, "dev_success": 0.5})
    one, two = out.getvalue().splitlines()
    assert (
        one.startswith("step    3/40")
        and "success 0.25" in one
        and "reward -0.10" in one
        and "dev" not in one
    )
    assert two.endswith("dev 0.50") and "1.2 s + 3.0 s" in two


def test_a_warm_start_says_how_fast_it_is_also_in_its_first_moment() -> None:
    console, out = said()
    console.sft_step({"step": 1, "steps": 20, "loss": 2.5, "tokens": 300, "seconds": 0.0})
    console.sft_finished({"seconds": 61.4, "loss": 0.25})
    console.sft_finished({"seconds": 61.4, "loss": 0.25, "held_out_turn": 0.875})
    first, plain, held = out.getvalue().splitlines()
    assert "1/20" in first and "loss 2.500" in first
    assert plain.endswith("61 s: loss 0.250") and held.endswith("held-out turn 0.88")


def test_the_closing_table_pairs_the_two_scores_and_fits_eighty_columns() -> None:
    console, out = said()
    played = [[episode(k, k % 4 >= rate) for k in range(48)] for rate in (3, 1)]
    console.finished(Path("runs/a"), score(played[0]), score(played[1]))
    lines = out.getvalue().splitlines()
    (success,) = [line for line in lines if line.lstrip().startswith("success")]
    assert "25.0 %" in success and "75.0 %" in success and "+50.0  [" in success
    assert "…" not in success
    assert (
        "48 tasks" in lines[0] and lines[-1] == "curves: runs/a/report.html   model: runs/a/model"
    )


def test_scores_over_other_data_make_no_closing_table() -> None:
    console, _ = said()
    one = score([episode(0, True)])
    other = score([episode(0, True)])
    object.__setattr__(other, "data_hash", "other")
    with pytest.raises(DataError, match="data hash"):
        console.finished(Path("runs/a"), one, other)
