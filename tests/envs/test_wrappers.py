"""Environments of other libraries as a `TurnEnv`."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Text

from tests.envs.text_games import SUMS, EchoGame, GemGuess, Numbers, SkyRLSum
from turnwise.envs.base import TurnEnv
from turnwise.envs.checks import check_turn_env
from turnwise.envs.registry import env_spec, make
from turnwise.envs.wrappers import MAX_OBSERVATION_CHARS, TextEnv, wrap
from turnwise.errors import ConfigError, DataError, TaskError


def echo() -> TurnEnv[Any]:
    return wrap(EchoGame, 10, max_turns=3)


def gem() -> TurnEnv[Any]:
    return wrap(GemGuess, 10, malformed=(ValueError,), max_turns=6)


def skyrl() -> TurnEnv[Any]:
    return wrap(SkyRLSum, SUMS, instruction="Answer with a number.", eval_split="test")


@pytest.mark.parametrize("factory", [echo, gem, skyrl])
def test_the_three_interfaces_pass_the_kit(factory: Callable[[], TurnEnv[Any]]) -> None:
    check_turn_env(factory, resets=500)


def test_gymnasiums_interface() -> None:
    env = echo()
    observation, info = env.reset(options={"task": 3})
    word = observation[4:-1]
    assert info["instruction"] == observation and f"say {word}" in info["admissible"]
    assert env.step("say nothing")[:3] == (f"You said 'say nothing'. Say {word}.", 0.0, False)
    observation, reward, terminated, truncated, info = env.step(f"say {word}")
    assert (observation, reward, terminated, truncated) == ("Right.", 1.0, True, False)
    assert info["success"] and info["score"] == 1.0 and info["admissible"] == []


def test_truncation_ends_the_episode() -> None:
    env = echo()
    env.reset(options={"task": 0})
    assert [env.step("?")[2:4] for _ in range(3)] == [(False, False), (False, False), (True, False)]
    _, reward, terminated, _, info = env.step("say red")
    assert (reward, terminated, info["valid"], info["success"]) == (0.0, True, False, False)


def test_a_malformed_action_is_an_outcome() -> None:
    env = gem()
    first, _ = env.reset(options={"task": 1})
    observation, reward, terminated, _, info = env.step("a lot")
    assert (observation, reward, terminated, info["valid"]) == (first, 0.0, False, False)
    strict = wrap(GemGuess, 10)
    strict.reset(options={"task": 1})
    with pytest.raises(ValueError):
        strict.step("a lot")


def test_episodes_do_not_share_the_global_generators() -> None:
    def shown(env: TurnEnv[Any]) -> list[str]:
        return [env.step(guess)[0] for guess in ("0", "9", "0", "9")]

    alone = gem()
    alone.reset(options={"task": 5})
    wanted = shown(alone)
    one, other = gem(), gem()
    one.reset(options={"task": 5})
    other.reset(options={"task": 6})
    mixed = []
    state = random.getstate(), np.random.get_state()[1].tolist()
    for guess in ("0", "9", "0", "9"):
        mixed.append(one.step(guess)[0])
        other.step(guess)
    assert mixed == wanted
    assert (random.getstate(), np.random.get_state()[1].tolist()) == state


def test_skyrl_gyms_interface() -> None:
    env = skyrl()
    observation, info = env.reset(options={"task": 6})
    assert (observation, info["instruction"]) == ("1 + 2?", "Answer with a number.")
    assert env.step("4")[:3] == ("Try again.", 0.0, False)
    assert env.step("3")[:3] == ("", 1.0, True)


def test_splits() -> None:
    env = echo()
    assert env.splits == ("train", "test")
    assert list(env.tasks("train")) == list(range(8)) and list(env.tasks("test")) == [8, 9]
    given = wrap(EchoGame, [7, 8, 9], splits={"learn": [7, 8], "measure": [9]})
    assert given.splits == ("learn", "measure") and given.eval_split == "measure"
    assert given.reset(seed=0)[1]["split"] == "learn"
    with pytest.raises(TaskError, match="no split 'test'"):
        given.tasks("test")
    with pytest.raises(ConfigError, match="task 4, which is not among"):
        wrap(EchoGame, 3, splits={"train": [4]})
    with pytest.raises(ConfigError, match="leaves a split empty"):
        wrap(EchoGame, 1)


def test_an_id_of_gymnasium_and_an_environment_will_do() -> None:
    gymnasium.register("tests/Echo-v0", EchoGame)
    for given in ("tests/Echo-v0", EchoGame()):
        check_turn_env(wrap(given, 10), resets=100)


def test_long_observations_are_cut() -> None:
    class Long(EchoGame):
        def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
            return "x" * (MAX_OBSERVATION_CHARS + 5), 0.0, False, False, {}

    env = wrap(Long, 5)
    env.reset(seed=0)
    assert env.step("say red")[0].endswith("x\n[5 characters left out]")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Numbers, "the actions of Numbers are Discrete"),
        (dict, "a dict without step and reset or init"),
        (7, "give a function that makes an environment"),
    ],
)
def test_what_cannot_be_wrapped(given: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        wrap(given)


def test_observations_must_be_text() -> None:
    class Shown(Numbers):
        action_space = EchoGame().action_space  # type: ignore[assignment]

    with pytest.raises(ConfigError, match="an observation of Shown is a int"):
        wrap(Shown).reset(seed=0)


def test_by_import_path() -> None:
    spec = env_spec("tests.envs.test_wrappers:gem")
    assert (spec.max_turns, spec.prompt, spec.eval_split) == (6, "text/react@1", "test")
    assert isinstance(make("tests.envs.test_wrappers:gem"), TextEnv)
    with pytest.raises(
        ConfigError, match=r"EchoGame that is not a TurnEnv.*turnwise.envs.wrappers.wrap"
    ):
        make("tests.envs.text_games:EchoGame")


def real_gem() -> Any:
    import gem as gem_library

    return gem_library.make("game:GuessTheNumber-v0-easy")


def real_skyrl(task: dict[str, Any]) -> Any:
    import skyrl_gym

    return skyrl_gym.make("gsm8k_multi_turn", extras=task)


def test_the_real_gem() -> None:
    pytest.importorskip("gem")
    check_turn_env(lambda: wrap(real_gem, 20, max_turns=10), resets=100)


def test_the_real_skyrl_gym() -> None:
    pytest.importorskip("skyrl_gym")
    question = [{"role": "user", "content": "2 + 3?"}]
    truth = {"reward_spec": {"ground_truth": "5"}, "max_turns": 3}
    tasks = [{"prompt": question, **truth}] * 5
    check_turn_env(lambda: wrap(real_skyrl, tasks, instruction="Solve it."), resets=100)
    env = wrap(real_skyrl, tasks, instruction="Solve it.")
    assert env.reset(seed=0)[0] == "2 + 3?"
    assert env.step("#### 5")[1] == 1.0


class Unseeded(gymnasium.Env[str, str]):
    """An environment that the seed of `reset` does not decide."""

    observation_space = Text(40)
    action_space = Text(40)

    def reset(self, **given: Any) -> tuple[str, dict[str, Any]]:
        return f"{random.SystemRandom().random()}", {}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        return "Go on.", 0.0, False, False, {}


def test_what_the_seed_does_not_decide_cannot_be_forked() -> None:
    env = wrap(Unseeded, 10)
    env.reset(seed=0)
    env.step("x")
    for copy_of in (env.fork, lambda: pickle.loads(pickle.dumps(env)).step("x")):
        with pytest.raises(DataError, match="Unseeded cannot be forked or restored: playing"):
            copy_of()


def test_one_admissible_action_may_be_text() -> None:
    class OneAction(Unseeded):
        def reset(self, **given: Any) -> tuple[str, dict[str, Any]]:
            return "Go.", {"admissible": "go on"}

    assert wrap(OneAction, 10).reset(seed=0)[1]["admissible"] == ["go on"]
