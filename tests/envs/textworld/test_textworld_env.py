"""The environment over the real package: contract, and the text of TextWorld's own environment."""

from __future__ import annotations

import gc
import os
import pickle
import random
import threading
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest

from turnwise.envs.base import fork
from turnwise.envs.checks import check_turn_env
from turnwise.envs.textworld import TextWorldEnv, stories, zmachine
from turnwise.envs.textworld.env import OVER
from turnwise.envs.textworld.making import game_of
from turnwise.envs.textworld.text import REFUSED
from turnwise.errors import ConfigError, TaskError

textworld = pytest.importorskip(
    "textworld", reason="the package textworld is not installed: pip install 'turnwise[alfworld]'"
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:Game .* is not fully supported"
)  # said of every game that is not a classic

FEW = {"train": 2, "dev": 1, "test": 1}
PRESETS = ["w2-o3-q4", "cooking", "treasure", "coin", "simple"]


def env_of(preset: str = "coin", **settings: Any) -> TextWorldEnv:
    return TextWorldEnv(preset, games=FEW, **settings)


def win(env: TextWorldEnv, task: str = "train-0") -> tuple[list[float], dict[str, Any]]:
    """Return rewards and last info of the expert's episode."""
    _, info = env.reset(options={"task": task})
    rewards = []
    while True:
        action = env.expert_action()
        assert action is not None
        _, reward, terminated, _, info = env.step(action)
        rewards.append(reward)
        if terminated:
            return rewards, info


@pytest.mark.slow
@pytest.mark.parametrize("preset", PRESETS)
def test_the_contract_in_every_kind(preset: str) -> None:
    check_turn_env(lambda: env_of(preset), resets=20, tasks=1)


@pytest.mark.slow
@pytest.mark.parametrize("preset", [*PRESETS, "cooking-hard", "coin-distractors", "w8-o12-q4"])
def test_the_walkthrough_wins_every_kind(preset: str) -> None:
    env = env_of(preset)
    for task in ("train-0", "train-1", "dev-0", "test-0"):
        rewards, info = win(env, task)
        assert info["success"] and info["score"] == 1.0
        assert sum(rewards) == pytest.approx(1.0)


def test_rewards() -> None:
    dense, info = win(env_of("simple"))
    assert sum(value > 0 for value in dense) > 3, "points are given on the way"
    assert sum(dense) == pytest.approx(info["score"]) == 1.0
    raw, _ = win(env_of("simple", reward="raw"))
    assert raw == [float(round(value * sum(raw))) for value in dense]
    sparse, _ = win(env_of("simple", reward="sparse"))
    assert sparse == [0.0] * (len(sparse) - 1) + [1.0]


@pytest.mark.parametrize("preset", ["coin", "simple"])
def test_same_text_as_textworld_itself(preset: str) -> None:
    """Random, expert and garbage commands: text, admissible commands, score and end are equal."""
    ours = env_of(preset, observation="raw", reward="raw")
    rng = random.Random(preset)
    for episode in range(6):
        observation, info = ours.reset(options={"task": "train-0"})
        game = game_of(ours._spec("train-0"), ours._root) / "game.z8"
        theirs = textworld.start(str(game), textworld.EnvInfos(admissible_commands=True))
        state, points = theirs.reset(), 0.0
        for _ in range(25):
            assert observation == state.feedback
            assert info["admissible"] == state.admissible_commands
            draw = rng.random()
            action = (
                rng.choice(info["admissible"])
                if draw < 0.6
                else "take it"
                if draw < 0.7
                else "xyzzy. look"
            )
            if draw > 0.85 or episode == 0:
                action = ours.expert_action() or action
            observation, reward, terminated, _, info = ours.step(action)
            state, score, done = theirs.step(action)
            points += reward
            assert (points, terminated) == (score, done)
            if done:
                assert observation == state.feedback
                break
        theirs.close()


def test_commands_to_the_interpreter_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    env = env_of()
    _, before = env.reset(options={"task": "train-0"})
    for action in ("save", "script", "look. save", "tw-trace-actions", "version", "restart"):
        observation, reward, terminated, _, info = env.step(action)
        assert (observation, reward, terminated, info["valid"]) == (REFUSED, 0.0, False, False)
        assert (info["state"], info["admissible"]) == (before["state"], before["admissible"])
    assert os.listdir(tmp_path) == []


def test_after_the_end_nothing_happens() -> None:
    env = env_of()
    _, info = win(env)
    assert info["admissible"] == [] and env.expert_action() is None
    observation, reward, terminated, _, after = env.step("look")
    assert (observation, reward, terminated, after["valid"]) == (OVER, 0.0, True, False)
    assert after["success"] and after["state"] == info["state"]


