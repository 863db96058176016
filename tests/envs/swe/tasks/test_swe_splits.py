"""Tasks by split, and the repositories behind them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from turnwise.envs.swe.tasks.repository import from_directory
from turnwise.envs.swe.tasks.splits import (
    SPLITS,
    SourceLibrary,
    TaskSplits,
    broken_functions,
    load_tasks,
    split_by_function,
    toy_folder,
    toy_tasks,
)
from turnwise.envs.swe.tasks.task import SweTask, read_tasks, write_tasks
from turnwise.errors import ConfigError, DataError, TaskError

TOY = list(read_tasks(toy_tasks()))
LIBRARY = SourceLibrary("", TOY)


def test_the_toy_has_tasks_in_every_split_and_all_fit_their_source() -> None:
    tasks = load_tasks((), "")
    assert (
        tasks.splits == SPLITS
        and sum(len(tasks.task_ids(split)) for split in SPLITS) == len(TOY) >= 50
    )
    for split in SPLITS:
        for task in tasks.task_ids(split):
            recipe = tasks.task(task)[1]
            trees = tasks.trees(recipe)
            assert trees.broken != trees.pristine and set(trees.gold) <= set(trees.visible)


def test_no_function_is_in_two_splits() -> None:
    split = split_by_function(TOY, LIBRARY)
    functions = {
        name: {f for task in tasks for f in broken_functions(task, LIBRARY(task))}
        for name, tasks in split.items()
    }
    for name in split:
        assert all(not functions[name] & functions[other] for other in split if other != name)
        assert functions[name]


def test_a_task_with_several_bugs_ties_functions_together() -> None:
    several = next(task for task in TOY if len(broken_functions(task, LIBRARY(task))) > 1)
    names = broken_functions(several, LIBRARY(several))
    split = split_by_function(TOY, LIBRARY)
    (home,) = [name for name, tasks in split.items() if several in tasks]
    tied = [task for task in TOY if set(names) & set(broken_functions(task, LIBRARY(task)))]
    assert len(tied) > 1 and all(task in split[home] for task in tied)


def test_a_function_is_named_by_package_file_and_place() -> None:
    assert all(
        name.startswith("pocketkit pocketkit/") and not name.endswith("::")
        for t in TOY
        for name in broken_functions(t, LIBRARY(t))
    )


def test_unknown_splits_and_tasks() -> None:
    tasks = load_tasks((), "")
    with pytest.raises(TaskError, match="train, dev, test"):
        tasks.task_ids("none")
    with pytest.raises(TaskError):
        tasks.task("none")


@pytest.fixture
def local(tmp_path: Path) -> tuple[Path, tuple[SweTask, ...]]:
    """The toy as a directory of somebody's, and its recipes as made from that."""
    folder = tmp_path / "sources" / "pocketkit-1.0"
    shutil.copytree(toy_folder(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    sha = from_directory(folder).sha256
    made = tuple(replace(task, source="directory", sha256=sha) for task in TOY[:6])
    write_tasks(tmp_path / "tasks.jsonl", made)
    return folder, made


def test_recipes_from_a_file_over_a_directory(local: tuple[Path, tuple[SweTask, ...]]) -> None:
    folder, made = local
    file = str(folder.parent.parent / "tasks.jsonl")
    for source in (str(folder), str(folder.parent)):
        tasks = load_tasks((("train", file),), source)
        assert tasks.task_ids("train") == tuple(task.id for task in made)
        assert tasks.trees(made[0]).patch


def test_another_source_is_refused(local: tuple[Path, tuple[SweTask, ...]]) -> None:
    folder, _ = local
    (folder / "pocketkit" / "text.py").write_text("def f():\n    return 1\n", encoding="utf8")
    file = str(folder.parent.parent / "tasks.jsonl")
    for source in (str(folder), ""):
        with pytest.raises(DataError, match="SHA-256"):
            load_tasks((("train", file),), source)


def test_files_by_split(local: tuple[Path, tuple[SweTask, ...]]) -> None:
    folder, made = local
    root = folder.parent.parent
    write_tasks(root / "a.jsonl", made[:2])
    write_tasks(root / "b.jsonl", made[2:])
    tasks = load_tasks(
        (("train", str(root / "a.jsonl")), ("test", str(root / "b.jsonl"))), str(folder)
    )
    assert [len(tasks.task_ids(split)) for split in ("train", "test")] == [2, 4]
    assert tasks.task(made[3].id, "train")[0] == "test"
    with pytest.raises(DataError, match="same id"):
        load_tasks((("train", str(root / "a.jsonl")), ("test", str(root / "a.jsonl"))), str(folder))
    with pytest.raises(ConfigError, match="without a split"):
        load_tasks((("", str(root / "a.jsonl")), ("test", str(root / "b.jsonl"))), str(folder))


def test_no_tasks_at_all() -> None:
    with pytest.raises(DataError, match="no tasks"):
        TaskSplits({"train": ()}, LIBRARY)


def test_the_data_hash_is_that_of_the_recipes() -> None:
    assert (
        load_tasks((), "").data_hash
        == TaskSplits(split_by_function(TOY, LIBRARY), LIBRARY).data_hash
    )
    assert (
        TaskSplits(split_by_function(TOY[:50], LIBRARY), LIBRARY).data_hash
        != load_tasks((), "").data_hash
    )
