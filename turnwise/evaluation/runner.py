"""Playing a split and claiming a score for it.

Tasks are drawn as the first ones of a seeded shuffle of the split, so that 100 tasks are among the
200 of the same seed and an episode is the same in both. Training measures itself by the same
function as the command line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np

from turnwise.agents.agent import Agent, Episode
from turnwise.agents.driver import MakeEnv, episodes_for, rollout
from turnwise.envs.base import TurnEnv
from turnwise.errors import ConfigError, TaskError
from turnwise.evaluation.metrics import Metrics, by_task, measure, score_of, success_of, task_means
from turnwise.evaluation.score import Score, software_versions
from turnwise.records import TaskId, Trajectory

UNSAID = ("seed", "stop_ids", "entropies", "stop_when")
"""Of sampling: a request's seed follows from the evaluation's, and what ends a turn is the
tokenizer's or the prompt's.
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a score says beside its figures, and the evaluation cannot find out by itself."""

    environment: str = ""
    """Id with its version; found from the environment when empty and it was made by gymnasium."""
    environment_args: Mapping[str, object] = field(default_factory=dict)
    agent: str = ""
    """How the agent was named by who asked; the agent's own name when empty."""


def choose_tasks(env: TurnEnv[Any], split: str, n: int | None, seed: int) -> list[TaskId]:
    """The first `n` tasks (default: all) of a seeded shuffle of `split`.

    Raises:
        TaskError: for an unknown or empty split, or when it has fewer than `n` tasks.
    """
    tasks = env.tasks(split)
    if not len(tasks):
        raise TaskError(
            f"split {split!r} has no tasks here, so there is nothing to evaluate: choose one of {_sizes(env)}"
        )
    if n is not None and not 1 <= n <= len(tasks):
        raise TaskError(
            f"{n} tasks were asked for and split {split!r} has {len(tasks)}: ask for 1 to {len(tasks)}, or for all"
        )
    order = np.random.default_rng(seed).permutation(len(tasks))
    return [tasks[int(i)] for i in order[: len(tasks) if n is None else n]]


def _sizes(env: TurnEnv[Any]) -> str:
    return ", ".join(f"{split} ({len(env.tasks(split))})" for split in env.splits)


def evaluate(make_env: MakeEnv, agent: Agent, **settings: Any) -> tuple[Score, list[Trajectory]]:
    """`evaluation` for programs without an event loop. Takes the same arguments."""
    return asyncio.run(evaluation(make_env, agent, **settings))


async def evaluation(
    make_env: MakeEnv,
    agent: Agent,
    *,
    split: str = "test",
    tasks: int | Sequence[TaskId] | None = None,
    attempts: int = 1,
    seed: int = 0,
    max_turns: int | None = None,
    episodes: Sequence[Episode] | None = None,
    claim: Claim | None = None,
    concurrency: int = 64,
    progress: bool = False,
    on_trajectory: Callable[[Trajectory], None] | None = None,
) -> tuple[Score, list[Trajectory]]:
    """Play `attempts` episodes of each task and score them.

    Args:
        make_env: makes an environment, with Gymnasium's wrappers or without.
        tasks: how many of the split, drawn by `seed`; or the very tasks; or None for all of them.
        seed: seeds the choice of tasks, every episode and the bootstrap.
        max_turns: the turn limit, part of the claim.
        episodes: exactly these, in place of `tasks` and `attempts` (a replay).
        claim: what else the score should say.

    Raises:
        TaskError: for a split that is unknown, empty or too small, or when every episode broke off.
        ConfigError: for attempts below 1.
    """
    if attempts < 1:
        raise ConfigError(f"attempts={attempts}: a task needs at least one")
    began, env = time.perf_counter(), cast(TurnEnv[Any], make_env().unwrapped)
    if episodes is None:
        chosen = (
            choose_tasks(env, split, tasks, seed)
            if tasks is None or isinstance(tasks, int)
            else list(tasks)
        )
        episodes = episodes_for(chosen, attempts, split, seed)
    played = await rollout(
        episodes,
        make_env,
        agent,
        max_turns=max_turns,
        concurrency=concurrency,
        progress=progress,
        on_trajectory=on_trajectory,
    )
    metrics = measure(played, seed)
    score = _score(
        env,
        agent,
        episodes,
        played,
        metrics,
        claim or Claim(),
        split,
        seed,
        max_turns,
        time.perf_counter() - began,
    )
    return score, played


def _score(
    env: TurnEnv[Any], agent: Agent, episodes: Sequence[Episode], played: Sequence[Trajectory], metrics: Metrics,
    claim: Claim, split: str, seed: int, max_turns: int | None, seconds: float,
) -> Score:  # fmt: skip
    ids = tuple(dict.fromkeys(episode.task for episode in episodes))
    groups = by_task(played)
    success = dict(zip(groups, task_means(groups, success_of).tolist(), strict=True))
    score = dict(zip(groups, task_means(groups, score_of).tolist(), strict=True))
    prompt, sampling = getattr(agent, "prompt", None), getattr(agent, "sampling", None)
    spec = env.spec
    return Score(
        environment=claim.environment or (spec.id if spec is not None else type(env).__name__),
        environment_args={key: str(value) for key, value in claim.environment_args.items()},
        data_hash=env.data_hash,
        split=split, split_tasks=len(env.tasks(split)),
        task_ids=ids, attempts=round(len(episodes) / len(ids)), max_turns=max_turns, agent=claim.agent or agent.name,
        prompt=prompt.name if prompt is not None else None,
        sampling={k: v for k, v in asdict(sampling).items() if k not in UNSAID} if sampling else {},
        seed=seed, metrics=metrics, task_success=tuple(success.get(t) for t in ids), task_score=tuple(score.get(t) for t in ids),
        versions=software_versions(), wall_seconds=seconds, created=datetime.now(UTC).isoformat(timespec="seconds"),
    )  # fmt: skip
