"""The record of a score: complete, JSON-round-trippable, readable, comparable."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_episodes import broken, episode
from rich.console import Console

from turnwise.errors import DataError
from turnwise.evaluation import score as scores
from turnwise.evaluation.metrics import measure
from turnwise.evaluation.score import Score
from turnwise.evaluation.table import table


def claim(success: tuple[float | None, ...] = (1.0, 0.0, None), **more: object) -> Score:
    played = [episode(0, True, tags=("category=[beauty]",)), episode("b", False, 0.25), broken(2, "no [bold] answer")]
    values: dict[str, object] = {
        "environment": "turnwise/Toy-v0", "environment_args": {"style": "[compact]"}, "data_hash": "abc", "split": "test",
        "split_tasks": 9, "task_ids": (0, "b", 2), "attempts": 1, "max_turns": 15, "agent": "expert", "prompt": None,
        "sampling": {"temperature": 0.5}, "seed": 3, "metrics": measure(played, 3), "task_success": success,
        "task_score": success, "versions": {"python": "3.11"}, "wall_seconds": 1.5, "created": "2026-11-21T00:00:00+00:00",
    }  # fmt: skip
    return Score(**{**values, **more})  # type: ignore[arg-type]


def printed(score: Score) -> str:
    out = io.StringIO()
    Console(file=out, width=140).print(table(score))
    return out.getvalue()


def test_a_score_survives_its_file(tmp_path: Path) -> None:
    made = claim()
    scores.write(tmp_path / "deep" / "score.json", made)
    assert scores.read(tmp_path / "deep" / "score.json") == made
    data = json.loads((tmp_path / "deep" / "score.json").read_text())
    assert (data["format"], data["version"], data["metrics"]["success"]["mean"]) == ("turnwise.score", 1, 0.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not whole JSON"),
        ("[1]", "not a turnwise score"),
        ('{"format": "other"}', "not a turnwise score"),
        ('{"format": "turnwise.score", "version": 9}', "version 9 and this turnwise reads version 1"),
        ('{"format": "turnwise.score", "version": 1}', "not a score of version 1"),
    ],
)
def test_what_is_no_score_is_said_to_be_none(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "score.json").write_text(text)
    with pytest.raises(DataError, match=says):
        scores.read(tmp_path / "score.json")


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the score .*nothing\.json"):
        scores.read(tmp_path / "nothing.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write the score to"):
        scores.write(tmp_path / "file" / "score.json", claim())


def test_two_scores_are_compared_task_by_task() -> None:
    gain = scores.compare(claim((0.0, 0.0, None)), claim((1.0, 0.0, 1.0)))
    assert (gain.mean, gain.n) == (0.5, 2)


@pytest.mark.parametrize("what", ["environment", "data_hash", "split"])
def test_scores_on_other_data_are_not_compared(what: str) -> None:
    with pytest.raises(DataError, match=what.replace("_", " ")):
        scores.compare(claim(), replace(claim(), **{what: "other"}))


def test_the_table_says_what_a_reader_needs_and_escapes_markup() -> None:
    text = printed(claim())
    for part in (
        "expert on turnwise/Toy-v0",
        "50.0 %",
        "3 of the 9",
        "style=[compact]",
        "temperature=0.5",
        "abc",
        "category=[beauty]",
    ):
        assert part in text
    assert "1 broke off" in text and "no [bold] answer" in text
    assert "pass@" not in text


def test_the_table_shows_attempts_and_shortens_many_types() -> None:
    played = [episode(t, t % 2 == 0, tags=(f"kind={t}",)) for t in range(40) for _ in range(4)]
    text = printed(claim(attempts=4, metrics=measure(played)))
    assert "avg@4" in text and "pass@4" in text and "16 more in the JSON" in text


def test_versions_name_what_is_installed_without_importing_it() -> None:
    found = scores.software_versions()
    assert found["python"].count(".") == 2 and "gymnasium" in found and "turnwise" in found
