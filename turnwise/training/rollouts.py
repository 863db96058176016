"""Rollouts of a training step: the tasks, their episodes, and the metrics of these."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from torch import nn

from turnwise.agents.agent import Agent, ModelAgent, seed_of
from turnwise.agents.driver import MakeEnv, episodes_for, play
from turnwise.agents.engines.base import Engine, EngineContext, Sampling
from turnwise.agents.engines.registry import make_engine
from turnwise.agents.teams.team import Team
from turnwise.algorithms import Recipe
from turnwise.algorithms.parts.sampler import History, running
from turnwise.algorithms.reducer import AllSum
from turnwise.envs.prompt import Prompt
from turnwise.errors import ConfigError, DataError
from turnwise.records import Group, TaskId, Trajectory
from turnwise.training.config import Config
from turnwise.training.learner_team import models_by_role

Track: TypeAlias = Callable[[tuple[float, float] | None, float], tuple[float, float]]
MAX_SAMPLING_ROUNDS = 8
"""Times a sampler may ask for more tasks within a step."""
ENGINE_REQUIREMENTS = {"rollout:entropy": "entropies", "metrics:turn_entropy": "entropies"}
"""Requirement of a recipe -> the engine's capability that it needs."""


@dataclass(frozen=True, slots=True)
class RolloutContext:
    """Environment, prompt, model and settings that the episodes of a run share."""

    make_env: MakeEnv
    prompt: Prompt | Team
    tokenizer: Any
    model: nn.Module
    """One model, or an `nn.ModuleDict` with the model of each role."""
    config: Config
    max_turns: int

    def agent(
        self, temperature: float, version: int, top_p: float = 1.0, entropies: bool = False
    ) -> Agent:
        """Make an agent, or a team, that plays with the current weights.

        Every batch of episodes gets new engines: what they compute then depends on these episodes
        alone, to the last bit, so that a resumed run equals one that was never stopped.

        Args:
            version: recorded as the weights version of each turn.
            entropies: record the full-vocabulary entropy at every token.
        """
        sampling = Sampling(
            temperature=temperature, top_p=top_p, max_tokens=self.config.rollout.max_tokens,
            entropies=entropies,
        )  # fmt: skip
        engines = {
            role: self.engine(model, version) for role, model in models_by_role(self.model).items()
        }

        def member(role: str, prompt: Prompt) -> ModelAgent:
            engine = engines[role if role in engines else ""]
            return ModelAgent(
                engine, self.tokenizer, prompt, sampling, max_context=engine.max_context, name=role
            )

        if isinstance(self.prompt, Team):
            return self.prompt.agent(member)
        return member("policy", self.prompt)

    def engine(self, model: nn.Module, version: int) -> Engine:
        """Make the engine of `[engine]` with the weights of `model`.

        An engine that does not share the learner's model is made with another weights version than
        it was asked for (-1, say), and is given the weights here.

        Raises:
            ConfigError: for an unknown engine or option.
            EngineError: where the engine cannot serve the model.
        """
        dtype = self.config.rollout.dtype
        context = EngineContext(
            model=model,
            path=str(getattr(model.config, "_name_or_path", "")),
            tokenizer=self.tokenizer,
            concurrency=self.config.rollout.concurrency,
            weights_version=version,
            dtype="auto" if dtype == "model" else dtype,
        )
        engine = make_engine(self.config.engine.name, context, **self.config.engine.options)
        if engine.weights_version != version:
            asyncio.run(engine.update_weights(model.state_dict(), version))
        return engine

    def check_engine(self, recipe: Recipe) -> None:
        """Raise `ConfigError` where the engine cannot do what the recipe requires."""
        model = next(iter(models_by_role(self.model).values()))
        capabilities = self.engine(model, 0).capabilities
        for requirement, capability in ENGINE_REQUIREMENTS.items():
            if requirement in recipe.requirements and not getattr(capabilities, capability):
                raise ConfigError(
                    f"recipe {recipe.name!r} requires {requirement!r} and engine "
                    f"{self.config.engine.name!r} lacks the capability {capability!r}: "
                    "choose another engine.name or algorithm.name"
                )


def records_entropies(recipe: Recipe) -> bool:
    """Return whether a recipe reads entropies that the engine recorded."""
    return any(
        requirement in recipe.requirements
        for requirement, capability in ENGINE_REQUIREMENTS.items()
        if capability == "entropies"
    )


