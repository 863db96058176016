"""Recipes: written and read back, and refused where they are not recipes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from turnwise.envs.swe.task import Mutation, SweTask, digest, read_tasks, task_from_json, tree_digest, write_tasks
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
    assert len(file.read_text("utf8").splitlines()) == 3


def test_appending_to_nothing_writes_the_head_too(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    write_tasks(file, [TASK], append=True)
    assert list(read_tasks(file)) == [TASK]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1 is not whole JSON"),
        ("[]\n", "not a JSON object"),
        ('{"format": "other"}\n', "not a file of repair tasks"),
        ('{"format": "turnwise-swe-tasks", "version": 99}\n', "version 99"),
        ('{"format": "turnwise-swe-tasks", "version": 1}\n{"id": \n', "line 2 is not whole JSON"),
        ('{"format": "turnwise-swe-tasks", "version": 1}\n{"id": "x"}\n', "line 2 is not a repair task"),
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