def test_state_hashes_do_not_depend_on_the_path() -> None:
    env = env_of()
    _, start = env.reset(options={"task": "train-0"})
    there = next(action for action in start["admissible"] if action.startswith("go"))
    back = {
        "go north": "go south",
        "go south": "go north",
        "go east": "go west",
        "go west": "go east",
    }[there]
    _, _, _, _, away = env.step(there)
    assert away["state"] != start["state"]
    _, _, _, _, again = env.step(back)
    assert again["state"] == start["state"]
    other = env.spawn()
    other.reset(options={"task": "train-0"})
    for action in ("look", "inventory", "nonsense"):
        *_, waited = other.step(action)
        assert waited["state"] == start["state"]
    assert env.step("look")[0] == other.step("look")[0]


def test_the_order_of_objects_is_part_of_the_state() -> None:
    env = env_of("simple")
    env.reset(options={"task": "train-0"})
    for action in ("open chest drawer", "take old key from chest drawer"):
        env.step(action)
    *_, held = env.step("look")
    *_, dropped = env.step("drop old key")
    assert dropped["state"] != held["state"]
    *_, taken = env.step("take old key")
    assert taken["state"] == held["state"]


@pytest.mark.slow
def test_the_expert_finds_another_way() -> None:
    for preset in ("coin", "cooking", "simple"):
        env = env_of(preset)
        rng = random.Random(1)
        _, info = env.reset(options={"task": "train-1"})
        for _ in range(3):
            harmless = [
                action
                for action in info["admissible"]
                if action.split()[0] in ("go", "open", "close", "examine", "look")
            ]
            *_, info = env.step(rng.choice(harmless))
        for _ in range(60):
            action = env.expert_action()
            assert action is not None, preset
            *_, terminated, _, info = env.step(action)
            if terminated:
                break
        assert info["success"], preset


def test_a_fork_shares_state_and_story_only() -> None:
    env = env_of()
    env.reset(options={"task": "train-0"})
    copy = env.fork()
    assert copy._story is env._story
    assert copy._now is not None and env._now is not None and copy._now.machine is env._now.machine
    copy.step(copy.expert_action() or "look")
    *_, info = env.step("look")
    assert info["state"] == env.reset(options={"task": "train-0"})[1]["state"]


def test_a_snapshot_is_small_and_opens_elsewhere() -> None:
    env = env_of("simple")
    env.reset(options={"task": "train-0"})
    for _ in range(4):
        env.step(env.expert_action() or "look")
    data = pickle.dumps(env.snapshot())
    assert len(data) < 80_000
    other = env_of("simple")
    other.restore(pickle.loads(data))
    assert [other.expert_action(), *other.step("look")] == [env.expert_action(), *env.step("look")]


def test_games_can_be_loaded_and_played_in_many_threads() -> None:
    """The rollout driver plays blocking environments in threads."""
    env = env_of("treasure")
    env.prepare("train")
    env.close()
    found: dict[int, list[str]] = {}

    def play(k: int) -> None:
        mine = env.spawn()
        shown = [mine.reset(options={"task": f"train-{k % 2}"})[0]]
        while (action := mine.expert_action()) is not None:
            shown.append(mine.step(action)[0])
        found[k] = shown

    threads = [threading.Thread(target=play, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[k] == found[k % 2] and "*** The End ***" in found[k][-1] for k in range(8))


def test_close_releases_and_can_be_opened_again() -> None:
    env = env_of()
    shown = env.reset(options={"task": "train-0"})
    env.close()
    with pytest.raises(TaskError, match="call reset"):
        env.step("look")
    assert env.reset(options={"task": "train-0"}) == shown


def test_an_episode_that_closes_leaves_the_others_their_games(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stories, "_players", WeakSet())
    one, other = env_of(), env_of()
    for env in (one, other):
        env.reset(options={"task": "train-0"})
    one.close()
    assert zmachine._live and stories._story.cache_info().currsize
    other.step("look")
    other.close()
    assert not zmachine._live and not stories._story.cache_info().currsize


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory of a process is read from /proc"
)
def test_resets_do_not_leak() -> None:
    env = env_of()

    def resident() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def episodes(count: int) -> None:
        for k in range(count):
            env.reset(options={"task": f"train-{k % 2}"})
            fork(env)
            env.step("look")

    episodes(50)
    before = resident()
    episodes(200)
    assert resident() - before < 2_000_000


def test_invalid_arguments() -> None:
    with pytest.raises(ConfigError, match="unknown reward"):
        TextWorldEnv(reward="shaped")
    with pytest.raises(ConfigError, match="did you mean 'tidy'"):
        TextWorldEnv(observation="tidi")
    with pytest.raises(TaskError, match="no split 'valid'"):
        TextWorldEnv(split="valid")
    with pytest.raises(TaskError, match="no task 'train-9'"):
        env_of().reset(options={"task": "train-9"})