def collect(
    context: RolloutContext, recipe: Recipe, tasks: Sequence[TaskId], step: int, history: History,
    on_trajectory: Callable[[Trajectory], None] | None = None,
) -> tuple[list[Group], dict[str, float]]:  # fmt: skip
    """Play the episodes of step `step` (from 0).

    They depend only on the run's seed, the step, the weights and `history`.

    Returns:
        The groups, and their `rollout_metrics`.

    Raises:
        DataError: when every episode errored.
    """
    settings, seed = context.config.rollout, seed_of(context.config.run.seed, "step", step) % 2**31
    rng = np.random.default_rng(seed)
    agent = context.agent(
        settings.temperature, step, settings.top_p, entropies=records_entropies(recipe)
    )
    groups: list[Group] = []
    played: list[Trajectory] = []
    number, began = settings.tasks, time.perf_counter()
    for again in range(MAX_SAMPLING_ROUNDS):
        chosen = recipe.sampler.choose(tasks, number, rng, history)
        # Another seed in each round, so that a task drawn again gets other episodes (and uids).
        episodes = episodes_for(
            chosen, recipe.strategy or settings.group_size, settings.split, seed + again
        )
        new = play(
            episodes, context.make_env, agent, max_turns=context.max_turns,
            concurrency=settings.concurrency, turn_timeout=settings.timeout,
            strategy=recipe.strategy, progress=True, on_trajectory=on_trajectory,
        )  # fmt: skip
        played += new
        groups += grouped(new)
        number = recipe.sampler.missing(groups, settings.tasks)
        if not number:
            break
    if all(trajectory.error is not None for trajectory in played):
        raise DataError(f"every episode of step {step + 1} errored, the first: {played[0].error}")
    return groups, rollout_metrics(played, time.perf_counter() - began)


def grouped(trajectories: Sequence[Trajectory]) -> list[Group]:
    """Return the groups of these trajectories, in order of appearance."""
    of: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        of.setdefault(trajectory.group, []).append(trajectory)
    return [Group(members[0].task, uid, tuple(members)) for uid, members in of.items()]


def update_history(
    history: History, groups: Sequence[Group], weights: Any = None, track: Track = running
) -> dict[TaskId, tuple[float, float]]:
    """Return `history` (task -> rollouts and mean return) with these groups added.

    Args:
        weights: of the reward components, as the recipe has them.
        track: the sampler's rule for the mean.
    """
    known = dict(history)
    for group in groups:
        for trajectory in group.trajectories:
            if trajectory.error is None:
                known[group.task] = track(known.get(group.task), trajectory.reward(weights))
    return known


# Metrics
# --------------------------------------------------------------------------------------------------


def rollout_metrics(played: Sequence[Trajectory], seconds: float) -> dict[str, float]:
    """Return the metrics of a batch of episodes. Errored episodes are in none but `errors`.

    `entropy` (nats per token, of the policy that sampled) is the mean of the recorded
    full-vocabulary entropies where the recipe requires them. Otherwise it is an estimate from the
    sampled tokens: the mean of -log-probability, which is the entropy in expectation while
    `rollout.top_p` is 1.

    `mixed_groups` is the share of groups with both success and failure, `turn_tokens` the mean
    length of a reply, `context_tokens` the mean over episodes of the longest prompt with its reply,
    `truncated` the share of episodes that ended at the turn or context limit.
    """
    whole = [t for t in played if t.error is None]
    turns = [turn for t in whole for turn in t.turns]
    lengths = [len(turn.completion_ids) for turn in turns]
    entropies = [e for turn in turns for e in turn.entropies or ()]
    if not entropies:
        entropies = [-logprob for turn in turns for logprob in turn.logprobs]
    returns = np.array([t.reward() for t in whole])
    solved: dict[str, list[bool]] = {}
    for t in whole:
        solved.setdefault(t.group, []).append(t.success)
    ends = Counter(t.stop_reason for t in whole)
    return {
        "success": _mean([t.success for t in whole]),
        "score": _mean([t.score for t in whole]),
        "reward": _mean(returns),
        "reward_std": float(returns.std()) if len(returns) else 0.0,
        "mixed_groups": _mean([0 < sum(s) < len(s) for s in solved.values()]),
        "entropy": _mean(entropies),
        "turns": _mean([len(t.turns) for t in whole]),
        "turn_tokens": _mean(lengths),
        "context_tokens": _mean([_context_tokens(t) for t in whole]),
        "invalid": _mean([not turn.valid for turn in turns]),
        "truncated": (ends["truncated"] + ends["length"]) / max(1, len(whole)),
        "episodes": float(len(whole)),
        "errors": float(len(played) - len(whole)),
        "rollout_seconds": seconds,
        "generated_per_second": sum(lengths) / seconds,
    }


def turn_entropies(groups: Sequence[Group], all_sum: AllSum, turns: int) -> dict[str, float]:
    """Return `entropy_sum:K` and `entropy_count:K` for each turn index K < `turns`.

    They are sums over all processes of the mean recorded entropy of each turn, and the number of
    these turns. Indices that no episode reached are absent.
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


def _context_tokens(trajectory: Trajectory) -> int:
    lengths = [len(turn.prompt_ids) + len(turn.completion_ids) for turn in trajectory.turns]
    return max(lengths, default=0)


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else 0.0
