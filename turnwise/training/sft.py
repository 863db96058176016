"""SFT warm start: supervised training on demonstrations of the environment's expert, before RL.

Demonstrations are recorded as tokens like any other trajectory, and go through the same rows, packs
and learner as rollouts do. Two options help a model that starts from random weights. With `noise`
random actions replace some of the expert's, so that the data show how to recover from mistakes (the
random actions themselves are not imitated). With `observation_weight` the tokens of the environment
are trained on too, which teaches a small model to read them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from turnwise.agents.agent import Agent
from turnwise.agents.driver import MakeEnv, episodes_for, play
from turnwise.agents.progress import ProgressBar
from turnwise.agents.scripted import Demonstrator
from turnwise.agents.teams.team import Team
from turnwise.algorithms import recipe
from turnwise.envs.base import TurnEnv, split_tasks
from turnwise.envs.prompt import Prompt
from turnwise.errors import ConfigError, TaskError
from turnwise.records import Row, TaskId, Trajectory, rows
from turnwise.training.config import WarmStart
from turnwise.training.console import RunConsole
from turnwise.training.learner import Learner, StepProgress
from turnwise.training.learner_team import AnyLearner, learner_of
from turnwise.training.model import autocasts
from turnwise.training.rollouts import RolloutContext

HELD_OUT_DEMONSTRATIONS = 48
"""Demonstrations on the development split that measure a warm start."""
PROGRESS_LINES = 10
"""Lines that a warm start prints, about."""
MAX_CURVE_POINTS = 120
"""Points of the loss curve that is kept for the report."""


@dataclass(frozen=True, slots=True)
class SftProgress:
    """Progress of a warm start after an optimizer step."""

    step: int
    steps: int
    loss: float
    """Weighted cross-entropy (nats per token) of the step's demonstrations."""
    tokens: int
    """Tokens trained on so far."""
    seconds: float
    """Seconds since the start."""


def train_on_demonstrations(
    rollout: RolloutContext, env: TurnEnv[Any], console: RunConsole
) -> dict[str, Any]:
    """Play the expert and train the model of `rollout` on its episodes.

    Settings are those of `[warm_start]` in the config.

    Returns:
        The result of `warm_start`, `demonstrations`, `demonstration_seconds`, and, where there is a
        development split, its `turn_likelihood` as `held_out_nats` and `held_out_turn`.
    """
    config, model = rollout.config, rollout.model
    settings, seed, dev_split = config.warm_start, config.run.seed, config.eval.dev_split

    def play_expert(split: str, number: int, noise: float) -> list[Trajectory]:
        expert = _demonstrator(rollout.tokenizer, rollout.prompt, noise, seed)
        tasks = split_tasks(env, split)
        return demonstrations(env.spawn, expert, tasks, number, split, rollout.max_turns, seed)

    began = time.perf_counter()
    console.line(f"warm start: playing {settings.episodes} demonstrations")
    shown = play_expert(config.rollout.split, settings.episodes, settings.noise)
    demonstrated = time.perf_counter() - began
    autocast = autocasts(config.model, next(model.parameters()).device)

    def make_learner(own: nn.Module) -> Learner:
        return Learner(own, settings.optimiser, autocast=autocast, seed=seed)

    learner = learner_of(model, make_learner)
    facts: dict[str, Any] = {
        **warm_start(learner, shown, settings, seed, report=_reporter(console)),
        "demonstration_seconds": demonstrated,
        "demonstrations": len(shown),
    }
    if dev_split in env.splits and len(env.tasks(dev_split)):
        held_out = play_expert(dev_split, HELD_OUT_DEMONSTRATIONS, 0.0)
        likelihood = turn_likelihood(learner, held_out)
        facts |= {f"held_out_{name}": value for name, value in likelihood.items()}
    console.sft_finished(facts)
    return facts


def _demonstrator(tokenizer: Any, prompt: Prompt | Team, noise: float, seed: int) -> Agent:
    def member(role: str, own: Prompt) -> Demonstrator:
        return Demonstrator(tokenizer, own, noise=noise, seed=seed, name=role)

    return prompt.agent(member) if isinstance(prompt, Team) else member("policy", prompt)


