"""The record of a score: complete, JSON-round-trippable, readable, comparable."""

from __future__ import annotations

import io
import json
from dataclasses import fields, replace
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.evaluation.made_episodes import broken, episode
from turnwise.errors import DataError, TaskError
from turnwise.evaluation import score as scores
from turnwise.evaluation.metrics import measure
from turnwise.evaluation.score import Score
from turnwise.evaluation.tables import table
from turnwise.records import Trajectory


def claim(success: tuple[float | None, ...] = (1.0, 0.0, None), **more: object) -> Score:
    played = [
        episode(0, True, tags=("category=[beauty]",)),
        episode("b", False, 0.25),
        broken(2, "no [bold] answer"),
    ]
    values: dict[str, object] = {
        "environment": "turnwise/Toy-v0", "environment_args": {"style": "[compact]"},
        "data_hash": "abc", "split": "test",
        "split_tasks": 9, "task_ids": (0, "b", 2), "attempts": 1, "max_turns": 15,
        "agent": "expert", "prompt": None,
        "sampling": {"temperature": 0.5}, "seed": 3, "metrics": measure(played, 3),
        "task_success": success,
        "task_score": success, "versions": {"python": "3.11"}, "wall_seconds": 1.5,
        "created": "2026-11-21T00:00:00+00:00",
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
    assert (data["format"], data["version"], data["metrics"]["success"]["mean"]) == (
        "turnwise.score",
        1,
        0.5,
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not valid JSON"),
        ("[1]", "not a turnwise score"),
        ('{"format": "other"}', "not a turnwise score"),
        (
            '{"format": "turnwise.score", "version": 9}',
            "version 9 and this turnwise reads version 1",
        ),
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
        "category",
        " [beauty] ",
    ):
        assert part in text
    assert "1 errored" in text and "no [bold] answer" in text
    assert "pass@" not in text


def test_the_table_shows_attempts_and_shortens_many_types() -> None:
    played = [episode(t, t % 2 == 0, tags=(f"kind={t}",)) for t in range(40) for _ in range(4)]
    text = printed(claim(attempts=4, metrics=measure(played)))
    assert "avg@4" in text and "pass@4" in text and "16 more in the JSON" in text


def test_versions_name_what_is_installed_without_importing_it() -> None:
    found = scores.software_versions()
    assert found["python"].count(".") == 2 and "gymnasium" in found and "turnwise" in found


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=8)
EPISODES = st.lists(
    st.builds(
        episode, st.integers(0, 5) | NAMES, st.booleans(), st.floats(0, 1),
        tags=st.lists(NAMES.map(lambda t: f"k={t}")).map(tuple),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    played=EPISODES,
    agent=NAMES,
    sampling=st.dictionaries(NAMES, st.none() | st.integers() | NAMES, max_size=3),
)
def test_any_score_survives_its_file(
    tmp_path: Path, played: list[Trajectory], agent: str, sampling: dict[str, object]
) -> None:  # fmt: skip
    tasks = tuple(dict.fromkeys(t.task for t in played))
    means = tuple(None if k == 1 else 0.5 for k in range(len(tasks)))
    with patch("turnwise.evaluation.intervals.RESAMPLES", 50):
        made = claim(means, metrics=measure(played), task_ids=tasks, agent=agent, sampling=sampling)
    scores.write(tmp_path / "score.json", made)
    again = scores.read(tmp_path / "score.json")
    assert again == made and [type(t) for t in again.task_ids] == [type(t) for t in tasks]
    assert again.by_task() == made.by_task()


@pytest.mark.parametrize("lost", [f.name for f in fields(Score)])
def test_a_field_that_is_missing_is_named(lost: str) -> None:
    data = scores.to_json(claim())
    del data[lost]
    with pytest.raises(DataError, match=rf"old\.json is not a score of version 1: '{lost}'"):
        scores.from_json(data, "old.json")


@pytest.mark.parametrize(
    "change",
    [
        {"task_success": [1.0]}, {"task_ids": None}, {"metrics": []}, {"metrics": {"success": 3}},
        {"metrics": {**scores.to_json(claim())["metrics"], "pass_at_k": {"all": {}}}},
        {"metrics": {**scores.to_json(claim())["metrics"], "surplus": 1}},
    ],
)  # fmt: skip
def test_an_edited_score_is_one_sentence(change: dict[str, object]) -> None:
    with pytest.raises(DataError, match="is not a score of version 1"):
        scores.from_json({**json.loads(json.dumps(scores.to_json(claim()))), **change})


def test_scores_over_no_common_task_are_not_compared() -> None:
    with pytest.raises(TaskError, match="nothing to compare"):
        scores.compare(claim((1.0, None, None)), claim((None, 1.0, 1.0)))


def test_a_comparison_of_scores_is_that_of_the_benchmark_when_asked() -> None:
    before, after = claim(task_score=(0.5, 0.25, 0.0)), claim(task_score=(0.75, 0.5, 0.25))
    gain = scores.compare(before, after, "score")
    assert (gain.mean, gain.low, gain.high, gain.n) == (0.25, 0.25, 0.25, 3)
    assert scores.compare(before, after).mean == 0.0
    back = scores.compare(after, before, "score")
    assert (back.mean, back.excludes_zero) == (-0.25, True)
