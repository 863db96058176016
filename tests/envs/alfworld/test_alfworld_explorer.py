"""The partial expert: it solves tasks, and nothing unseen changes its commands."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.envs.alfworld.official_games import official_directory, unpacked
from turnwise.envs.alfworld import ALFWorldEnv, Game, generate
from turnwise.envs.alfworld.engine import conditions
from turnwise.envs.alfworld.explorer import errand, next_command
from turnwise.envs.alfworld.goals import TASK_TYPES
from turnwise.envs.alfworld.memory import kind, replay_episode
from turnwise.errors import ConfigError

GAMES = {difficulty: generate(60, 5, difficulty=difficulty) for difficulty in ("easy", "normal")}


def finish(env: ALFWorldEnv, turns: int) -> int | None:
    """Return the turns that the environment's expert needs from here; None if it fails."""
    for turn in range(turns):
        action = env.expert_action()
        if action is None:
            return None
        _, _, terminated, _, info = env.step(action)
        assert info["valid"], f"{action} was not admissible"
        if terminated:
            return turn + 1
    return None


@pytest.mark.parametrize("difficulty", list(GAMES))
@pytest.mark.parametrize("wording", ["2.1.1", "0.4"])
def test_it_does_every_type_of_task(difficulty: str, wording: str) -> None:
    env = ALFWorldEnv(GAMES[difficulty], wording=wording, expert="partial")
    for task in env.tasks("all"):
        env.reset(options={"task": task})
        assert finish(env, 60) is not None, (task, difficulty)


@pytest.mark.slow
def test_it_does_official_tasks(tmp_path: Path) -> None:
    files = sorted(
        (unpacked(official_directory(), tmp_path) / "valid_seen").glob("*/*/game.tw-pddl")
    )
    env = ALFWorldEnv(files, expert="partial")
    turns = []
    for task in env.tasks("all"):
        env.reset(options={"task": task})
        turns.append(finish(env, 50))
    assert None not in turns and len(turns) == 140


@settings(max_examples=60)
@given(task=st.integers(0, 59), seed=st.integers(0, 2**32), noise=st.integers(1, 15))
def test_it_continues_from_any_state(task: int, seed: int, noise: int) -> None:
    env = ALFWorldEnv(GAMES["easy"], expert="partial")
    _, info = env.reset(options={"task": task})
    rng = random.Random(seed)
    for _ in range(noise):
        _, _, terminated, _, info = env.step(rng.choice(info["admissible"]))
        if terminated:
            return
    assert finish(env, 70) is not None


def shuffled(game: Game, unseen: list[int], rng: random.Random) -> Game:
    """Return the same house with the contents of some receptacles exchanged."""
    spots = dict(game.tour)
    contents = list(game.start.contents)
    dealt = [contents[place] for place in unseen]
    rng.shuffle(dealt)
    for place, inside in zip(unseen, dealt, strict=True):
        contents[place] = inside
    lying: list[set[int]] = [set() for _ in game.start.lying]
    for place, inside in enumerate(contents):
        lying[spots[place]] |= set(inside)
    start = game.start._replace(
        contents=tuple(contents), lying=tuple(tuple(sorted(ones)) for ones in lying)
    )
    return replace(game, start=start, digest="shuffled")


@settings(max_examples=150)
@given(
    task=st.integers(0, 59),
    seed=st.integers(0, 2**32),
    turns=st.integers(0, 12),
    hard=st.booleans(),
)
def test_unseen_contents_do_not_change_its_commands(
    task: int, seed: int, turns: int, hard: bool
) -> None:
    game, rng = GAMES["normal" if hard else "easy"][task], random.Random(seed)
    done: list[str] = []
    now = replay_episode(game, done)
    for _ in range(turns):
        action = next_command(now.memory, now.admissible)
        seen_takes = {
            f"take {one} from {place}"
            for place, ones in now.memory.contents.items()
            for one in ones
        }
        if rng.random() < 0.3:  # astray, but not by taking from where it has not looked
            action = rng.choice(
                sorted(
                    one
                    for one in now.admissible
                    if not one.startswith(("take", "use")) or one in seen_takes
                )
            )
        if action is None or all(conditions(game, now.state)):
            break
        done.append(action)
        now = replay_episode(game, done, now)
    unseen = [
        place
        for place, name in enumerate(game.receptacles)
        if not now.memory.inside(name) and name not in now.memory.looked
    ]
    other = replay_episode(shuffled(game, unseen, rng), done)
    assert other.memory == now.memory
    assert next_command(other.memory, other.admissible) == next_command(now.memory, now.admissible)


def test_forks_snapshots_and_pickles_keep_the_memory() -> None:
    env = ALFWorldEnv(GAMES["normal"], expert="partial")
    env.reset(options={"task": 5})
    for _ in range(4):
        env.step(str(env.expert_action()))
    wanted, snapshot = env.expert_action(), env.snapshot()
    assert env.fork().expert_action() == wanted
    assert pickle.loads(pickle.dumps(env)).expert_action() == wanted
    env.step("look")
    env.reset(options={"task": 6})
    first = env.expert_action()
    env.restore(snapshot)
    assert env.expert_action() == wanted
    env.reset(options={"task": 6})
    assert env.expert_action() == first


def test_it_opens_and_looks_where_the_full_expert_does_not() -> None:
    """It opens and looks, while the full expert goes straight to the goal."""
    turns = {}
    for expert in ("full", "partial"):
        env = ALFWorldEnv(GAMES["normal"], expert=expert)
        turns[expert] = 0
        for task in env.tasks("all"):
            env.reset(options={"task": task})
            turns[expert] += finish(env, 100) or 100
    assert turns["full"] < turns["partial"]


def test_an_unknown_expert() -> None:
    with pytest.raises(ConfigError, match="did you mean 'partial'"):
        ALFWorldEnv(GAMES["easy"], expert="partially")


def test_every_official_wording_of_a_task_is_understood() -> None:
    games = generate(120, 9)
    for game in games:
        asked = errand(game.task)
        assert asked is not None
        assert (asked.thing + "type", asked.place + "type") == (
            game.goal.object_type,
            game.goal.place_type,
        )
    assert {game.goal.kind for game in games} == set(TASK_TYPES)
    assert errand("tidy up.") is None


def test_it_is_none_if_it_finds_no_way() -> None:
    game = replace(GAMES["easy"][0], task="tidy up.")
    env = ALFWorldEnv([game], expert="partial")
    env.reset(options={"task": 0})
    assert env.expert_action() is None


def test_it_searches_likely_places_first() -> None:
    games = [game for game in GAMES["normal"] if "desk" in map(kind, game.receptacles)]
    for game in games:
        memory = replace(replay_episode(game, ()).memory, task="put a pen in garbagecan.")
        command = next_command(memory, replay_episode(game, ()).admissible)
        assert str(command).startswith("go to desk")
    assert games
