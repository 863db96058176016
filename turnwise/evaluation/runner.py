"""Evaluation of an agent on a split; comparison of replayed episodes with their recording.

Tasks are the first ones of a seeded shuffle of the split, so 100 tasks are among the 200 of the
same seed, and their episodes are the same. Training and the command line use the same function.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np

from turnwise.agents.agent import Agent, Episode
from turnwise.agents.driver import MakeEnv, episodes_for, rollout
from turnwise.envs.base import TurnEnv, split_tasks
from turnwise.errors import ConfigError, TaskError
from turnwise.evaluation.metrics import Metrics, by_task, measure, score_of, success_of, task_means
from turnwise.evaluation.score import Score, software_versions
from turnwise.records import TaskId, Trajectory

DERIVED_SAMPLING = ("seed", "stop_ids", "entropies", "stop_when")
"""Sampling parameters that a score leaves out: they follow from the evaluation's seed, the
tokenizer or the prompt.
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """Conditions of a score that the evaluation cannot find out by itself."""

    environment: str = ""
    """Id with its version; by default the id under which Gymnasium made the environment."""
    environment_args: Mapping[str, object] = field(default_factory=dict)
    agent: str = ""
    """Name of the agent, such as a model's path; by default the agent's own name."""


def choose_tasks(env: TurnEnv[Any], split: str, n: int | None, seed: int) -> list[TaskId]:
    """Return the first `n` tasks (None: all) of a seeded shuffle of `split`.

    Raises:
        TaskError: for an unknown or empty split, or when it has fewer than `n` tasks.
    """
    tasks = split_tasks(env, split)
    if not len(tasks):
        raise TaskError(
            f"split {split!r} has no tasks here, so there is nothing to evaluate: "
            f"choose one of {_sizes(env)}"
        )
    if n is not None and not 1 <= n <= len(tasks):
        raise TaskError(
            f"tasks={n}: split {split!r} has {len(tasks)} tasks, so choose 1 to {len(tasks)}, or "
            "none to play all"
        )
    order = np.random.default_rng(seed).permutation(len(tasks))
    return [tasks[int(i)] for i in order[: len(tasks) if n is None else n]]


def _sizes(env: TurnEnv[Any]) -> str:
    return ", ".join(f"{split} ({len(env.tasks(split))})" for split in env.splits)


def evaluate(make_env: MakeEnv, agent: Agent, **settings: Any) -> tuple[Score, list[Trajectory]]:
    """Run `evaluation` where no event loop runs yet; the arguments are the same."""
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
        make_env: makes an environment, with or without Gymnasium's wrappers.
        tasks: how many of the split, drawn by `seed`; the tasks themselves; or None for all.
        seed: seeds the choice of tasks, every episode and the bootstrap.
        max_turns: the turn limit, recorded in the score.
        episodes: these exactly, in place of `tasks` and `attempts` (for a replay).
        claim: conditions to record in the score.

    Raises:
        TaskError: for a split that is unknown, empty or too small, or when every episode errored.
        ConfigError: for attempts below 1.
    """
    if attempts < 1:
        raise ConfigError(f"attempts={attempts}: a task needs at least one")
    began, env = time.perf_counter(), cast(TurnEnv[Any], make_env().unwrapped)
    if episodes is None:
        if tasks is None or isinstance(tasks, int):
            tasks = choose_tasks(env, split, tasks, seed)
        episodes = episodes_for(list(tasks), attempts, split, seed)
    played = await rollout(
        episodes, make_env, agent, max_turns=max_turns, concurrency=concurrency, progress=progress,
        on_trajectory=on_trajectory,
    )  # fmt: skip
    metrics = measure(played, seed)
    claim, seconds = claim or Claim(), time.perf_counter() - began
    score = _score(env, agent, episodes, played, metrics, claim, split, seed, max_turns, seconds)
    return score, played


def _score(
    env: TurnEnv[Any], agent: Agent, episodes: Sequence[Episode], played: Sequence[Trajectory],
    metrics: Metrics, claim: Claim, split: str, seed: int, max_turns: int | None, seconds: float,
) -> Score:  # fmt: skip
    ids = tuple(dict.fromkeys(episode.task for episode in episodes))
    tasks = by_task(played)
    success = dict(zip(tasks, task_means(tasks, success_of).tolist(), strict=True))
    score = dict(zip(tasks, task_means(tasks, score_of).tolist(), strict=True))
    prompt, sampling = getattr(agent, "prompt", None), getattr(agent, "sampling", None)
    drawn = asdict(sampling) if sampling else {}
    spec = env.spec
    return Score(
        environment=claim.environment or (spec.id if spec is not None else type(env).__name__),
        environment_args={key: str(value) for key, value in claim.environment_args.items()},
        data_hash=env.data_hash,
        split=split,
        split_tasks=len(env.tasks(split)),
        task_ids=ids,
        attempts=round(len(episodes) / len(ids)),
        max_turns=max_turns,
        agent=claim.agent or agent.name,
        prompt=prompt.name if prompt is not None else None,
        sampling={k: v for k, v in drawn.items() if k not in DERIVED_SAMPLING},
        seed=seed,
        metrics=metrics,
        task_success=tuple(success.get(t) for t in ids),
        task_score=tuple(score.get(t) for t in ids),
        versions=software_versions(),
        wall_seconds=seconds,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


# Replays
# --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReplayComparison:
    """Number of replayed trajectories that equal their recording."""

    equal: int
    compared: int
    first: str
    """Place of the first difference; empty when there is none."""

    def __str__(self) -> str:
        if not self.compared:
            return "nothing was compared: no recorded episode was replayed"
        if self.equal == self.compared:
            return (
                f"all {self.compared} replays equal the recording in every observation, state "
                "and reward"
            )
        return (
            f"{self.compared - self.equal} of {self.compared} replays differ from the recording, "
            f"first {self.first}"
        )


def compare_replays(
    recorded: Iterable[Trajectory], played: Sequence[Trajectory]
) -> ReplayComparison:
    """Compare observation, action, state and reward of every turn, and the outcome.

    An errored recording has no outcome and is compared by its turns.
    """
    again = {trajectory.uid: trajectory for trajectory in played}
    found = [_difference(before, again[before.uid]) for before in recorded if before.uid in again]
    different = [where for where in found if where]
    first = different[0] if different else ""
    return ReplayComparison(len(found) - len(different), len(found), first)


def _difference(before: Trajectory, after: Trajectory) -> str:
    """Return where two trajectories first differ; empty where they are equal."""
    for number, (a, b) in enumerate(zip(before.turns, after.turns, strict=False), start=1):
        for what in ("observation", "action", "state", "next_state", "rewards"):
            if getattr(a, what) != getattr(b, what):
                return f"in the {what} of turn {number} of {before.uid}"
    if len(before.turns) != len(after.turns):
        counts = f"{len(before.turns)} and {len(after.turns)}"
        return f"in the number of turns of {before.uid} ({counts})"
    outcomes = [(t.success, t.score) for t in (before, after)]
    if before.error is None and outcomes[0] != outcomes[1]:
        return f"in the outcome of {before.uid}"
    return ""
