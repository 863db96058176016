"""Generated households: of every kind, always the same, never solved at the start, always solvable."""

from __future__ import annotations

import hashlib

import pytest

from turnwise.envs.alfworld import ALFWorldEnv, Game, generate
from turnwise.envs.alfworld.expert import expert_plan
from turnwise.envs.alfworld.furniture import FITS, LAMP_STANDS, ROOMS
from turnwise.envs.alfworld.goals import TASK_TYPES, conditions
from turnwise.envs.alfworld.houses import DIFFICULTIES
from turnwise.errors import ConfigError


def win(game: Game) -> int:
    """Commands the expert needs; fails where it does not win."""
    env = ALFWorldEnv([game])
    _, info = env.reset(options={"task": 0})
    count = 0
    while (action := env.expert_action()) is not None:
        *_, info = env.step(action)
        count += 1
    assert info["success"]
    return count


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
@pytest.mark.parametrize("kind", TASK_TYPES)
def test_the_expert_wins_every_game(kind: str, difficulty: str) -> None:
    for game in generate(40, 1, kind, difficulty):
        assert game.goal.kind == kind and not all(conditions(game, game.start))
        assert 3 <= win(game) <= 12


@pytest.mark.slow
@pytest.mark.parametrize("kind", TASK_TYPES)
def test_the_expert_wins_a_thousand_games(kind: str) -> None:
    for game in generate(1000, 7, kind):
        win(game)


def test_games_of_a_seed_are_the_same_and_others_are_not() -> None:
    games = generate(60, 0)
    assert [game.digest for game in generate(18, 0)] == [game.digest for game in games[:18]]
    assert len({game.digest for game in games}) == 60
    assert not {game.digest for game in games} & {game.digest for game in generate(60, 1)}
    assert [game.goal.kind for game in games[:6]] == list(TASK_TYPES)


def test_generated_games_never_change_by_accident() -> None:
    digest = hashlib.sha256("".join(game.digest for game in generate(60, 0)).encode()).hexdigest()
    assert digest[:16] == "6ff337d39b9b2ecd"


def test_difficulty_is_how_much_there_is() -> None:
    def size(difficulty: str) -> tuple[int, int]:
        games = generate(60, 3, difficulty=difficulty)
        return sum(len(game.receptacles) for game in games), sum(len(game.objects) for game in games)

    easy, normal, hard = (size(difficulty) for difficulty in ("easy", "normal", "hard"))
    assert easy[0] < normal[0] < hard[0] and easy[1] < normal[1] < hard[1]


def test_what_is_taken_can_always_be_put_back() -> None:
    for game in generate(60, 5, difficulty="hard"):
        for one in game.pickupable:
            places = [place for place, inside in enumerate(game.start.contents) if one in inside]
            assert len(places) == 1 and (game.receptacle_types[places[0]], game.object_types[one]) in game.fits


def test_furniture_is_known() -> None:
    assert {place for room in ROOMS.values() for place in room} == set(FITS) and set(LAMP_STANDS) <= set(FITS)


def test_only_what_can_be_made_is_asked_for() -> None:
    with pytest.raises(ConfigError, match="did you mean 'pick_two_obj_and_place'"):
        generate(1, 0, "pick_two_obj")
    with pytest.raises(ConfigError, match="known: easy, hard, normal"):
        generate(1, 0, difficulty="deadly")
    with pytest.raises(ConfigError, match="at least one"):
        generate(0, 0)


def test_the_plan_is_known_before_it_is_played() -> None:
    game = generate(1, 2, "pick_heat_then_place_in_recep")[0]
    plan = expert_plan(game, game.start)
    assert plan is not None and len(plan) == win(game)
