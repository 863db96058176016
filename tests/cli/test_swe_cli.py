"""`turnwise swe generate`: files, tables, resumption and sentences."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from turnwise.envs.swe import python
from turnwise.envs.swe.generate import Generation
from turnwise.envs.swe.task import SweTask, read_tasks
from turnwise.sandbox import SandboxError, open_sandbox

CODE = "def double(x):\n    return x * 2\n\n\ndef halve(x):\n    if x % 2:\n        raise ValueError(x)\n    return x // 2\n"
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
    given = ("swe", "generate", package, "-n", "2", "--out", out, "--json", report, "--backend", "jail", "--jobs", "1")
    done = turnwise(*given)
    assert done.exit_code == 0, done.output
    assert "6 tests pass twice" in done.output and "bugs tried in twice 0.3" in done.output and "2 tasks written to" in done.output
    first = list(read_tasks(out))
    facts = json.loads(report.read_text())
    assert len(first) == facts["tasks"] == 2 and facts["tests"] == 6 and facts["single_site_valid"] >= 2
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
    assert stopped.exit_code == 130 and "1 tasks are in" in stopped.output and "goes on from there" in stopped.output
    assert list(read_tasks(out)) == taken == first[:1]
    monkeypatch.undo()
    assert turnwise(*given).exit_code == 0
    assert list(read_tasks(out)) == first


def test_what_cannot_be_generated_from_is_a_sentence(turnwise: Callable[..., Any], tmp_path: Path, package: Path) -> None:
    done = turnwise("swe", "generate", "no such thing")
    assert done.exit_code == 2 and "NAME==VERSION" in done.output
    (package / "test_twice.py").unlink()
    done = turnwise("swe", "generate", package, "--out", tmp_path / "x.jsonl")
    assert done.exit_code == 2 and "has no tests" in done.output and not (tmp_path / "x.jsonl").exists()
    done = turnwise("swe", "generate", package, "--backend", "landlock")
    assert done.exit_code == 2


def test_help_names_what_is_asked_for(turnwise: Callable[..., Any]) -> None:
    done = turnwise("swe", "generate", "--help")
    assert done.exit_code == 0
    for word in ("--number", "--seed", "--out", "--backend", "--jobs", "--json"):
        assert word in done.output
    assert "generate" in turnwise("swe", "--help").output and "swe" in turnwise("--help").output
