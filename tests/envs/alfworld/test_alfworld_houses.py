"""Generated households: every kind, reproducible, never solved at the start, always solvable."""

from __future__ import annotations

import hashlib
from itertools import combinations

import pytest

from turnwise.envs.alfworld import ALFWorldEnv, Game, generate
from turnwise.envs.alfworld.data import SPLITS, UNSEEN
from turnwise.envs.alfworld.engine import conditions
from turnwise.envs.alfworld.expert import expert_plan
from turnwise.envs.alfworld.furniture import FITS, LAMP_STANDS, ROOMS
from turnwise.envs.alfworld.goals import LOOK, TASK_TYPES, TWO
from turnwise.envs.alfworld.layouts import DIFFICULTIES, HouseDifficulty, layout
from turnwise.errors import ConfigError


def win(game: Game) -> int:
    """Return the number of commands of the expert; fail if it does not win."""
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
    assert digest[:16] == "1f42545b61d63d4b"


def test_difficulty_sets_the_size_of_house_and_plan() -> None:
    def size(difficulty: str) -> tuple[float, ...]:
        games = generate(120, 3, difficulty=difficulty)
        sizes = [
            (len(game.receptacles), len(game.objects), len(expert_plan(game, game.start) or ()))
            for game in games
        ]
        return tuple(sum(column) / len(games) for column in zip(*sizes, strict=True))

    easy, normal, hard = (size(difficulty) for difficulty in DIFFICULTIES)
    for less, more in ((easy, normal), (normal, hard)):
        assert more[0] > 1.5 * less[0] and more[1] > 1.5 * less[1] and more[2] > less[2] + 0.4


def test_a_custom_difficulty() -> None:
    own = HouseDifficulty(rooms=(2, 2), furniture=(0.0, 1.0), distractors=(0, 0), hidden=1.0)
    for game in generate(24, 0, difficulty=own):
        assert len(game.objects) == (2 if game.goal.kind in (LOOK, TWO) else 1)
        assert win(game) >= 5
    assert (
        generate(6, 0, difficulty=DIFFICULTIES["hard"])[5].digest
        == generate(6, 0, difficulty="hard")[5].digest
    )
    with pytest.raises(ConfigError, match="too few layouts"):
        generate(60, 0, difficulty=HouseDifficulty((1, 1), (0.0, 0.0), (0, 0), 0.0), split=UNSEEN)


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_layouts_are_shared_or_kept_apart(difficulty: str) -> None:
    def rooms(split: str) -> list[tuple[str, ...]]:
        return [game.receptacles for game in generate(90, 0, difficulty=difficulty, split=split)]

    train, seen, unseen = (rooms(split) for split in SPLITS)
    assert train == seen, "valid_seen is played in the rooms of the training games"
    assert len(set(train)) < len(train), "rooms come up again"
    assert not set(train) & set(unseen)
    digests = [
        game.digest
        for split in SPLITS
        for game in generate(90, 0, difficulty=difficulty, split=split)
    ]
    assert len(set(digests)) == 270, "no game is in two splits"


@pytest.mark.parametrize("difficulty", DIFFICULTIES)
def test_there_is_furniture_for_training_and_for_valid_unseen(difficulty: str) -> None:
    chosen = DIFFICULTIES[difficulty]
    for count in range(chosen.rooms[0], chosen.rooms[1] + 1):
        for rooms in combinations(ROOMS, count):
            assert {
                len(layout(0, chosen, rooms, unseen, 0).places) > 5 for unseen in (True, False)
            } == {True}


def test_some_furniture_stands_together() -> None:
    alone = [sum(len(places) > 1 for places in game.standing) for game in generate(30, 0)]
    assert sum(alone) > 30
    for game in generate(30, 0):
        assert not game.here(game.start.location), (
            "one starts away from furniture, and is shown the whole room"
        )


def test_objects_can_always_be_put_back() -> None:
    for game in generate(60, 5, difficulty="hard"):
        for one in game.pickupable:
            places = [place for place, inside in enumerate(game.start.contents) if one in inside]
            assert (
                len(places) == 1
                and (game.receptacle_types[places[0]], game.object_types[one]) in game.fits
            )


def test_furniture_is_known() -> None:
    assert {place for room in ROOMS.values() for place in room} == set(FITS) and set(
        LAMP_STANDS
    ) <= set(FITS)


def test_invalid_arguments_of_generate() -> None:
    with pytest.raises(ConfigError, match="did you mean 'pick_two_obj_and_place'"):
        generate(1, 0, "pick_two_obj")
    with pytest.raises(ConfigError, match="known: easy, hard, normal"):
        generate(1, 0, difficulty="deadly")
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        generate(1, 0, split="trai")
    with pytest.raises(ConfigError, match="at least 1"):
        generate(0, 0)


def test_the_plan_is_known_before_it_is_played() -> None:
    game = generate(1, 2, "pick_heat_then_place_in_recep")[0]
    plan = expert_plan(game, game.start)
    assert plan is not None and len(plan) == win(game)
