"""Conformance kit: check that an environment keeps the contract of `TurnEnv`.

`check_turn_env` plays short episodes of random, expert and meaningless actions in several instances
and compares their transcripts byte for byte: on two instances in two orders, from every snapshot,
in every fork, after pickling. A broken promise is an `AssertionError` whose sentence names it.
"""

from __future__ import annotations

import gc
import json
import pickle
import random
import re
import tracemalloc
import typing
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec as GymnasiumSpec
from gymnasium.utils.env_checker import check_env

from turnwise.envs import registry
from turnwise.envs.base import Info, TaskId, TurnEnv, fork
from turnwise.errors import TaskError

MakeEnv = Callable[[], TurnEnv[Any]]
NONSENSE = ("", "nonsense", "click[", "[x]", "look at\nme", "¡ñ 😀", "a" * 300)
MAX_EXPERT_TURNS = 200


@dataclass(frozen=True)
class PlayedEpisode:
    """The actions on a task and the transcript that they gave."""

    task: TaskId
    split: str
    seed: int
    actions: tuple[str, ...]
    shown: tuple[str, ...]
    """One entry after `reset` and one after each action."""


def check_turn_env(
    env: str | registry.EnvSpec | MakeEnv | TurnEnv[Any],
    *,
    splits: Sequence[str] | None = None,
    tasks: int = 2,
    turns: int = 8,
    resets: int = 10_000,
    expert_score: float | None = 1.0,
    seed: int = 0,
) -> None:
    """Check an environment against every promise of `TurnEnv`.

        check_turn_env(Guess)
        check_turn_env("my_envs:Guess")

    Args:
        env: a class, a function that makes an environment, or a name or spec of the registry, each
            of which must make equal environments; or one environment, which is spawned from.
        splits: the splits to check, each with tasks; all splits of the environment by default.
        tasks: tasks to play in each split.
        turns: most actions of an episode.
        resets: resets over which memory must not grow; give fewer for a slow environment.
        expert_score: the score the expert must reach on the tasks played; None where it promises
            none.
        seed: seeds the choice of tasks and actions.

    Raises:
        AssertionError: for the first promise that does not hold, with a sentence that says which.
        ConfigError: for a name that is not known.
    """
    make = _factory(env)
    chosen = check_tasks(make, splits)
    rng = random.Random(seed)
    episodes = [
        _play(make(), task, split, rng, turns)
        for split, found in chosen.items()
        for task in rng.sample(found, min(tasks, len(found)))
    ]
    check_gymnasium(make)
    check_determinism(make, episodes)
    for episode in episodes:
        check_snapshots(make, episode)
        check_pickling(make, episode)
        if expert_score is not None:
            check_expert(make, episode, expert_score)
    check_wrapped_fork(make, max(episodes, key=lambda episode: len(episode.actions)))
    check_memory(make, episodes, resets)


def _factory(env: str | registry.EnvSpec | MakeEnv | TurnEnv[Any]) -> MakeEnv:
    if isinstance(env, TurnEnv):
        return env.spawn
    if isinstance(env, str | registry.EnvSpec):
        return registry.make(env).spawn
    return env


# Playing
# ----------------------------------------------------------------------------------------------


def _play(
    env: TurnEnv[Any], task: TaskId, split: str, rng: random.Random, turns: int
) -> PlayedEpisode:
    """Play admissible, expert and meaningless actions; check keys and types on the way."""
    seed = rng.randrange(1000)
    observation, info = env.reset(seed=seed, options={"task": task, "split": split})
    check_info(env, info, task)
    shown, actions = [_written(observation, info)], list[str]()
    for _ in range(turns):
        action = _choose(env, info, rng)
        shown.append(_step(env, action, task))
        actions.append(action)
        info, terminated = json.loads(shown[-1])[1], json.loads(shown[-1])[3]
        if terminated:
            break
    return PlayedEpisode(task, split, seed, tuple(actions), tuple(shown))


