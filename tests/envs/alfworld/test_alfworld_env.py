"""The household as an environment: the contract, what info carries, tasks, pickles."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from official_games import GOALS, PUT_04, household

from turnwise.envs.alfworld import ALFWorldEnv, Game
from turnwise.envs.alfworld.expert import expert_plan
from turnwise.envs.testing import check_turn_env
from turnwise.errors import ConfigError, TaskError

GAMES = [Game.of(household(kind)) for kind in GOALS]
KINDS = list(GOALS)


@pytest.mark.parametrize("wording", ["2.1.1", "0.4"])
def test_the_contract(wording: str) -> None:
    check_turn_env(lambda: ALFWorldEnv(GAMES, wording=wording), tasks=6, turns=10, resets=2000)


def test_the_contract_over_generated_games() -> None:
    check_turn_env(ALFWorldEnv, tasks=6, turns=10, resets=2000)
    assert ALFWorldEnv().games is ALFWorldEnv().games


def test_an_episode() -> None:
    env = ALFWorldEnv(GAMES)
    observation, info = env.reset(options={"task": KINDS.index("pick_and_place_simple")})
    assert observation.endswith("Your task is to: pick_and_place_simple of an apple.")
    assert info["instruction"] == "pick_and_place_simple of an apple." and info["split"] == "all"
    assert info["tags"] == ["task_type=pick_and_place_simple"] and info["rewards"] == {"goal_progress": 0.0}
    for action in ("go to table 2", "take apple 1 from table 2", "go to desk 1"):
        _, reward, terminated, _, info = env.step(action)
        assert (reward, terminated, info["score"], info["valid"]) == (0.0, False, 0.0, True)
    observation, reward, terminated, truncated, info = env.step("put apple 1 in/on desk 1")
    assert observation == "You put the apple 1 in/on the desk 1."
    assert (reward, terminated, truncated, info["success"], info["score"]) == (1.0, True, False, True, 1.0)
    assert info["rewards"] == {"goal_progress": 1.0} and env.expert_action() is None


@pytest.mark.parametrize("action", ["", "xyzzy", "go to table", "Look", "go to desk 1\nlook", "help"])
def test_what_means_nothing_changes_nothing(action: str) -> None:
    env = ALFWorldEnv(GAMES)
    _, before = env.reset(options={"task": 0})
    observation, reward, terminated, _, info = env.step(action)
    assert (observation, reward, terminated, info["valid"]) == ("Nothing happens.", 0.0, False, False)
    assert (info["state"], info["admissible"]) == (before["state"], before["admissible"])


def test_space_around_a_command_is_ignored() -> None:
    env = ALFWorldEnv(GAMES)
    env.reset(options={"task": 0})
    assert env.step("  look \n")[-1]["valid"]


@pytest.mark.parametrize("task", range(6), ids=KINDS)
def test_progress_grows_along_the_experts_plan(task: int) -> None:
    env = ALFWorldEnv(GAMES)
    _, info = env.reset(options={"task": task})
    progress = [info["rewards"]["goal_progress"]]
    while (action := env.expert_action()) is not None:
        *_, info = env.step(action)
        progress.append(info["rewards"]["goal_progress"])
    assert info["success"] and progress[-1] == 1.0 and progress == sorted(progress)
    assert max(progress[:-1]) < 1.0
    if KINDS[task] != "pick_and_place_simple":
        assert 0.0 < progress[-2] < 1.0, "something was done before all was done"


def test_states_differ_where_behaviour_does() -> None:
    env = ALFWorldEnv(GAMES)
    states = [env.reset(options={"task": 0})[1]["state"]]
    for action in ("go to table 2", "take apple 1 from table 2", "go to fridge 1", "open fridge 1", "cool apple 1 with fridge 1"):
        states.append(env.step(action)[-1]["state"])
    assert len(set(states)) == 6
    assert env.step("examine apple 1")[-1]["state"] == states[-1], "looking changes nothing"
    assert env.step("heat apple 1 with microwave 1")[-1]["valid"] is False
    assert env.reset(options={"task": 1})[1]["state"] != states[0], "another goal is another state"
    assert ALFWorldEnv(GAMES).reset(options={"task": 0})[1]["state"] == states[0]


def test_forks_share_the_games_and_go_their_own_way() -> None:
    env = ALFWorldEnv(GAMES)
    env.reset(options={"task": 0})
    env.step("go to table 2")
    other = env.fork()
    assert other.games is env.games
    other.step("take knife 1 from table 2")
    assert "take knife 1 from table 2" in env.step("look")[-1]["admissible"]
    assert other.step("inventory")[0] == "You are carrying: a knife 1."


def test_a_pickle_goes_on() -> None:
    env = ALFWorldEnv(GAMES)
    env.reset(options={"task": 1})
    env.step("go to table 1")
    again = pickle.loads(pickle.dumps(env))
    assert again.step("take apple 1 from table 2") == env.step("take apple 1 from table 2")


def test_games_may_be_paths_and_take_a_wording(tmp_path: Path) -> None:
    import json

    path = tmp_path / "game.tw-pddl"
    path.write_text(json.dumps(household(grammar=PUT_04)), encoding="utf8")
    env = ALFWorldEnv([path, str(path)])
    assert "help" in env.reset(options={"task": 1})[1]["admissible"]
    older = ALFWorldEnv([path], wording="2.1.1")
    assert "help" not in older.reset(options={"task": 0})[1]["admissible"] and older.data_hash != env.data_hash


def test_tasks_are_indices_of_the_games_given() -> None:
    env = ALFWorldEnv(GAMES[:2])
    assert env.splits == ("all",) and list(env.tasks("all")) == [0, 1]
    assert env.reset(options={"task": np.int64(1)})[1]["task"] == 1
    assert env.reset(seed=3)[1]["task"] in (0, 1)
    for task in (2, -1, "0", None, 0.5):
        with pytest.raises(TaskError, match="game"):
            env.reset(options={"task": task})
    with pytest.raises(TaskError, match="split"):
        env.reset(options={"task": 0, "split": "valid_seen"})
    with pytest.raises(TaskError, match="split"):
        ALFWorldEnv(GAMES, split="train")


def test_there_must_be_games() -> None:
    for games in ([], "game.tw-pddl"):
        with pytest.raises(ConfigError, match=r"game\.tw-pddl"):
            ALFWorldEnv(games)
    with pytest.raises(ConfigError, match="wording"):
        ALFWorldEnv(GAMES, wording="0.5")


def test_the_expert_has_nothing_to_say_before_a_game() -> None:
    assert ALFWorldEnv(GAMES).expert_action() is None
    assert expert_plan(GAMES[0], GAMES[0].start)
