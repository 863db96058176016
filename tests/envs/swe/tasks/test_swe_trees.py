"""Trees of a task: pristine, broken, visible, and the patch between them."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.envs.swe.generate import small_repository
from turnwise.envs.swe import SweTask
from turnwise.envs.swe.generate.mutations import edits, record
from turnwise.envs.swe.tasks.repository import Repository, from_directory
from turnwise.envs.swe.tasks.trees import build_trees
from turnwise.errors import DataError


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return small_repository.make(tmp_path)


def task_of(repository: Repository, *operators: str, function: str = "total") -> SweTask:
    data = repository.tree["sums.py"]
    found = [
        e
        for name in operators
        for e in edits(data)
        if e.operator == name and e.function.name == function
    ]
    chosen = tuple(
        record("sums.py", data, edit)
        for edit in sorted(found[: len(operators)], key=lambda e: e.start)
    )
    return SweTask(
        "id",
        "directory",
        "sums",
        "1.2",
        repository.sha256,
        chosen,
        "issue",
        ("tests/test_sums.py::test_total",),
        ("tests/test_sums.py::test_heavy_first",),
        repository.test_files,
        1,
        0,
    )


def test_the_trees_of_a_task(repository: Repository, tmp_path: Path) -> None:
    task = task_of(repository, "return_none")
    trees = build_trees(task, tmp_path / "sums-1.2")
    assert trees.pristine == repository.tree
    assert trees.broken["sums.py"] == repository.tree["sums.py"].replace(
        b"return result", b"return None"
    )
    assert {path for path in trees.broken if trees.broken[path] != trees.pristine[path]} == {
        "sums.py"
    }
    assert {path for path in trees.visible if trees.visible[path] != trees.broken[path]} == {
        "tests/test_sums.py"
    }
    assert (
        b"def test_total()" not in trees.visible["tests/test_sums.py"]
        and b"test_heavy_first" in trees.visible["tests/test_sums.py"]
    )
    assert {**trees.broken, **trees.gold} == trees.pristine


@pytest.mark.skipif(shutil.which("patch") is None, reason="no program patch here")
@pytest.mark.parametrize("ending", [b"\n", b""])
def test_the_gold_patch_repairs_what_the_agent_finds(tmp_path: Path, ending: bytes) -> None:
    small_repository.make(tmp_path)
    place = tmp_path / "sums-1.2" / "sums.py"
    place.write_bytes(
        place.read_bytes().rstrip(b"\n").replace(b"The sum", "The s\u2028m\x85".encode()) + ending
    )
    repository = from_directory(tmp_path / "sums-1.2")
    unused = task_of(repository, "arithmetic_swap", function="unused").mutations
    task = task_of(repository, "return_none")
    task = dataclasses.replace(task, mutations=(*task.mutations, *unused))
    trees = build_trees(task, repository)
    work = tmp_path / "work"
    work.mkdir()
    for path, data in trees.visible.items():
        (work / path).parent.mkdir(exist_ok=True)
        (work / path).write_bytes(data)
    done = subprocess.run(
        ["patch", "-p1"], cwd=work, input=trees.patch.encode(), capture_output=True, check=False
    )
    assert done.returncode == 0, done
    assert (work / "sums.py").read_bytes() == trees.pristine["sums.py"]


def test_copies_of_the_repaired_file_are_not_shown(tmp_path: Path) -> None:
    small_repository.make(tmp_path)
    (tmp_path / "sums-1.2" / "vendored.py").write_bytes(
        (tmp_path / "sums-1.2" / "sums.py").read_bytes()
    )
    repository = from_directory(tmp_path / "sums-1.2")
    trees = build_trees(task_of(repository, "return_none"), repository)
    assert "vendored.py" in trees.pristine and "vendored.py" not in trees.visible


def test_another_source_is_refused(repository: Repository, tmp_path: Path) -> None:
    task = task_of(repository, "return_none")
    (tmp_path / "sums-1.2" / "README.md").write_text("other")
    with pytest.raises(DataError, match="give the same archive or directory"):
        build_trees(task, tmp_path / "sums-1.2")


def test_an_edited_recipe_is_refused(repository: Repository) -> None:
    task = task_of(repository, "return_none")
    elsewhere = dataclasses.replace(task.mutations[0], path="absent.py")
    with pytest.raises(DataError, match=r"absent\.py"):
        build_trees(dataclasses.replace(task, mutations=(elsewhere,)), repository)
    moved = dataclasses.replace(task.mutations[0], start=task.mutations[0].start + 1)
    with pytest.raises(DataError, match="cannot be made again"):
        build_trees(dataclasses.replace(task, mutations=(moved,)), repository)