def _choose(env: TurnEnv[Any], info: dict[str, Any], rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.2:
        return rng.choice(NONSENSE)
    if draw < 0.5:
        expert = env.expert_action()
        if expert is not None:
            return expert
    if not info["admissible"]:
        return rng.choice(NONSENSE)
    words = info["instruction"].split() or ["word"]
    return re.sub(
        r"<[^<>]*>",
        lambda _: " ".join(rng.sample(words, min(3, len(words)))),
        rng.choice(info["admissible"]),
    )


def _step(env: TurnEnv[Any], action: str, task: TaskId) -> str:
    try:
        observation, reward, terminated, truncated, info = env.step(action)
    except Exception as problem:
        raise AssertionError(
            f"step({action!r}) raised {problem!r}: a malformed action is an outcome with "
            "valid=False"
        ) from problem
    assert type(reward) is float, (
        f"the reward of step({action!r}) is {reward!r}: it must be a Python float"
    )
    assert type(terminated) is bool, (
        f"terminated after step({action!r}) is {terminated!r}: it must be a bool"
    )
    assert truncated is False, (
        f"truncated after step({action!r}) is {truncated!r}: time limits belong to the registration"
    )
    check_info(env, info, task)
    return _written(observation, info, reward, terminated)


def _written(
    observation: str, info: dict[str, Any], reward: float = 0.0, terminated: bool = False
) -> str:
    assert type(observation) is str, f"an observation is {observation!r}: it must be a string"
    return json.dumps([observation, info, reward, terminated], sort_keys=True)


def _replay(env: TurnEnv[Any], episode: PlayedEpisode, turns: int | None = None) -> list[str]:
    """Return the transcript of the first `turns` actions of `episode`, or of all, in `env`."""
    observation, info = env.reset(
        seed=episode.seed, options={"task": episode.task, "split": episode.split}
    )
    return [_written(observation, info), *_continue(env, episode, 0, turns)]


def _continue(
    env: TurnEnv[Any], episode: PlayedEpisode, start: int, stop: int | None = None
) -> list[str]:
    return [_step(env, action, episode.task) for action in episode.actions[start:stop]]


def _same(shown: Sequence[str], wanted: Sequence[str], what: str) -> None:
    """Assert that two transcripts are equal; the message shows the first difference."""
    for k, (a, b) in enumerate(zip(shown, wanted, strict=True)):
        if a != b:
            place = next(
                (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y),
                min(len(a), len(b)),
            )
            at = slice(max(0, place - 40), place + 40)
            raise AssertionError(f"{what}: entry {k} differs, {a[at]!r} instead of {b[at]!r}")


# The promises
# ----------------------------------------------------------------------------------------------


def check_gymnasium(make: MakeEnv) -> None:
    """Check that Gymnasium's own checker has no complaint."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about spaces that are not boxes
        check_env(make(), skip_render_check=True)


def check_info(env: TurnEnv[Any], info: dict[str, Any], task: TaskId) -> None:
    """Check that `info` has exactly the keys of its TypedDict, with values of their kinds."""
    declared = typing.get_type_hints(type(env)._info)["return"]
    keys = set(typing.get_type_hints(declared))
    assert set(Info.__annotations__) <= keys, f"{declared.__name__} does not extend Info"
    assert set(info) == keys, (
        f"info has the keys {sorted(info)}, and {declared.__name__} declares {sorted(keys)}"
    )
    assert info["task"] == task, f"info['task'] is {info['task']!r} in an episode of task {task!r}"
    assert info["split"] in env.splits, (
        f"info['split'] is {info['split']!r}, which is not one of {env.splits}"
    )
    for name in ("instruction", "state"):
        assert type(info[name]) is str and info[name], (
            f"info[{name!r}] is {info[name]!r}: it must be a string that is not empty"
        )
    for name in ("valid", "success"):
        assert type(info[name]) is bool, f"info[{name!r}] is {info[name]!r}: it must be a bool"
    score = info["score"]
    assert type(score) is float and 0.0 <= score <= 1.0, (
        f"info['score'] is {score!r}: it must be a float in [0, 1]"
    )
    for name in ("admissible", "tags"):
        assert _all(info[name], str), (
            f"info[{name!r}] is {info[name]!r}: it must be a list of strings"
        )
    rewards = info["rewards"]
    fits = (
        type(rewards) is dict and _all(list(rewards), str) and _all(list(rewards.values()), float)
    )
    assert fits, f"info['rewards'] is {rewards!r}: it must be a dict from names to floats"


def _all(values: object, kind: type) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)


def check_tasks(make: MakeEnv, splits: Sequence[str] | None = None) -> dict[str, list[TaskId]]:
    """Check splits and tasks; return the tasks by split.

    Splits have to be named, disjoint and not empty; every instance has to have the same tasks, and
    unknown ones have to raise `TaskError`.
    """
    env, other = make(), make()
    assert env.splits and type(env.splits) is tuple, (
        f"splits is {env.splits!r}: it must be a tuple of at least one name"
    )
    found: dict[str, list[TaskId]] = {}
    for split in splits or env.splits:
        tasks = list(env.tasks(split))
        assert tasks, f"split {split!r} has no tasks"
        assert len(set(tasks)) == len(tasks), f"split {split!r} lists a task twice"
        assert all(type(task) in (int, str) for task in tasks), (
            f"split {split!r} has task ids that are neither int nor str"
        )
        assert tasks == list(env.tasks(split)) == list(other.tasks(split)), (
            f"the tasks of split {split!r} change from call to call"
        )
        for name, others in found.items():
            shared = set(tasks) & set(others)
            assert not shared, (
                f"splits {name!r} and {split!r} share {len(shared)} tasks, such as "
                f"{next(iter(shared))!r}"
            )
        found[split] = tasks
    unknown: dict[str, Callable[[], object]] = {
        "split": lambda: env.tasks("no such split"),
        "task": lambda: env.reset(options={"task": "no such task"}),
    }
    for what, ask in unknown.items():
        try:
            ask()
        except TaskError:
            continue
        raise AssertionError(f"an unknown {what} does not raise TaskError")
    assert env.data_hash and env.data_hash == other.data_hash, (
        "data_hash is empty or differs between two instances"
    )
    return found


def check_determinism(make: MakeEnv, episodes: Sequence[PlayedEpisode]) -> None:
    """Check that two instances that play in opposite orders give the same transcripts."""
    env, other = make(), make()
    for episode in episodes:
        _same(
            _replay(env, episode),
            episode.shown,
            f"task {episode.task!r} played again in another instance is not the same",
        )
    for episode in reversed(episodes):
        _same(
            _replay(other, episode),
            episode.shown,
            f"task {episode.task!r} depends on what was played before it",
        )


def check_snapshots(make: MakeEnv, episode: PlayedEpisode) -> None:
    """Check that snapshots and forks continue as a replay does, at every turn.

    A snapshot is pickled and restored elsewhere. None of them may affect another.
    """
    env = make()
    for turn in range(len(episode.actions) + 1):
        where = f"task {episode.task!r}, turn {turn}"
        shown = _replay(env, episode, turn)
        _spoil(env)
        snapshot = env.snapshot()
        copy = env.fork()
        elsewhere = make()
        observation, info = elsewhere.restore(pickle.loads(pickle.dumps(snapshot)))
        wanted = json.loads(shown[-1])[:2]
        assert json.loads(_written(observation, info))[:2] == wanted, (
            f"{where}: restore() does not return what stood there"
        )
        rest = episode.shown[turn + 1 :]
        _same(
            _continue(elsewhere, episode, turn),
            rest,
            f"{where}: a snapshot restored in another instance goes on differently",
        )
        stray = env.fork()
        for action in ("nonsense", *(info["admissible"][:1])):
            _step(stray, action, episode.task)
        _same(
            _continue(copy, episode, turn), rest, f"{where}: a fork goes on differently from replay"
        )
        _same(
            _continue(env, episode, turn), rest, f"{where}: acting in a fork changes the original"
        )
        env.restore(snapshot)
        _same(
            _continue(env, episode, turn),
            rest,
            f"{where}: restoring a snapshot in the same instance goes on differently",
        )


def _spoil(env: TurnEnv[Any]) -> None:
    """Empty the lists of an `info`, as a careless caller may."""
    assert env._last is not None
    for value in env._info(env._last).values():
        if isinstance(value, (list, dict)):
            value.clear()


def check_pickling(make: MakeEnv, episode: PlayedEpisode) -> None:
    """Check that an environment pickled before or within an episode continues unchanged."""
    for turn in (None, len(episode.actions) // 2):
        env = make()
        if turn is not None:
            _replay(env, episode, turn)
        try:
            env = pickle.loads(pickle.dumps(env))
        except Exception as problem:
            raise AssertionError(f"the environment cannot be pickled: {problem!r}") from problem
        if turn is None:
            _same(
                _replay(env, episode),
                episode.shown,
                f"task {episode.task!r}: a pickled environment plays differently",
            )
        else:
            rest = episode.shown[turn + 1 :]
            _same(
                _continue(env, episode, turn),
                rest,
                f"task {episode.task!r}: pickled at turn {turn}, it goes on differently",
            )


def check_expert(make: MakeEnv, episode: PlayedEpisode, score: float) -> None:
    """Check that the expert, where there is one, ends the episode with at least `score`."""
    env = make()
    _, info = env.reset(seed=episode.seed, options={"task": episode.task, "split": episode.split})
    action = env.expert_action()
    for _ in range(MAX_EXPERT_TURNS if action is not None else 0):
        assert action is not None, f"the expert gives up on task {episode.task!r}"
        _, _, terminated, _, info = env.step(action)
        assert info["valid"], (
            f"the expert's action {action!r} on task {episode.task!r} is not valid"
        )
        if terminated:
            assert info["score"] >= score, (
                f"the expert scores {info['score']} on task {episode.task!r}, and {score} was "
                "promised"
            )
            return
        action = env.expert_action()
    assert action is None, (
        f"the expert does not finish task {episode.task!r} in {MAX_EXPERT_TURNS} turns"
    )


def check_wrapped_fork(make: MakeEnv, episode: PlayedEpisode) -> None:
    """Check that `fork` copies the wrappers of `gymnasium.make`, each with its turn count."""
    limit = len(episode.actions) + 1
    spec = GymnasiumSpec(
        id="turnwise/Conformance-v0", entry_point=lambda **_: make(), max_episode_steps=limit
    )
    env = gymnasium.make(spec)
    env.reset(seed=episode.seed, options={"task": episode.task, "split": episode.split})
    for action in episode.actions[:-1]:
        env.step(action)
    copy = fork(env)
    for each, name in ((copy, "a fork"), (env, "the original")):
        for action in (*episode.actions[-1:], "nonsense"):
            _, _, terminated, truncated, _ = each.step(action)
        assert truncated or terminated, (
            f"{name} of a wrapped environment does not end at its limit of {limit} turns"
        )


def check_memory(make: MakeEnv, episodes: Sequence[PlayedEpisode], resets: int) -> None:
    """Check that memory grows by at most 20 bytes a reset, once caches are warm."""
    env = make()

    def play(count: int) -> int:
        for k in range(count):
            episode = episodes[k % len(episodes)]
            env.reset(seed=episode.seed, options={"task": episode.task, "split": episode.split})
            for action in episode.actions[:1]:
                env.step(action)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start()
    try:
        grown = -play(max(resets // 10, 2 * len(episodes))) + play(resets)
    finally:
        if not running:
            tracemalloc.stop()
    allowed = max(32_768, 20 * resets)
    assert grown <= allowed, (
        f"memory grew by {grown} bytes over {resets} resets, and {allowed} are allowed"
    )
