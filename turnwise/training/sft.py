"""Supervised training on the expert's trajectories: how a model becomes able to play before it is
rewarded for playing.

Demonstrations are recorded as tokens like any other trajectory, and go through the same rows, packs
and learner as reinforcement does. Two things help a model that starts from nothing. `noise` lets
random acts lead the expert astray, so that the model sees how to come back (the random acts
themselves are not imitated). `observation_weight` also trains on what the environment says, which
is where a small model learns to read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from turnwise.agents.agent import Agent
from turnwise.agents.driver import MakeEnv, episodes_for, play
from turnwise.algorithms import recipe
from turnwise.errors import ConfigError, TaskError
from turnwise.records import Row, TaskId, Trajectory, rows
from turnwise.training.config import WarmStart
from turnwise.training.learner import StepProgress
from turnwise.training.learner_team import AnyLearner
from turnwise.training.progress import Bar


@dataclass(frozen=True, slots=True)
class Progressed:
    """One optimiser step of a warm start."""

    step: int
    steps: int
    loss: float
    """Weighted cross-entropy (nats a token) of the step's demonstrations."""
    tokens: int
    """Trained so far."""
    seconds: float
    """Since the start."""


def demonstrations(
    make_env: MakeEnv,
    demonstrator: Agent,
    tasks: Sequence[TaskId],
    number: int,
    split: str,
    max_turns: int | None,
    seed: int = 0,
) -> list[Trajectory]:
    """`number` episodes over shuffled tasks, each task as often as any other; failures of the
    environment are left out.

    Raises:
        TaskError: when the split has no tasks, or no episode could be played.
    """
    if not len(tasks):
        raise TaskError(
            f"split {split!r} has no tasks to demonstrate: choose another split or more data"
        )
    rng = np.random.default_rng([seed, 1])
    order = [
        tasks[int(i)]
        for _ in range(math.ceil(number / len(tasks)))
        for i in rng.permutation(len(tasks))
    ][:number]
    played = play(
        episodes_for(order, 1, split, seed),
        make_env,
        demonstrator,
        max_turns=max_turns,
        progress=True,
    )
    whole = [trajectory for trajectory in played if trajectory.error is None]
    if not whole:
        raise TaskError(f"no demonstration could be played on split {split!r}: {played[0].error}")
    return whole


def supervised_rows(
    trajectories: Sequence[Trajectory], observation_weight: float = 0.0
) -> list[list[Row]]:
    """Rows of each trajectory with the unnormalised token weights as the stream `weight`.

    The agent's tokens weigh 1, those of acts tagged `noise` 0, all others `observation_weight`;
    `mask` is where the weight is not 0. Trajectories of which nothing is left are left out.
    """
    made = [
        [_supervised(row, trajectory, observation_weight) for row in rows(trajectory)]
        for trajectory in trajectories
    ]
    return [kept for several in made if (kept := [row for row in several if row.mask.any()])]


def _supervised(row: Row, trajectory: Trajectory, observation_weight: float) -> Row:
    noisy = np.array(["noise" in turn.tags for turn in trajectory.turns] or [False])
    own = row.mask & ~noisy[row.turn]
    weight = np.where(row.mask, own.astype(np.float64), observation_weight)
    weight[0] = 0.0
    return Row(
        ids=row.ids,
        mask=weight > 0,
        turn=row.turn,
        trajectory=row.trajectory,
        streams={"weight": weight},
        agent=row.agent,
    )


def warm_start(
    learner: AnyLearner, trajectories: Sequence[Trajectory], settings: WarmStart, seed: int = 0,
    report: Callable[[Progressed], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train on demonstrations for `settings.epochs` (which may be a fraction) over them.

    Raises:
        ConfigError: when every act was drawn at random, so that there is nothing to imitate.

    Returns:
        `loss` (mean over the last tenth of the steps), `steps`, `tokens`, `seconds`, and `curve`:
        (step, mean loss) pairs.
    """
    data = supervised_rows(trajectories, settings.observation_weight)
    if not data:
        raise ConfigError(
            "every act of the demonstrations was random and there is nothing to imitate: lower warm_start.noise"
        )
    each = math.ceil(len(data) / settings.batch)
    steps = max(1, round(each * settings.epochs))
    supervised = recipe("sft")
    losses: list[float] = []
    tokens, began = 0, time.perf_counter()
    with Bar("warm start", steps) as bar:
        for step in range(steps):
            epoch, place = divmod(step, each)
            order = np.random.default_rng([seed, 2, epoch]).permutation(len(data))
            batch = [
                row
                for i in order[place * settings.batch : (place + 1) * settings.batch]
                for row in data[i]
            ]
            metrics = learner.update(_weighted(batch), supervised, StepProgress(step, steps))
            losses.append(metrics["policy_loss"])
            tokens += int(metrics["tokens"])
            done = Progressed(step + 1, steps, losses[-1], tokens, time.perf_counter() - began)
            bar.advance(f"loss {np.mean(losses[-20:]):.3f}, {tokens / done.seconds:,.0f} tokens/s")
            if report is not None:
                report(done)
    tail = losses[-max(1, steps // 10) :]
    return {
        "loss": float(np.mean(tail)), "steps": steps, "tokens": tokens, "seconds": time.perf_counter() - began,
        "curve": _curve(losses),
    }  # fmt: skip


def _curve(losses: Sequence[float], most: int = 120) -> list[tuple[int, float]]:
    """The losses in at most `most` points, each the mean of the steps up to it."""
    size = math.ceil(len(losses) / most)
    return [
        (min(k + size, len(losses)), float(np.mean(losses[k : k + size])))
        for k in range(0, len(losses), size)
    ]


def _weighted(batch: Sequence[Row]) -> list[Row]:
    """The weights of a batch, summing to one."""
    total = sum(float(row.streams["weight"].sum()) for row in batch)
    return [
        replace(
            row,
            streams={
                "weight": row.streams["weight"] / total,
                "advantage": row.mask.astype(np.float64),
            },
        )
        for row in batch
    ]


def turn_likelihood(learner: AnyLearner, trajectories: Sequence[Trajectory]) -> dict[str, float]:
    """How well the model imitates unseen demonstrations: nats a token, and the mean probability of
    a whole turn.

    The second predicts how the model will play: a turn is right only when all of its tokens are.
    """
    data: list[Row] = [row for several in supervised_rows(trajectories) for row in several]
    values, _ = learner.logprobs(data)
    turns: dict[Any, float] = {}
    for row, logp in zip(data, values, strict=True):
        for k, value in zip(row.turn[row.mask], logp[row.mask], strict=True):
            turns[row.trajectory, int(k)] = turns.get((row.trajectory, int(k)), 0.0) + float(value)
    tokens = sum(int(row.mask.sum()) for row in data)
    return {
        "nats": -sum(turns.values()) / tokens,
        "turn": float(np.mean([math.exp(v) for v in turns.values()])),
    }
