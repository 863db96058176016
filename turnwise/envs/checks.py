"""Does an environment keep the contract of `TurnEnv`? One call that every environment's tests make.

`check_turn_env` plays short episodes of random, expert and meaningless actions in several instances
and compares what they show, byte for byte: on two instances in two orders, from every snapshot, in
every fork, after pickling. Each broken promise is an `AssertionError` that says which, in a
sentence.
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
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

from turnwise.envs.base import Info, TaskId, TurnEnv, fork
from turnwise.errors import TaskError

MakeEnv = Callable[[], TurnEnv[Any]]
NONSENSE = ("", "nonsense", "click[", "[x]", "look at\nme", "¡ñ 😀", "a" * 300)
EXPERT_TURNS = 200
"""Turns an expert may need."""


@dataclass(frozen=True)
class Episode:
    """What was done to a task and everything that was shown, as text."""

    task: TaskId
    split: str
    seed: int
    actions: tuple[str, ...]
    shown: tuple[str, ...]
    """One entry after `reset` and one after each action."""


def check_turn_env(
    make_env: MakeEnv | TurnEnv[Any], *, splits: Sequence[str] | None = None, tasks: int = 2, turns: int = 8,
    resets: int = 10_000, expert_score: float | None = 1.0, seed: int = 0,
) -> None:  # fmt: skip
    """Check an environment against every promise of `TurnEnv`.

    Args:
        make_env: makes a new environment at each call, always the same; or one environment, which
        is spawned from.
        splits: the splits to check, all of which must have tasks; None for all the environment
        names.
        tasks: tasks to play in each split.
        turns: actions in an episode, at most.
        resets: resets over which memory must not grow; fewer where an environment is slow.
        expert_score: the score the expert must reach on the tasks played; None where it promises
        none.
        seed: seeds the choice of tasks and actions.

    Raises:
        AssertionError: for the first promise that does not hold, with a sentence that says which.
    """
    make = make_env.spawn if isinstance(make_env, TurnEnv) else make_env
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


# Playing
# --------------------------------------------------------------------------------------------------------------


def _play(env: TurnEnv[Any], task: TaskId, split: str, rng: random.Random, turns: int) -> Episode:
    """An episode of admissible, expert and meaningless actions, every return checked for keys and
    types.
    """
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
    return Episode(task, split, seed, tuple(actions), tuple(shown))


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
            f"step({action!r}) raised {problem!r}: a malformed action is an outcome with valid=False"
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


def _replay(env: TurnEnv[Any], episode: Episode, turns: int | None = None) -> list[str]:
    """What `env` shows when it begins `episode` and does its first `turns` actions (all of them
    when None).
    """
    observation, info = env.reset(
        seed=episode.seed, options={"task": episode.task, "split": episode.split}
    )
    return [_written(observation, info), *_continue(env, episode, 0, turns)]


def _continue(
    env: TurnEnv[Any], episode: Episode, start: int, stop: int | None = None
) -> list[str]:
    return [_step(env, action, episode.task) for action in episode.actions[start:stop]]


def _same(shown: Sequence[str], wanted: Sequence[str], what: str) -> None:
    """Assert equality; the message names the first difference."""
    for k, (a, b) in enumerate(zip(shown, wanted, strict=True)):
        if a != b:
            place = next(
                (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y),
                min(len(a), len(b)),
            )
            at = slice(max(0, place - 40), place + 40)
            raise AssertionError(f"{what}: entry {k} differs, {a[at]!r} instead of {b[at]!r}")


# The promises
# ---------------------------------------------------------------------------------------------------------


def check_gymnasium(make: MakeEnv) -> None:
    """Gymnasium's own checker finds nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns about spaces that are not boxes
        check_env(make(), skip_render_check=True)


def check_info(env: TurnEnv[Any], info: dict[str, Any], task: TaskId) -> None:
    """`info` has exactly the keys its TypedDict declares, with values of the declared kinds."""
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
    """Splits are named, not empty and disjoint; tasks are the same in every instance; unknown ones
    raise `TaskError`.
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
                f"splits {name!r} and {split!r} share {len(shared)} tasks, such as {next(iter(shared))!r}"
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


def check_determinism(make: MakeEnv, episodes: Sequence[Episode]) -> None:
    """Two instances, playing the episodes in opposite orders, show the same bytes."""
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


def check_snapshots(make: MakeEnv, episode: Episode) -> None:
    """At every turn: snapshot, restore (after pickling, elsewhere) and fork continue as replay
    does, and do not interfere.
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
    """Empty the lists an `info` holds, as a careless caller may: the environment must not be using
    them.
    """
    assert env._last is not None
    for value in env._info(env._last).values():
        if isinstance(value, (list, dict)):
            value.clear()


def check_pickling(make: MakeEnv, episode: Episode) -> None:
    """An environment can be pickled before and within an episode, and goes on as if it had not
    been.
    """
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


def check_expert(make: MakeEnv, episode: Episode, score: float) -> None:
    """The expert, where there is one, terminates with at least `score`."""
    env = make()
    _, info = env.reset(seed=episode.seed, options={"task": episode.task, "split": episode.split})
    action = env.expert_action()
    for _ in range(EXPERT_TURNS if action is not None else 0):
        assert action is not None, f"the expert gives up on task {episode.task!r}"
        _, _, terminated, _, info = env.step(action)
        assert info["valid"], (
            f"the expert's action {action!r} on task {episode.task!r} is not valid"
        )
        if terminated:
            assert info["score"] >= score, (
                f"the expert scores {info['score']} on task {episode.task!r}, and {score} was promised"
            )
            return
        action = env.expert_action()
    assert action is None, (
        f"the expert does not finish task {episode.task!r} in {EXPERT_TURNS} turns"
    )


def check_wrapped_fork(make: MakeEnv, episode: Episode) -> None:
    """`fork` copies the wrappers of `gymnasium.make` too: each copy counts its own turns."""
    limit = len(episode.actions) + 1
    spec = EnvSpec(
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


def check_memory(make: MakeEnv, episodes: Sequence[Episode], resets: int) -> None:
    """Memory does not grow over `resets` resets with one action each: at most 20 bytes a reset,
    caches being warm.
    """
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
