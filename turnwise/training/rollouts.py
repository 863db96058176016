"""One step's episodes: which tasks, played how, and what they say in numbers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from turnwise.agents.agent import Agent, ModelAgent, seed_of
from turnwise.agents.driver import MakeEnv, episodes_for, play
from turnwise.agents.engines.base import Sampling
from turnwise.agents.engines.transformers.engine import TransformersEngine
from turnwise.agents.teams.team import Team
from turnwise.algorithms import Recipe
from turnwise.algorithms.parts.sampler import History, running
from turnwise.algorithms.reducer import AllSum
from turnwise.envs.prompt import Prompt
from turnwise.errors import DataError
from turnwise.records import Group, TaskId, Trajectory
from turnwise.training.config import Config

Track: TypeAlias = Callable[[tuple[float, float] | None, float], tuple[float, float]]
ROUNDS = 8
"""Times a sampler may ask for more tasks within a step."""


@dataclass(frozen=True, slots=True)
class RolloutContext:
    """What every episode of a run is played with."""

    make_env: MakeEnv
    prompt: Prompt | Team
    tokenizer: Any
    model: nn.Module
    """Of all; or an `nn.ModuleDict` of each role's."""
    config: Config
    max_turns: int

    def agent(
        self, temperature: float, version: int, top_p: float = 1.0, entropies: bool = False
    ) -> Agent:
        """The model as an agent, or as every member of the team, on an engine of its own; each
        model of a team has one.

        A new engine for every batch of episodes: what it computes then depends on these episodes
        alone and not on what was played before, down to the last bit, and that is what makes a
        resumed run equal to one that never stopped.
        """
        sampling = Sampling(
            temperature=temperature,
            top_p=top_p,
            max_tokens=self.config.rollout.max_tokens,
            entropies=entropies,
        )
        models = (
            dict(self.model.items()) if isinstance(self.model, nn.ModuleDict) else {"": self.model}
        )
        engines = {role: self._engine(model, version) for role, model in models.items()}

        def member(role: str, prompt: Prompt) -> ModelAgent:
            engine = engines[role if role in engines else ""]
            return ModelAgent(
                engine, self.tokenizer, prompt, sampling, max_context=engine.max_context, name=role
            )

        return (
            self.prompt.agent(member)
            if isinstance(self.prompt, Team)
            else member("policy", self.prompt)
        )

    def _engine(self, model: nn.Module, version: int) -> TransformersEngine:
        asked = self.config.rollout.dtype
        dtype = None if asked == "model" else getattr(torch, asked)
        engine = TransformersEngine(
            model, slots=self.config.rollout.concurrency, dtype=dtype, seed=0
        )
        engine.weights_version = version
        return engine


def collect(
    stage: RolloutContext, recipe: Recipe, tasks: Sequence[TaskId], step: int, history: History,
    on_trajectory: Callable[[Trajectory], None] | None = None,
) -> tuple[list[Group], dict[str, float]]:  # fmt: skip
    """Play the episodes of step `step` (from 0); they depend on the run's seed, the step, the
    weights and `history` alone.

    Raises:
        DataError: when not one episode could be played to its end.
    """
    settings, seed = stage.config.rollout, seed_of(stage.config.run.seed, "step", step) % 2**31
    rng = np.random.default_rng(seed)
    agent = stage.agent(settings.temperature, step, settings.top_p, entropies=True)
    groups: list[Group] = []
    played: list[Trajectory] = []
    wanted, began = settings.tasks, time.perf_counter()
    for again in range(ROUNDS):
        chosen = recipe.sampler.choose(tasks, wanted, rng, history)
        episodes = episodes_for(
            chosen, recipe.strategy or settings.group_size, settings.split, seed + again
        )
        new = play(
            episodes, stage.make_env, agent, max_turns=stage.max_turns, concurrency=settings.concurrency,
            turn_timeout=settings.timeout, strategy=recipe.strategy, progress=True, on_trajectory=on_trajectory,
        )  # fmt: skip
        played += new
        groups += grouped(new)
        wanted = recipe.sampler.missing(groups, settings.tasks)
        if not wanted:
            break
    if all(trajectory.error is not None for trajectory in played):
        raise DataError(
            f"every episode of step {step + 1} broke off, the first with: {played[0].error}"
        )
    return groups, measured(played, time.perf_counter() - began)


def grouped(trajectories: Sequence[Trajectory]) -> list[Group]:
    """Trajectories by the group they were sampled in, in order of appearance."""
    of: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        of.setdefault(trajectory.group, []).append(trajectory)
    return [Group(members[0].task, uid, tuple(members)) for uid, members in of.items()]


def remember(
    history: History, groups: Sequence[Group], weights: Any = None, track: Track = running
) -> dict[TaskId, tuple[float, float]]:  # fmt: skip
    """`history` with these groups added: rollouts and mean return by task, as the sampler keeps
    them.
    """
    known = dict(history)
    for group in groups:
        for trajectory in group.trajectories:
            if trajectory.error is None:
                known[group.task] = track(known.get(group.task), trajectory.reward(weights))
    return known


def turn_entropies(groups: Sequence[Group], all_sum: AllSum, turns: int) -> dict[str, float]:
    """Over all processes and for each turn index K below `turns`: `entropy_sum:K` and
    `entropy_count:K`.

    Each turn with tokens counts once, with the mean of its recorded entropies; indices that nobody
    reached are absent.
    """
    table = np.zeros((2, turns))
    for trajectory in (t for group in groups for t in group.trajectories if t.error is None):
        for k, turn in enumerate(trajectory.turns[:turns]):
            if turn.entropies:
                table[:, k] += np.array([np.mean(turn.entropies), 1.0])
    sums, counts = all_sum(table)
    reached = [k for k in range(turns) if counts[k]]
    return {f"entropy_sum:{k}": float(sums[k]) for k in reached} | {
        f"entropy_count:{k}": float(counts[k]) for k in reached
    }


def measured(played: Sequence[Trajectory], seconds: float) -> dict[str, float]:
    """The numbers of a batch of episodes; means are over episodes that were played to their end."""
    whole = [t for t in played if t.error is None]
    turns = [turn for t in whole for turn in t.turns]
    lengths = [len(turn.completion_ids) for turn in turns]
    entropies = [e for turn in turns for e in turn.entropies or ()]
    returns = np.array([t.reward() for t in whole])
    solved: dict[str, list[bool]] = {}
    for t in whole:
        solved.setdefault(t.group, []).append(t.success)
    ends = Counter(t.stop_reason for t in whole)
    found = {
        "success": _mean([t.success for t in whole]), "score": _mean([t.score for t in whole]), "reward": _mean(returns),
        "reward_std": float(returns.std()) if len(returns) else 0.0,
        "mixed_groups": _mean([0 < sum(s) < len(s) for s in solved.values()]),
        "entropy": _mean(entropies), "turns": _mean([len(t.turns) for t in whole]), "turn_tokens": _mean(lengths),
        "context_tokens": _mean([_context(t) for t in whole]), "invalid": _mean([not turn.valid for turn in turns]),
        "truncated": (ends["truncated"] + ends["length"]) / max(1, len(whole)),
        "episodes": float(len(whole)), "errors": float(len(played) - len(whole)),
        "rollout_seconds": seconds, "generated_per_second": sum(lengths) / seconds,
    }  # fmt: skip
    return found


def _context(trajectory: Trajectory) -> int:
    return max(
        (len(turn.prompt_ids) + len(turn.completion_ids) for turn in trajectory.turns), default=0
    )


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else 0.0
