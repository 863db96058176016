"""The full expert: distances to the goal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.envs.alfworld.official_games import GOALS, household
from turnwise.envs.alfworld import Game, generate
from turnwise.envs.alfworld.engine import act, commands, conditions
from turnwise.envs.alfworld.expert import expert_distance, expert_plan

GAMES = [*(Game.of(household(kind)) for kind in GOALS), *generate(12, 4, difficulty="easy")]


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game.goal.kind)
def test_following_the_plan_brings_the_goal_nearer_by_one_each_turn(game: Game) -> None:
    state, left = game.start, expert_distance(game, game.start)
    assert left
    while left:
        plan = expert_plan(game, state)
        assert plan is not None and len(plan) == left
        state, _ = act(game, state, commands(game, state)[plan[0]])
        after = expert_distance(game, state)
        assert after is not None and after <= left - 1
        left = after
    assert all(conditions(game, state)) and expert_plan(game, state) == []


@given(number=st.integers(0, len(GAMES) - 1), choices=st.lists(st.integers(0, 99), max_size=12))
def test_the_distance_is_zero_exactly_where_the_game_is_won(
    number: int, choices: list[int]
) -> None:
    """Also after random commands."""
    game = GAMES[number]
    state = game.start
    for choice in choices:
        offered = commands(game, state)
        state, _ = act(game, state, offered[sorted(offered)[choice % len(offered)]])
        left = expert_distance(game, state)
        if left is None:  # some things, once picked up, fit in nothing
            continue
        assert (left == 0) == all(conditions(game, state))


def test_where_nothing_leads_to_the_goal_there_is_no_distance() -> None:
    content = household()
    content["pddl_problem"] = content["pddl_problem"].replace("(canContain DeskType AppleType)", "")
    stuck = Game.of(content)
    assert expert_distance(stuck, stuck.start) is None
