"""Task files are written and read back, and refused if they are invalid."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from turnwise.envs.swe.tasks.task import (
    Mutation,
    SweTask,
    digest,
    read_tasks,
    task_from_json,
    tree_digest,
    write_tasks,
)
from turnwise.errors import DataError

TASK = SweTask(
    id="sums-1.2-abc",
    source="directory",
    name="sums",
    version="1.2",
    sha256="0" * 64,
    mutations=(Mutation("sums.py", "return_none", 10, 20, "1" * 64, "2" * 64),),
    issue="`sums.total([1])` gives a wrong result – “really”",
    fail_to_pass=("tests/test_sums.py::test_a[é::1]",),
    pass_to_pass=("tests/test_sums.py::test_b",),
    test_files=("tests/test_sums.py",),
    difficulty=1,
    seed=7,
    roots=("src", ""),
    python="3.11",
)


def as_json(**changed: Any) -> dict[str, Any]:
    return json.loads(json.dumps(dataclasses.asdict(TASK))) | changed


def test_tasks_come_back_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    write_tasks(file, [TASK])
    write_tasks(file, [dataclasses.replace(TASK, id="second")], append=True)
    assert list(read_tasks(file)) == [TASK, dataclasses.replace(TASK, id="second")]
    lines = [json.loads(line) for line in file.read_text("utf8").splitlines()]
    assert (
        len(lines) == 4 and lines[2]["suite"] == lines[3]["suite"] == lines[1]["suite"]
    )  # told once
    assert (
        lines[1]["tests"] == {"tests/test_sums.py": ["test_a[é::1]", "test_b"]}
        and "pass_to_pass" not in lines[2]
    )


def test_suites_that_are_not_the_same_are_kept_apart(tmp_path: Path) -> None:
    other = dataclasses.replace(
        TASK, id="other", pass_to_pass=("tests/test_b.py", "tests/test_sums.py::test_b")
    )
    unsorted = dataclasses.replace(TASK, id="unsorted", pass_to_pass=("z.py::b", "a.py::b"))
    write_tasks(tmp_path / "tasks.jsonl", [TASK, other, unsorted, TASK])
    assert list(read_tasks(tmp_path / "tasks.jsonl")) == [TASK, other, unsorted, TASK]


def test_the_first_version_is_read_still(tmp_path: Path) -> None:
    old = {name: value for name, value in as_json().items() if name != "requires"}
    (tmp_path / "old.jsonl").write_text(
        f'{{"format": "turnwise-swe-tasks", "version": 1}}\n{json.dumps(old)}\n', "utf8"
    )
    assert list(read_tasks(tmp_path / "old.jsonl")) == [TASK]


@pytest.mark.parametrize(
    "suite", ["", '{"suite":"x","tests":3,"test_files":[]}\n', '{"suite":"x","tests":{}}\n']
)
def test_a_task_without_its_suite_is_refused(tmp_path: Path, suite: str) -> None:
    data = as_json(suite="x")
    del data["pass_to_pass"], data["test_files"]
    (tmp_path / "cut.jsonl").write_text(
        f'{{"format": "turnwise-swe-tasks", "version": 2}}\n{suite}{json.dumps(data)}\n', "utf8"
    )
    with pytest.raises(DataError, match="test suite that no line before it defines"):
        list(read_tasks(tmp_path / "cut.jsonl"))


def test_appending_to_nothing_writes_the_head_too(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    write_tasks(file, [TASK], append=True)
    assert list(read_tasks(file)) == [TASK]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1 is not valid JSON"),
        ("[]\n", "not a JSON object"),
        ('{"format": "other"}\n', "not a file of repair tasks"),
        ('{"format": "turnwise-swe-tasks", "version": 99}\n', "version 99"),
        ('{"format": "turnwise-swe-tasks", "version": 1}\n{"id": \n', "line 2 is not valid JSON"),
        (
            '{"format": "turnwise-swe-tasks", "version": 1}\n{"id": "x"}\n',
            "line 2 is not a repair task",
        ),
    ],
)
def test_other_files_are_refused_with_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "tasks.jsonl"
    file.write_text(text)
    with pytest.raises(DataError, match=says):
        list(read_tasks(file))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        list(read_tasks(tmp_path / "absent.jsonl"))


def test_unknown_fields_and_wrong_kinds_are_refused() -> None:
    with pytest.raises(DataError, match="unknown field 'colour'"):
        task_from_json(as_json(colour="red"))
    with pytest.raises(DataError, match="fail_to_pass should be a list"):
        task_from_json(as_json(fail_to_pass="all"))


@pytest.mark.parametrize("path", ["../etc/passwd", "/etc/passwd", "", "a/../../b", "a\x00b"])
def test_paths_that_leave_the_repository_are_refused(path: str) -> None:
    mutation = as_json()["mutations"][0]
    with pytest.raises(DataError, match="not a path inside a repository"):
        task_from_json(as_json(mutations=[mutation | {"path": path}]))
    with pytest.raises(DataError, match="not a path inside a repository"):
        task_from_json(as_json(test_files=[path]))


def test_a_task_that_asks_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="nothing can be repaired"):
        task_from_json(as_json(fail_to_pass=[]))
    with pytest.raises(DataError, match=r"span 20\.\.20"):
        task_from_json(as_json(mutations=[as_json()["mutations"][0] | {"start": 20}]))


def test_a_tree_has_the_digest_of_its_paths_and_contents() -> None:
    tree = {"b": b"2", "a": b"1"}
    assert tree_digest(tree) == tree_digest({"a": b"1", "b": b"2"})
    others = [{"a": b"1"}, {"a": b"2", "b": b"1"}, {"a": b"1", "c": b"2"}, {"a": b"1b", "b": b"2"}]
    assert len({tree_digest(tree), *map(tree_digest, others)}) == 5
    assert digest(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