def _reporter(console: RunConsole) -> Callable[[SftProgress], None]:
    """Return a callback that prints about `PROGRESS_LINES` of the steps, and the last."""

    def report(at: SftProgress) -> None:
        if at.step == at.steps or at.step % max(1, at.steps // PROGRESS_LINES) == 0:
            console.sft_step(asdict(at))

    return report


# Demonstrations and rows
# --------------------------------------------------------------------------------------------------


def demonstrations(
    make_env: MakeEnv, demonstrator: Agent, tasks: Sequence[TaskId], number: int, split: str,
    max_turns: int | None, seed: int = 0,
) -> list[Trajectory]:  # fmt: skip
    """Play `number` episodes over shuffled tasks, each task equally often; drop errored ones.

    Raises:
        TaskError: when the split has no tasks, or every episode errored.
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
    episodes = episodes_for(order, 1, split, seed)
    played = play(episodes, make_env, demonstrator, max_turns=max_turns, progress=True)
    whole = [trajectory for trajectory in played if trajectory.error is None]
    if not whole:
        raise TaskError(f"no demonstration could be played on split {split!r}: {played[0].error}")
    return whole


def supervised_rows(
    trajectories: Sequence[Trajectory], observation_weight: float = 0.0
) -> list[list[Row]]:
    """Return the rows of each trajectory, with unnormalised token weights as stream `weight`.

    The agent's tokens have weight 1, those of turns tagged `noise` 0, all others
    `observation_weight`; `mask` is where the weight is not 0. Rows and trajectories without any
    such token are dropped.
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
    return replace(row, mask=weight > 0, streams={"weight": weight})


# Training
# --------------------------------------------------------------------------------------------------


def warm_start(
    learner: AnyLearner, trajectories: Sequence[Trajectory], settings: WarmStart, seed: int = 0,
    report: Callable[[SftProgress], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train on demonstrations for `settings.epochs` epochs, which may be a fraction.

    Returns:
        `loss` (mean over the last tenth of the steps), `steps`, `tokens`, `seconds`, and `curve`:
        (step, mean loss) pairs.

    Raises:
        ConfigError: when every action was random, so that there is nothing to imitate.
    """
    data = supervised_rows(trajectories, settings.observation_weight)
    if not data:
        raise ConfigError(
            "every action of the demonstrations was random, so there is nothing to imitate: lower "
            "warm_start.noise"
        )
    each = math.ceil(len(data) / settings.batch)
    steps = max(1, round(each * settings.epochs))
    supervised = recipe("sft")
    losses: list[float] = []
    tokens, began = 0, time.perf_counter()
    with ProgressBar("warm start", steps) as bar:
        for step in range(steps):
            epoch, place = divmod(step, each)
            order = np.random.default_rng([seed, 2, epoch]).permutation(len(data))
            chosen = order[place * settings.batch : (place + 1) * settings.batch]
            batch = _normalised([row for i in chosen for row in data[i]])
            metrics = learner.update(batch, supervised, StepProgress(step, steps))
            losses.append(metrics["policy_loss"])
            tokens += int(metrics["tokens"])
            done = SftProgress(step + 1, steps, losses[-1], tokens, time.perf_counter() - began)
            bar.advance(f"loss {losses[-1]:.3f}, {tokens / done.seconds:,.0f} tokens/s")
            if report is not None:
                report(done)
    tail = losses[-max(1, steps // 10) :]
    return {
        "loss": float(np.mean(tail)),
        "steps": steps,
        "tokens": tokens,
        "seconds": time.perf_counter() - began,
        "curve": _curve(losses),
    }


def _curve(losses: Sequence[float], most: int = MAX_CURVE_POINTS) -> list[tuple[int, float]]:
    """Return at most `most` points (step, mean loss of the steps since the point before)."""
    size = math.ceil(len(losses) / most)
    return [
        (min(k + size, len(losses)), float(np.mean(losses[k : k + size])))
        for k in range(0, len(losses), size)
    ]


def _normalised(batch: Sequence[Row]) -> list[Row]:
    """Return the rows of a batch with weights that sum to one, and advantage 1."""
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
    """Return the likelihood of demonstrations: `nats` per token, and mean probability of a `turn`.

    The second predicts how the model will play, because a turn is right only when all of its tokens
    are.
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
