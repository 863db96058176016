"""Reading game files, and clear errors for those that cannot be played."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.envs.alfworld.official_games import GOALS, PUT_04, household
from turnwise.envs.alfworld import Game
from turnwise.envs.alfworld.game_file import read_problem, readable
from turnwise.errors import ConfigError, DataError


def test_names_count_down_and_basins_are_renamed() -> None:
    ids = [
        "mug_bar_1",
        "mug_bar_2",
        "sink_bar_1_bar_sinkbasin",
        "sink_bar_2",
        "loc_bar__minus_1",
        "curtains_dot_x",
    ]
    names = readable(ids)
    assert (names["mug_bar_1"], names["mug_bar_2"], names["loc_bar__minus_1"]) == (
        "mug 2",
        "mug 1",
        "loc 1",
    )
    assert names["sink_bar_1_bar_sinkbasin"] == "sinkbasin 1" and names["sink_bar_2"] == "sink 1"
    assert names["curtains_dot_x"] == "curtains.x "


def test_facts_are_read_in_lower_case() -> None:
    problem = read_problem(
        "(:init (atLocation Agent1 Loc_1)\n (openable Fridge) (= (totalCost) 0)) (:goal (and))"
    )
    assert problem.pairs("atlocation") == [("agent1", "loc_1")] and problem.those("openable") == {
        "fridge"
    }
    assert problem.ids() == {"agent1", "loc_1", "fridge"} and problem.goal.startswith("(:goal")
    with pytest.raises(DataError, match="two arguments"):
        problem.pairs("openable")


@pytest.mark.parametrize("kind", GOALS)
def test_the_six_kinds_of_goal(kind: str) -> None:
    game = Game.of(household(kind))
    assert (
        game.goal.kind == kind and game.goal.object_type == "appletype" and not game.goal.all_closed
    )
    assert [game.objects[one] for one in sorted(game.wanted)] == ["apple 2", "apple 1"]
    assert game.task == f"{kind} of an apple."


def test_games_are_frozen_and_identified_by_content() -> None:
    game = Game.of(household())
    with pytest.raises(dataclasses.FrozenInstanceError):
        game.task = "another"  # type: ignore[misc]
    assert game.digest == Game.of(household()).digest == pickle.loads(pickle.dumps(game)).digest
    others = {Game.of(household(kind)).digest for kind in GOALS} | {
        Game.of(household(grammar=PUT_04)).digest
    }
    assert len(others) == 7
    assert (
        game.reworded("0.4").wording.put == "move {} to {}"
        and game.reworded("0.4").digest != game.digest
    )
    assert game.reworded("2.1.1") is game


def write(directory: Path, content: Any) -> Path:
    path = directory / "game.tw-pddl"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf8")
    return path


def test_a_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, household())
    assert Game.load(path).digest == Game.load(str(path)).digest == Game.of(household()).digest
    assert Game.load(path, wording="0.4").digest == Game.load(path).reworded("0.4").digest
    with pytest.raises(ConfigError, match="wording"):
        Game.load(path, wording="3")


def changed(**changes: Any) -> dict[str, Any]:
    return household() | changes


def replaced(old: str, new: str) -> dict[str, Any]:
    content = household()
    assert old in content["pddl_problem"]
    return content | {"pddl_problem": content["pddl_problem"].replace(old, new)}


BAD: dict[str, tuple[Any, str]] = {
    "not json": ("{", "not JSON"),
    "a list": ([], "not a table"),
    "no problem": (changed(pddl_problem=None), "pddl_problem"),
    "no grammar": ({"pddl_problem": "", "solvable": True}, "grammar"),
    "unsolvable": (changed(solvable=False), "unsolvable"),
    "another release": (changed(grammar="place {o} on {r}"), "release"),
    "no task": (changed(grammar='template :: "move {o} to {r}"'), "task"),
    "no facts": (changed(pddl_problem="(:goal (and))"), ":init"),
    "no goal": (replaced("(:goal", "(:aim"), ":goal"),
    "no agent": (replaced("(atLocation agent1 loc_bar_0)", ""), "atlocation"),
    "a strange fact": (
        replaced("(atLocation agent1 loc_bar_0)", "(atLocation agent1)"),
        "two arguments",
    ),
    "a strange goal": (replaced("(objectType ?o AppleType)", ""), "six kinds"),
    "a sliced goal": (replaced("(inReceptacle ?o ?r)", "(isSliced ?o)"), "sliced"),
    "too much": (
        household(extra=[f"(objectType Mug_bar_{number} MugType)" for number in range(250)]),
        "limit",
    ),
    "nothing of the kind": (
        replaced("(objectType ?o AppleType)", "(objectType ?o MugType)"),
        "impossible",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_unplayable_file_raises_one_sentence(name: str, tmp_path: Path) -> None:
    content, word = BAD[name]
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        Game.load(path)
    said = str(caught.value)
    assert word in said and str(path) in said and "\n" not in said


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.tw-pddl", tmp_path):
        with pytest.raises(DataError, match="cannot read the ALFWorld game"):
            Game.load(path)
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="not an ALFWorld game"):
        Game.load(path)
