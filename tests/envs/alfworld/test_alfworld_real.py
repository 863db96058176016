"""The environment over a stand-in for the original engine: outcomes, forks, pickles, errors."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.envs.alfworld.official_games import household
from turnwise.envs.alfworld import ALFWorldEnv, Game, generate, real
from turnwise.envs.alfworld.expert import expert_plan
from turnwise.envs.alfworld.real import RealALFWorldEnv, RealEngine
from turnwise.errors import ConfigError, EngineError


class StandIn:
    """Behaves like `alfworld`'s wrapper of `PddlEnv`: plays natively, and records loads."""

    made = 0
    loaded: Any = None

    def __init__(self, _: Any) -> None:
        StandIn.made += 1

    def load(self, game: Mapping[str, Any] | str) -> None:
        sys.argv = ["translate.py", "domain", "task"]  # as the planner's translator does
        StandIn.loaded = game
        read = json.loads(Path(game).read_text()) if isinstance(game, str) else game
        if "crash" in read:
            raise KeyError("val1")
        self._env = ALFWorldEnv([Game.of(read)])

    def reset(self) -> dict[str, Any]:
        return self._said(*self._env.reset(options={"task": 0}))

    def step(self, command: str) -> tuple[dict[str, Any], int, bool]:
        observation, reward, done, _, info = self._env.step(command)
        return self._said(observation, info), int(reward), done

    def _said(self, observation: str, info: dict[str, Any]) -> dict[str, Any]:
        return {
            "feedback": "REAL " + observation,
            "admissible_commands": info["admissible"],
            "won": info["success"],
        }


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    packages = (
        SimpleNamespace(EnvInfos=lambda **_: None),
        SimpleNamespace(PddlEnv=lambda _: None),
        StandIn,
    )
    monkeypatch.setattr(real, "_packages", lambda: packages)
    monkeypatch.setattr(real, "_IDLE", [])
    monkeypatch.setattr(StandIn, "made", 0)
    yield


GAMES = [Game.of(household()), *generate(2, 0)]
WAY = ("go to table 2", "take apple 1 from table 2", "go to desk 1", "put apple 1 in/on desk 1")


def test_observations_are_the_engines() -> None:
    env, native = RealALFWorldEnv(GAMES), ALFWorldEnv(GAMES)
    assert env.blocking and not native.blocking
    observation, info = env.reset(options={"task": 0})
    assert (
        observation == "REAL " + native.reset(options={"task": 0})[0]
        and info["state"] == native._known.state
    )
    for action in (*WAY[:2], "xyzzy", *WAY[2:]):
        observation, reward, done, truncated, info = env.step(action)
        expected = native.step(action)
        assert (observation, reward, done, truncated, info) == (
            "REAL " + expected[0],
            *expected[1:],
        )
    assert info["success"] and done and reward == 1.0 and env.expert_action() is None


def test_the_expert_plays_along() -> None:
    env = RealALFWorldEnv(GAMES)
    env.reset(options={"task": 0})
    taken = []
    while (action := env.expert_action()) is not None:
        *_, info = env.step(action)
        taken.append(action)
    assert info["success"] and taken == expert_plan(GAMES[0], GAMES[0].start)


def test_a_fork_plays_the_actions_again() -> None:
    env = RealALFWorldEnv(GAMES)
    env.reset(options={"task": 0})
    env.step(WAY[0])
    assert env.snapshot().state is None
    other = env.fork()
    assert StandIn.made == 2, "a fork has an engine of its own"
    env.step("go to desk 1")
    assert other.step(WAY[1])[-1]["valid"] and not env.step(WAY[1])[-1]["valid"]
    native = ALFWorldEnv(GAMES)
    native.reset(options={"task": 0})
    native.step(WAY[0])
    observation, _ = other.restore(native.snapshot())
    assert observation.startswith("REAL You arrive at") and other.step(WAY[1])[-1]["valid"]


def test_a_pickle_leaves_the_engine_behind() -> None:
    env = RealALFWorldEnv(GAMES)
    env.reset(options={"task": 0})
    env.step(WAY[0])
    other = pickle.loads(pickle.dumps(env))
    assert other._engine is None and StandIn.made == 1
    assert other.step(WAY[1]) == env.step(WAY[1]) and StandIn.made == 2


def test_closed_engines_are_used_again() -> None:
    env = RealALFWorldEnv(GAMES)
    for task in (0, 1, 2, 0):
        env.reset(options={"task": task})
    assert StandIn.made == 1
    env.close()
    env.close()
    assert env._engine is None and len(real._IDLE) == 1
    RealALFWorldEnv(GAMES).reset(options={"task": 0})
    assert StandIn.made == 1 and not real._IDLE


def test_a_file_is_played_as_it_is_and_in_another_wording_anew(tmp_path: Path) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_text(json.dumps(household()))
    RealALFWorldEnv([path]).reset(options={"task": 0})
    assert StandIn.loaded == str(path)
    RealALFWorldEnv([path], wording="0.4").reset(options={"task": 0})
    assert 'template :: "move {o} to {r}"' in StandIn.loaded["grammar"]


def test_the_arguments_of_the_process_stay() -> None:
    before = list(sys.argv)
    with RealEngine(household()) as engine:
        assert sys.argv == before and engine.reset().observation.startswith("REAL")
        assert engine.step("look").won is False and sys.argv == before


def test_a_crash_of_the_engine_is_an_engine_error() -> None:
    with pytest.raises(
        EngineError, match=r"the original engine cannot load this game: KeyError\('val1'\)"
    ):
        RealEngine(household() | {"crash": True})


def test_without_the_packages_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    for name in ("textworld", "alfworld"):
        monkeypatch.setitem(sys.modules, name, None)
    real._packages.cache_clear()
    with pytest.raises(ConfigError, match=r'pip install "turnwise\[alfworld\]"'):
        RealALFWorldEnv(GAMES)


def test_the_original_is_imported_only_when_used() -> None:
    import subprocess

    code = (
        "import sys, turnwise.envs.alfworld.real; "
        "print({'textworld', 'alfworld', 'fast_downward'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
