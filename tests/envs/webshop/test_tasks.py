"""Tasks are indices of goals; splits depend on the data alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.envs.webshop.corner_shop import LAMP_GOAL
from turnwise.envs.webshop.goals import product_split
from turnwise.envs.webshop.tasks import GoalTasks
from turnwise.errors import ConfigError, TaskError

GOALS = [replace(LAMP_GOAL, asin=f"B{k // 3:09d}") for k in range(3000)]


def test_products_are_never_shared_between_splits() -> None:
    tasks = GoalTasks(GOALS, "product")
    assert tasks.splits == ("train", "dev", "test")
    products = {
        split: {GOALS[task].asin for task in tasks.task_ids(split)} for split in tasks.splits
    }
    assert sum(len(found) for found in products.values()) == 1000
    assert all(product_split(asin) == split for split, found in products.items() for asin in found)
    every = [task for split in tasks.splits for task in tasks.task_ids(split)]
    assert sorted(every) == list(range(3000))


def test_the_official_cut() -> None:
    tasks = GoalTasks(GOALS, "official")
    assert (tasks.task_ids("test"), tasks.task_ids("dev")[0], tasks.task_ids("train")[-1]) == (
        tuple(range(500)),
        500,
        2999,
    )
    assert tasks.split_of(1500) == "train"


def test_one_split() -> None:
    tasks = GoalTasks(GOALS[:4], "all")
    assert tasks.splits == ("all",) and tasks.task_ids("all") == (0, 1, 2, 3)


def test_goals_by_index() -> None:
    tasks = GoalTasks(GOALS, "all")
    assert tasks.goal(2999) is tasks.goal(np.int64(2999))


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (3000, "has 3000 goals"),
        (-1, "no goal -1"),
        ("3", "not an integer"),
        (1.5, "not an integer"),
    ],
)
def test_tasks_that_are_not_there(task: object, words: str) -> None:
    with pytest.raises(TaskError, match=words):
        GoalTasks(GOALS, "all").goal(task)


def test_unknown_names() -> None:
    with pytest.raises(TaskError, match="choose one of train, dev, test"):
        GoalTasks(GOALS, "product").task_ids("validation")
    with pytest.raises(ConfigError, match="split rule"):
        GoalTasks(GOALS, "random")


def test_the_hash_follows_goals_and_rule() -> None:
    hashes = {
        GoalTasks(GOALS[:5], "all").data_hash,
        GoalTasks(GOALS[:5], "official").data_hash,
        GoalTasks(GOALS[:4], "all").data_hash,
    }
    assert len(hashes) == 3 and GoalTasks(list(GOALS[:5]), "all").data_hash in hashes
