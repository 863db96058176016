"""`turnwise swe generate`: files, tables, resumption and sentences."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.generate.generator import Generation
from turnwise.envs.swe.tasks.task import SweTask, read_tasks
from turnwise.sandbox import SandboxError, open_sandbox

CODE = (
    "def double(x):\n    return x * 2\n\n\ndef halve(x):\n"
    "    if x % 2:\n"
    "        raise ValueError(x)\n"
    "    return x // 2\n"
)
TESTS = """\
import pytest
import twice


def test_double(): assert twice.double(4) == 8
def test_halve(): assert twice.halve(4) == 2
def test_odd():
    with pytest.raises(ValueError):
        twice.halve(3)
def test_other(): assert True
def test_more(): assert True
def test_yet_more(): assert True
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    try:
        open_sandbox(python.spec(), "jail").close()
    except SandboxError as problem:
        pytest.skip(f"no jail here: {problem}")
    home = tmp_path / "twice-0.3"
    home.mkdir()
    (home / "twice.py").write_text(CODE)
    (home / "test_twice.py").write_text(TESTS)
    return home


def test_tasks_are_written_told_and_gone_on_with(
    turnwise: Callable[..., Any], package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, report = tmp_path / "deep" / "tasks.jsonl", tmp_path / "report.json"
    given = (
        "swe",
        "generate",
        package,
        "-n",
        "2",
        "--out",
        out,
        "--json",
        report,
        "--backend",
        "jail",
        "--jobs",
        "1",
    )
    done = turnwise(*given)
    assert done.exit_code == 0, done.output
    assert (
        "6 tests pass twice" in done.output
        and "bugs tried in twice 0.3" in done.output
        and "2 tasks written to" in done.output
    )
    first = list(read_tasks(out))
    facts = json.loads(report.read_text())
    assert (
        len(first) == facts["tasks"] == 2
        and facts["tests"] == 6
        and facts["single_site_valid"] >= 2
    )
    assert sum(facts["difficulty"].values()) == 2 and facts["settings"]["number"] == 2

    taken: list[SweTask] = []
    whole = Generation.tasks

    def interrupted(self: Generation) -> Iterator[SweTask]:
        for task in whole(self):
            taken.append(task)
            yield task
            raise KeyboardInterrupt

    monkeypatch.setattr(Generation, "tasks", interrupted)
    stopped = turnwise(*given)
    assert (
        stopped.exit_code == 130
        and "has 1 tasks" in stopped.output
        and "continues from there" in stopped.output
    )
    assert list(read_tasks(out)) == taken == first[:1]
    monkeypatch.undo()
    assert turnwise(*given).exit_code == 0
    assert list(read_tasks(out)) == first


def test_what_cannot_be_generated_from_is_a_sentence(
    turnwise: Callable[..., Any], tmp_path: Path, package: Path
) -> None:
    done = turnwise("swe", "generate", "no such thing")
    assert done.exit_code == 2 and "NAME==VERSION" in done.output
    (package / "test_twice.py").unlink()
    done = turnwise("swe", "generate", package, "--out", tmp_path / "x.jsonl")
    assert (
        done.exit_code == 2
        and "has no tests" in done.output
        and not (tmp_path / "x.jsonl").exists()
    )
    done = turnwise("swe", "generate", package, "--backend", "landlock")
    assert done.exit_code == 2


def test_help_names_what_is_asked_for(turnwise: Callable[..., Any]) -> None:
    done = turnwise("swe", "generate", "--help")
    assert done.exit_code == 0
    for word in ("--number", "--seed", "--out", "--backend", "--jobs", "--json"):
        assert word in done.output
    assert "generate" in turnwise("swe", "--help").output and "swe" in turnwise("--help").output


def test_check_tells_what_cannot_be_trusted(
    turnwise: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from turnwise.envs.swe.generate import task_check
    from turnwise.envs.swe.grading import Verdict
    from turnwise.envs.swe.tasks.splits import toy_tasks
    from turnwise.envs.swe.tasks.task import write_tasks

    few = list(read_tasks(toy_tasks()))[:3]
    write_tasks(tmp_path / "few.jsonl", few)
    answers = {few[1].id: Verdict(False, 1.0, 0.5), few[2].id: Verdict(False, error="no memory")}

    def grade(task: SweTask, pristine: Any, handed_in: Any, _: Any) -> Verdict:
        whole = all(handed_in.get(m.path) == pristine[m.path] for m in task.mutations)
        return answers.get(task.id, Verdict(True, 1.0, 1.0)) if whole else Verdict(False, 0.0, 1.0)

    monkeypatch.setattr(task_check, "grade", grade)
    report = tmp_path / "deep" / "report.json"
    done = turnwise("swe", "check", tmp_path / "few.jsonl", "--json", report, "--backend", "jail")
    assert (
        done.exit_code == 1
        and "1 of 3 tasks: the repair scores 1 and no change scores 0, in 2 runs each"
        in done.output
    )
    said = " ".join(done.output.split())
    assert (
        f"{few[1].id}: the repair does not score 1" in said
        and f"{few[2].id}: the repair could not be graded: no memory" in said
    )
    facts = json.loads(report.read_text())
    assert (facts["tasks"], facts["right"], facts["runs"]) == (3, 1, 2)
    assert facts["rows"][0] == {
        "id": few[0].id,
        "gold": [1.0, 1.0],
        "nothing": [0.0, 0.0],
        "wrong": [],
    }
    assert facts["rows"][2]["gold"] == [None, None]
    answers.clear()
    assert (
        turnwise(
            "swe", "check", tmp_path / "few.jsonl", "--runs", "1", "--backend", "jail"
        ).exit_code
        == 0
    )


def test_requires_that_is_none_is_refused(turnwise: Callable[..., Any], package: Path) -> None:
    done = turnwise("swe", "generate", package, "--requires", "--index-url=x")
    assert done.exit_code != 0 and "is not a requirement" in done.output
