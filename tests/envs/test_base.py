"""The base class: drawing tasks, info, snapshots with and without a saved state, forks with
wrappers.
"""

from __future__ import annotations

import pickle

import gymnasium
import pytest
from gymnasium.wrappers import TimeLimit

from tests.envs.corridor import SPLITS, Corridor, ReplayedCorridor
from turnwise.envs.base import Info, fork
from turnwise.errors import ConfigError, TaskError

KINDS = [Corridor, ReplayedCorridor]


def test_reset_draws_from_the_chosen_split_and_the_seed_decides() -> None:
    env = Corridor()
    drawn = [env.reset(seed=seed)[1]["task"] for seed in range(40)]
    assert set(drawn) == set(SPLITS["train"])
    assert drawn == [Corridor().reset(seed=seed)[1]["task"] for seed in range(40)]
    assert env.reset(seed=1, options={"split": "test"})[1]["task"] in SPLITS["test"]
    assert Corridor(split="test").reset(seed=1)[1]["split"] == "test"


def test_a_task_is_played_as_asked() -> None:
    observation, info = Corridor().reset(options={"task": 4})
    assert (
        observation == "4 steps to go"
        and info["task"] == 4
        and info["instruction"] == "walk to the end"
    )


def test_info_has_exactly_the_declared_keys() -> None:
    env = Corridor()
    assert set(env.reset(seed=0)[1]) == set(Info.__annotations__)
    assert set(env.step("forward")[4]) == set(Info.__annotations__)


def test_what_a_caller_does_to_info_stays_with_the_caller() -> None:
    env = Corridor()
    env.reset(seed=0)
    info = env.step("forward")[4]
    before = env.snapshot()
    for name in ("admissible", "tags", "rewards"):
        info[name].clear()
    assert env.restore(before)[1]["tags"] == ["kind=corridor"]


def test_time_limits_are_not_the_environments() -> None:
    env = Corridor()
    env.reset(seed=0)
    assert all(env.step("wait")[3] is False for _ in range(50))


@pytest.mark.parametrize("ask", ["split", "task", "step", "snapshot"])
def test_mistakes_are_task_errors(ask: str) -> None:
    env = Corridor()
    with pytest.raises(TaskError):
        if ask == "split":
            env.reset(options={"split": "nowhere"})
        elif ask == "task":
            env.reset(options={"task": 99})
        elif ask == "step":
            env.step("forward")
        else:
            env.snapshot()


def test_a_misspelt_option_does_not_draw_some_other_task() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown option 'tsak' in reset\(options=...\): did you mean 'task'"
    ):
        Corridor().reset(options={"tsak": 3})


def test_an_action_is_text() -> None:
    env = Corridor()
    env.reset(seed=0)
    with pytest.raises(TypeError, match="3 is not a string"):
        env.step(3)  # type: ignore[arg-type]


def test_an_empty_split_is_named() -> None:
    class Empty(Corridor):
        def tasks(self, split: str) -> tuple[int, ...]:
            return ()

    with pytest.raises(TaskError, match="split 'train' of Empty has no tasks"):
        Empty().reset()


@pytest.mark.parametrize("kind", KINDS)
def test_a_snapshot_brings_back_observation_info_and_chance(kind: type[Corridor]) -> None:
    env = kind()
    env.reset(seed=3, options={"task": 6})
    shown, _, _, _, info = env.step("forward")
    snapshot = pickle.loads(pickle.dumps(env.snapshot()))
    rest = [env.step("forward")[:3] for _ in range(4)]
    for target in (env, kind()):
        assert target.restore(snapshot) == (shown, info)
        assert [target.step("forward")[:3] for _ in range(4)] == rest


@pytest.mark.parametrize("kind", KINDS)
def test_forks_are_independent(kind: type[Corridor]) -> None:
    env = kind()
    env.reset(seed=3, options={"task": 6})
    env.step("forward")
    one, two = env.fork(), env.fork()
    paths = [[each.step("forward")[:3] for _ in range(4)] for each in (one, env, two)]
    assert paths[0] == paths[1] == paths[2]
    one.reset(seed=1)
    assert env.snapshot().task == 6


def test_a_snapshot_remembers_every_action() -> None:
    env = Corridor()
    env.reset(seed=3, options={"task": 6})
    for action in ("forward", "wait"):
        env.step(action)
    assert env.snapshot().actions == ("forward", "wait")
    assert env.fork().snapshot().actions == ("forward", "wait")
    env.reset(seed=3)
    assert env.snapshot().actions == ()


def test_spawn_is_before_its_first_reset() -> None:
    env = Corridor()
    env.reset(seed=0)
    other = env.spawn()
    assert type(other) is Corridor and other.observation_space is not env.observation_space
    with pytest.raises(TaskError):
        other.step("forward")
    assert other.reset(seed=0) == Corridor().reset(seed=0)


def test_fork_copies_wrappers_with_their_counters() -> None:
    env: gymnasium.Env[str, str] = TimeLimit(Corridor(), max_episode_steps=3)
    env.reset(seed=0, options={"task": 6})
    env.step("wait")
    copy = fork(env)
    assert [copy.step("wait")[3] for _ in range(2)] == [False, True]
    assert [env.step("wait")[3] for _ in range(2)] == [False, True]


def test_render_shows_the_last_observation() -> None:
    env = Corridor(render_mode="ansi")
    assert env.render() is None
    shown, _ = env.reset(seed=0)
    assert env.render() == shown
    assert Corridor().render() is None
