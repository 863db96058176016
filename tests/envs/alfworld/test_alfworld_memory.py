"""The partial expert's memory: every kind of answer is read."""

from __future__ import annotations

import pickle

import pytest

from tests.envs.alfworld.official_games import household
from turnwise.envs.alfworld import Game
from turnwise.envs.alfworld.memory import Memory, kind, replay_episode

GAME = Game.of(household())


def seen(*actions: str, game: Game = GAME) -> Memory:
    return replay_episode(game, actions).memory


def test_the_opening_has_the_furniture_and_the_task() -> None:
    memory = seen()
    assert memory.task == "pick_and_place_simple of an apple."
    assert sorted(memory.furniture) == [
        "desk 1",
        "fridge 1",
        "microwave 1",
        "sinkbasin 1",
        "table 1",
        "table 2",
    ]
    assert not (
        memory.here
        or memory.held
        or memory.contents
        or memory.looked
        or memory.closed
        or memory.refused
    )


@pytest.mark.parametrize(("wording", "put"), [("2.1.1", "put a in/on b"), ("0.4", "move a to b")])
def test_the_wording_is_known_from_the_commands(wording: str, put: str) -> None:
    assert seen(game=GAME.reworded(wording)).put.format("a", "b") == put


def test_an_opening_at_a_receptacle_lists_the_others_by_go_to() -> None:
    opening = "You are facing the desk 1. Next to it, you see nothing.\n\nYour task is to: x."
    assert Memory.of(opening, ["go to bed 1", "look", "go to safe 2"]).furniture == (
        "bed 1",
        "safe 2",
    )


@pytest.mark.parametrize("wording", ["2.1.1", "0.4"])
def test_going_taking_and_putting(wording: str) -> None:
    game = GAME.reworded(wording)
    there = seen("go to table 2", game=game)
    assert there.here == {"table 1", "table 2"}, "two tables share a place"
    assert there.contents == {"table 2": ("apple 1", "knife 1", "pan 1")} and there.looked == {
        "table 2"
    }
    taken = seen("go to table 2", "take knife 1 from table 2", game=game)
    assert taken.held == "knife 1" and taken.inside("table 2") == ("apple 1", "pan 1")
    put = taken.put.format("knife 1", "desk 1")
    down = seen("go to table 2", "take knife 1 from table 2", "go to desk 1", put, game=game)
    assert (
        down.held == ""
        and down.inside("desk 1") == ("desklamp 1", "knife 1")
        and down.here == {"desk 1"}
    )


def test_a_receptacle_put_into_unseen_still_counts_as_unseen() -> None:
    memory = seen("go to table 2", "take knife 1 from table 2", "put knife 1 in/on table 1")
    assert memory.inside("table 1") == ("knife 1",) and "table 1" not in memory.looked


def test_doors() -> None:
    before = seen("go to fridge 1")
    assert before.closed == {"fridge 1"} and not before.looked
    after = seen("go to fridge 1", "open fridge 1")
    assert (
        not after.closed
        and after.opened == {"fridge 1"}
        and after.inside("fridge 1") == ("apple 2",)
    )
    again = seen("go to fridge 1", "open fridge 1", "close fridge 1")
    assert (
        again.closed == {"fridge 1"}
        and not again.opened
        and again.inside("fridge 1") == ("apple 2",)
    )


def test_treatments_and_lamps() -> None:
    take = ("go to table 2", "take apple 1 from table 2")
    hot = seen(*take, "go to microwave 1", "heat apple 1 with microwave 1")
    assert hot.treated == {("heat", "apple 1")}
    both = (
        "go to microwave 1",
        "heat apple 1 with microwave 1",
        "go to fridge 1",
        "cool apple 1 with fridge 1",
    )
    clean = ("go to sinkbasin 1", "clean apple 1 with sinkbasin 1")
    assert seen(*take, *both, *clean).treated == {("cool", "apple 1"), ("clean", "apple 1")}
    assert seen("go to desk 1", "use desklamp 1").lit == {"desklamp 1"}


def test_refused_commands_are_remembered() -> None:
    memory = seen("go to table 2", "take knife 1 from table 2", "go to fridge 1")
    assert memory.refused == {"cool knife 1 with fridge 1"}
    assert seen("go to desk 1").refused == {"take desklamp 1 from desk 1"}, (
        "a lamp stays where it is"
    )


@pytest.mark.parametrize(
    "action", ["xyzzy", "look", "inventory", "examine desk 1", "go to nowhere", ""]
)
def test_other_answers_leave_the_memory_as_it_is(action: str) -> None:
    assert seen("go to desk 1", action) == seen("go to desk 1")


def test_a_memory_is_a_value() -> None:
    memory = seen("go to table 2")
    assert pickle.loads(pickle.dumps(memory)) == memory
    memory.after("You pick up the apple 1 from the table 2.", ())
    assert memory == seen("go to table 2")


def test_types_of_names() -> None:
    assert [kind(name) for name in ("mug 2", "sinkbasin 1", "odd")] == ["mug", "sinkbasin", "odd"]
