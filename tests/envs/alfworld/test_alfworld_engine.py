"""Rules and text, oddities included, on an invented household (recordings are of real ones)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.envs.alfworld.official_games import (
    APPLE,
    DESK,
    FRIDGE,
    LAMP,
    PAN,
    PUT_04,
    TABLE,
    household,
)
from turnwise.envs.alfworld import Game
from turnwise.envs.alfworld.engine import act, commands, conditions
from turnwise.envs.alfworld.expert import expert_plan
from turnwise.envs.alfworld.state import State
from turnwise.envs.alfworld.text import listed, opening

GAME = Game.of(household())
ROOM = "a desk 1, a fridge 1, a microwave 1, a sinkbasin 1, a table 2, and a table 1"
APPLE_1 = ("go to table 2", "take apple 1 from table 2")


def play(*actions: str, game: Game = GAME, state: State | None = None) -> tuple[State, str]:
    state, answer = state or game.start, ""
    for action in actions:
        state, answer = act(game, state, commands(game, state)[action])
    return state, answer


def after(actions: Sequence[str], game: Game = GAME) -> set[str]:
    return set(commands(game, play(*actions, game=game)[0]))


def test_the_opening_lists_the_room_and_the_task() -> None:
    assert opening(GAME) == (
        "-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room. Looking quickly "
        f"around you, you see {ROOM}."
        "\n\nYour task is to: pick_and_place_simple of an apple."
    )


def test_lists_end_in_a_comma_and_and() -> None:
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "nothing",
        "a",
        "a, and b",
        "a, b, and c",
    ]


def test_look_in_mid_room_shows_nothing_after_the_opening() -> None:
    assert (
        play("look")[1]
        == "You are in the middle of a room. Looking quickly around you, you see nothing."
    )


def test_arriving() -> None:
    assert play("go to fridge 1")[1] == "You arrive at loc 5. The fridge 1 is closed."
    assert (
        play("go to table 2")[1]
        == "You arrive at loc 2. On the table 2, you see a apple 1, a knife 1, and a pan 1."
    )
    modern = Game.of(household(grammar=PUT_04))
    assert (
        play("go to fridge 1", game=modern)[1] == "You arrive at fridge 1. The fridge 1 is closed."
    )


def test_no_go_to_for_a_receptacle_within_reach() -> None:
    here = after(["go to table 1"])
    assert "go to table 1" not in here and "go to table 2" not in here
    assert {"examine table 1", "examine table 2", "go to desk 1"} <= here


def test_two_receptacles_at_one_place() -> None:
    assert (
        play("go to table 1", "look")[1]
        == "You are facing the table 2, and table 1. Next to it, you see nothing."
    )
    moved, _ = play(*APPLE_1, "put apple 1 in/on table 1")
    assert play("look", state=moved)[1].endswith("Next to it, you see a apple 1.")
    back, _ = play("take apple 1 from table 1", "put apple 1 in/on table 2", state=moved)
    assert play("look", state=back)[1].endswith("Next to it, you see a apple 1."), (
        "now it is beside the other one"
    )


def test_doors() -> None:
    assert "take apple 2 from fridge 1" not in after(["go to fridge 1"])
    opened, answer = play("go to fridge 1", "open fridge 1")
    assert answer == "You open the fridge 1. The fridge 1 is open. In it, you see a apple 2."
    assert {"close fridge 1", "take apple 2 from fridge 1"} <= set(commands(GAME, opened))
    closed, answer = play("close fridge 1", state=opened)
    assert answer == "You close the fridge 1." and closed == play("go to fridge 1")[0]


def test_appliances_work_with_the_door_shut() -> None:
    state, answer = play(*APPLE_1, "go to microwave 1", "heat apple 1 with microwave 1")
    assert answer == "You heat the apple 1 using the microwave 1."
    assert "put apple 1 in/on microwave 1" not in commands(GAME, state)
    assert play("examine apple 1", state=state)[1] == "This is a hot apple 1."
    state, answer = play(
        "go to fridge 1", "cool apple 1 with fridge 1", "examine apple 1", state=state
    )
    assert answer == "This is a cold apple 1."
    state, answer = play(
        "go to sinkbasin 1", "clean apple 1 with sinkbasin 1", "examine apple 1", state=state
    )
    assert answer == "This is a cool and clean apple 1."


def test_only_what_is_held_can_be_examined() -> None:
    assert "examine apple 1" not in after(["go to table 2"])
    assert play(*APPLE_1, "examine apple 1")[1] == "There's nothing special about apple 1."
    assert (
        play("go to table 2", "take pan 1 from table 2", "examine pan 1")[1]
        == "This is a normal pan 1. In it, you see nothing."
    )
    full = Game.of(household(extra=[f"(inReceptacleObject {APPLE} {PAN})"]))
    answer = play("go to table 2", "take pan 1 from table 2", "examine pan 1", game=full)[1]
    assert answer == "This is a normal pan 1. In it, you see a apple 2."


def test_one_hand() -> None:
    assert play("inventory")[1] == "You are not carrying anything."
    assert play(*APPLE_1, "inventory")[1] == "You are carrying: a apple 1."
    assert not any(command.startswith("take") for command in after(APPLE_1))


def test_slicing_needs_the_knife_and_shows() -> None:
    assert not any(command.startswith("slice") for command in after(["go to table 2"]))
    with_knife = ["go to table 2", "take knife 1 from table 2"]
    state, answer = play(*with_knife, "slice apple 1 with knife 1")
    assert answer == "You sliced the apple 1 with the knife 1."
    state, answer = play(
        "put knife 1 in/on table 2", "take apple 1 from table 2", "examine apple 1", state=state
    )
    assert answer == "This is a sliced apple 1."
    state, _ = play("go to sinkbasin 1", "clean apple 1 with sinkbasin 1", state=state)
    assert play("examine apple 1", state=state)[1] == "This is a clean sliced apple 1."
    for place, verb, said in (("microwave 1", "heat", "hot"), ("fridge 1", "cool", "cool")):
        end = play(
            f"go to {place}", f"{verb} apple 1 with {place}", "examine apple 1", state=state
        )[1]
        assert end == f"This is a {said} and clean sliced apple 1."


def test_a_lamp_can_only_be_turned_on() -> None:
    state, answer = play("go to desk 1", "use desklamp 1")
    assert answer == "You turn on the desklamp 1." and play("use desklamp 1", state=state) == (
        state,
        answer,
    )
    assert "take desklamp 1 from desk 1" not in commands(GAME, state)


def test_taking_from_one_receptacle_leaves_it_in_another() -> None:
    twice = Game.of(household(extra=[f"(inReceptacle {APPLE} {TABLE})"]))
    state, _ = play("go to table 2", "take apple 2 from table 2", game=twice)
    assert "a apple 2" in play("go to fridge 1", "open fridge 1", game=twice, state=state)[1]


def test_help_is_of_the_newer_wording() -> None:
    modern = Game.of(household(grammar=PUT_04))
    assert "help" not in commands(GAME, GAME.start)
    state, answer = play("help", game=modern)
    assert (
        state is modern.start
        and answer.startswith("Available commands:\n  look:")
        and answer.endswith("sharp object\n")
    )
    state, answer = play(*APPLE_1, "move apple 1 to table 1", game=modern)
    assert answer == "You move the apple 1 to the table 1."


def test_two_objects_must_be_in_the_same_receptacle() -> None:
    game = Game.of(household("pick_two_obj_and_place"))
    plan = expert_plan(game, game.start)
    assert plan is not None and len(plan) == 9
    state, _ = play(*plan[:-1], game=game)
    assert conditions(game, state) == [True, False]
    assert conditions(game, play(*plan, game=game)[0]) == [True, True]


def test_a_goal_may_ask_that_everything_be_closed() -> None:
    game = Game.of(
        household(
            "pick_cool_then_place_in_recep", goal="(forall (?re - receptacle) (not (opened ?re)))"
        )
    )
    state, _ = play("go to fridge 1", "open fridge 1", game=game)
    plan = expert_plan(game, state)
    assert plan is not None and plan[-1] == "close fridge 1"
    state, _ = play(*plan[:-1], game=game, state=state)
    assert conditions(game, state) == [True, True, True, False]
    assert all(conditions(game, play(plan[-1], game=game, state=state)[0]))


def test_the_expert_puts_away_what_is_in_the_way() -> None:
    state, _ = play("go to table 2", "take knife 1 from table 2")
    plan = expert_plan(GAME, state)
    assert plan is not None and plan[0].startswith("put knife 1")
    assert all(conditions(GAME, play(*plan, state=state)[0]))


def test_the_expert_has_no_plan_in_a_dead_end() -> None:
    content = household()
    content["pddl_problem"] = content["pddl_problem"].replace("KnifeType)", "NothingType)", 1)
    for place in ("Fridge", "Microwave", "Table", "Desk", "SinkBasin"):
        content["pddl_problem"] = content["pddl_problem"].replace(
            f"(canContain {place}Type KnifeType)", ""
        )
    game = Game.of(content)
    state, _ = play("go to table 2", "take knife 1 from table 2", game=game)
    assert expert_plan(game, game.start) and expert_plan(game, state) is None


def test_a_lamp_in_the_hand_is_put_back_first() -> None:
    game = Game.of(household("look_at_obj_in_light", extra=[f"(pickupable {LAMP})"]))
    state, _ = play("go to desk 1", "take desklamp 1 from desk 1", game=game)
    plan = expert_plan(game, state)
    assert plan is not None and "desklamp 1" in plan[0]
    assert all(conditions(game, play(*plan, game=game, state=state)[0]))


@pytest.mark.parametrize("one", [FRIDGE, DESK])
def test_receptacles_open_at_the_start(one: str) -> None:
    game = Game.of(household(extra=[f"(opened {one})", f"(isCool {APPLE})"]))
    assert ("close fridge 1" in after(["go to fridge 1"], game)) is (one == FRIDGE)
    fetched = [
        "go to fridge 1",
        *(["open fridge 1"] if one == DESK else []),
        "take apple 2 from fridge 1",
    ]
    assert play(*fetched, "examine apple 2", game=game)[1] == "This is a cold apple 2."


def test_packed_states_differ_for_different_states() -> None:
    empty = State(0, -1, ((), (), ()), ((), ()))
    others = [
        empty, empty._replace(location=1), empty._replace(held=0),
        empty._replace(contents=((0,), (), ())),
        empty._replace(contents=((), (0,), ())), empty._replace(contents=((0, 1), (), ())),
        empty._replace(contents=((0,), (1,), ())),
        empty._replace(lying=((0,), ())), empty._replace(lying=((), (0,))),
        empty._replace(removed=((0, 1),)), empty._replace(removed=((0, 1), (1, 0))),
        *(empty._replace(**{mask: 1}) for mask in State._fields[5:]),
    ]  # fmt: skip
    assert len({state.packed() for state in others}) == len(others) == 17
    assert empty.packed() == State(0, -1, ((), (), ()), ((), ())).packed()
