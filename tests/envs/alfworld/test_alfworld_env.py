"""The environment: contract, info, tasks, pickles."""

from __future__ import annotations

import gc
import pickle
import random
import re
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import turnwise  # noqa: F401 (registers)
from tests.envs.alfworld.official_games import GOALS, PUT_04, household
from turnwise.envs.alfworld import ALFWorldEnv, Game, generate
from turnwise.envs.alfworld.data import MAX_CACHED_GAMES
from turnwise.envs.alfworld.expert import expert_plan
from turnwise.envs.checks import check_turn_env
from turnwise.envs.registry import make as make_env
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
    assert info["tags"] == ["task_type=pick_and_place_simple"] and info["rewards"] == {
        "goal_progress": 0.0
    }
    for action in ("go to table 2", "take apple 1 from table 2", "go to desk 1"):
        _, reward, terminated, _, info = env.step(action)
        assert (reward, terminated, info["score"], info["valid"]) == (0.0, False, 0.0, True)
    observation, reward, terminated, truncated, info = env.step("put apple 1 in/on desk 1")
    assert observation == "You put the apple 1 in/on the desk 1."
    assert (reward, terminated, truncated, info["success"], info["score"]) == (
        1.0,
        True,
        False,
        True,
        1.0,
    )
    assert info["rewards"] == {"goal_progress": 1.0} and env.expert_action() is None


@pytest.mark.parametrize(
    "action", ["", "xyzzy", "go to table", "Look", "go to desk 1\nlook", "help"]
)
def test_an_inadmissible_command_changes_nothing(action: str) -> None:
    env = ALFWorldEnv(GAMES)
    _, before = env.reset(options={"task": 0})
    observation, reward, terminated, _, info = env.step(action)
    assert (observation, reward, terminated, info["valid"]) == (
        "Nothing happens.",
        0.0,
        False,
        False,
    )
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
    for action in (
        "go to table 2",
        "take apple 1 from table 2",
        "go to fridge 1",
        "open fridge 1",
        "cool apple 1 with fridge 1",
    ):
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


def test_a_pickled_episode_continues() -> None:
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
    assert (
        "help" not in older.reset(options={"task": 0})[1]["admissible"]
        and older.data_hash != env.data_hash
    )


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


def test_the_expert_is_none_before_the_first_reset() -> None:
    assert ALFWorldEnv(GAMES).expert_action() is None
    assert expert_plan(GAMES[0], GAMES[0].start)


def test_the_experts_distance_is_reported_on_request() -> None:
    env, plain = ALFWorldEnv(GAMES, expert_distance=True), ALFWorldEnv(GAMES)
    for task in range(len(GAMES)):
        _, info = env.reset(options={"task": task})
        plain.reset(options={"task": task})
        distances = [info["rewards"]["expert_distance"]]
        while (action := env.expert_action()) is not None:
            shown, other = env.step(action), plain.step(action)
            distances.append(shown[-1]["rewards"].pop("expert_distance"))
            assert shown == other, "nothing else differs"
        assert distances == [float(left) for left in range(len(distances) - 1, -1, -1)]


def test_in_a_dead_end_there_is_no_distance() -> None:
    content = household()
    content["pddl_problem"] = re.sub(r"\(canContain \w+ KnifeType\)", "", content["pddl_problem"])
    env = ALFWorldEnv([Game.of(content)], expert_distance=True)
    env.reset(options={"task": 0})
    for action in ("go to table 2", "take knife 1 from table 2"):
        *_, info = env.step(action)
    assert info["rewards"] == {"goal_progress": 0.0} and env.expert_action() is None


@pytest.mark.parametrize("expert", ["full", "partial"])
@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_the_contract_in_every_mode(difficulty: str, expert: str) -> None:
    def make() -> ALFWorldEnv:
        return ALFWorldEnv(
            difficulty=difficulty, expert=expert, wording="2.1.1", split_rule="types",
            games_seed=3, train_games=60, valid_games=12, expert_distance=True,
        )  # fmt: skip

    check_turn_env(make, tasks=2, turns=8, resets=200)


def test_tasks_of_generated_games_are_named_and_stay_what_they_are() -> None:
    env, larger = (ALFWorldEnv(train_games=size, valid_games=12) for size in (60, 600))
    assert (
        env.splits == ("train", "valid_seen", "valid_unseen")
        and env.tasks("valid_seen")[11] == "valid_seen/11"
    )
    for task in ("train/7", "valid_seen/3", "valid_unseen/5"):
        shown = env.reset(options={"task": task})
        assert (
            shown == larger.reset(options={"task": task})
            and shown[1]["split"] == task.split("/")[0]
        )
    assert env.data_hash != larger.data_hash
    types = ALFWorldEnv(train_games=60, valid_games=12, split_rule="types")
    assert [len(types.tasks(split)) for split in types.splits] == [40, 8, 8, 4]
    assert types.reset(options={"task": "valid_unseen/4"})[1]["split"] == "unseen_types"


def test_a_generated_task_is_the_generated_game() -> None:
    env = ALFWorldEnv(games_seed=5, train_games=12, valid_games=1)
    assert [env.games.game(task).digest for task in env.tasks("train")] == [
        game.digest for game in generate(12, 5)
    ]
    (heated,) = generate(1, 5, "pick_heat_then_place_in_recep")
    assert env.games.game("train/3").digest == heated.digest and env.games.path("train/3") is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"difficulty": "hardest"}, "did you mean 'hard'"),
        ({"train_games": 5}, "at least 6"),
        ({"valid_games": 0}, "at least 6"),
        ({"expert": "omniscient"}, "known: full, partial"),
        ({"backend": "jericho"}, "known: native, textworld"),
        ({"wordin": "0.4"}, "did you mean 'wording'"),
        ({"games_seed": "one"}, "type int"),
        ({"expert_distance": 1}, "type bool"),
    ],
)
def test_invalid_settings(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make_env("alfworld", **settings)


def test_gymnasium_makes_it_and_stops_at_fifty() -> None:
    env = gymnasium.make("turnwise:turnwise/ALFWorld-v0", difficulty="easy")
    env.reset(seed=0)
    assert [env.step("look")[3] for _ in range(50)] == [False] * 49 + [True]


def test_vectors_of_environments() -> None:
    envs = gymnasium.make_vec(
        "turnwise/ALFWorld-v0", num_envs=3, vectorization_mode="sync", difficulty="easy"
    )
    observations, infos = envs.reset(seed=1)
    assert (
        all("Your task is to" in observation for observation in observations)
        and len(infos["task"]) == 3
    )
    assert list(envs.step(["inventory"] * 3)[0]) == ["You are not carrying anything."] * 3


@pytest.mark.slow
def test_a_million_random_steps_do_not_leak() -> None:
    env, rng = ALFWorldEnv(), random.Random(0)
    tasks = env.tasks("train")[:MAX_CACHED_GAMES]

    def play(steps: int) -> None:
        for number in range(steps // 50):
            _, info = env.reset(options={"task": tasks[number % len(tasks)]})
            for _ in range(50):
                *_, info = env.step(rng.choice(info["admissible"]))

    play(20_000)
    gc.collect()
    before = sys.getallocatedblocks()
    play(1_000_000)
    gc.collect()
    grown = sys.getallocatedblocks() - before
    assert grown < 2000, f"{grown} blocks of memory more after a million steps"
