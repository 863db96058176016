"""Who acts. An `Agent` begins an `Actor` for each episode; an actor answers one observation at a
time.

The rollout driver knows nothing else about agents, so a model, an expert, a random agent and a
recording are played by the same loop. A `ModelAgent` is a prompt, a renderer and an engine;
everything it does is recorded as tokens.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

import gymnasium

from turnwise.agents.engines.base import Completion, Engine, Sampling
from turnwise.agents.renderer import Renderer, Thinking
from turnwise.envs.prompt import Prompt, SelfEnding, Step
from turnwise.errors import EngineError
from turnwise.records import TaskId, Turn


@dataclass(frozen=True, slots=True)
class Episode:
    """One episode to play. `seed` is the environment's: the same for all of a group, so that they
    start alike.
    """

    task: TaskId
    split: str
    seed: int
    group: str
    uid: str


@dataclass(frozen=True, slots=True)
class Act:
    """What an actor did about one observation."""

    action: str
    completion: str = ""
    valid: bool = True
    prompt_ids: tuple[int, ...] = ()
    completion_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    entropies: tuple[float, ...] | None = None
    stop_reason: str = "stop"
    weights_version: int = 0
    tags: tuple[str, ...] = ()
    agent: str = ""
    """Who of a team acted; empty for the agent itself."""


class Finished(Exception):
    """Raised by an actor that ends its episode without an act; not an error. `stop_reason` as in
    `Trajectory`.
    """

    def __init__(self, stop_reason: str) -> None:
        super().__init__(stop_reason)
        self.stop_reason = stop_reason


@runtime_checkable
class Actor(Protocol):
    """One agent in one episode."""

    async def act(self, history: Sequence[Step], env: gymnasium.Env[str, str]) -> Act:
        """Answer the last step of `history`, which has no reply yet. Raises `Finished` to end the
        episode.
        """
        ...

    async def end(self) -> None:
        """The episode is over, whatever way it ended."""
        ...


@runtime_checkable
class Agent(Protocol):
    """Begins an actor for each episode."""

    @property
    def name(self) -> str:
        """Recorded with each turn."""
        ...

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        """An actor for `episode`. A forked episode gives the turns its parent played, and their
        steps.
        """
        ...


def seed_of(*parts: object) -> int:
    """A 63-bit seed made of `parts` (numbers, strings), the same on every machine."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class ModelAgent:
    """A model that acts through a prompt.

    Args:
        sampling: how replies are drawn; its `stop_ids` are the renderer's unless given, its `seed`
            (or 0) is mixed with the episode and the turn, so that a reply does not depend on what
            else is played.
        max_context: most tokens a prompt and its reply may have together; an episode that reaches
        it ends with `length`.
        thinking: what becomes of thoughts in earlier replies (see `turnwise.agents.renderer`).
        renderer: a renderer of one's own, in place of `Renderer.of(tokenizer, prompt, thinking)`.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Any,
        prompt: Prompt,
        sampling: Sampling | None = None,
        max_context: int | None = None,
        name: str = "policy",
        thinking: Thinking = "keep",
        renderer: Renderer | None = None,
    ) -> None:
        self.name = name
        self.engine = engine
        self.prompt = prompt
        self.renderer = (
            renderer if renderer is not None else Renderer.of(tokenizer, prompt, thinking)
        )
        given = sampling if sampling is not None else Sampling()
        self.sampling = given if given.stop_ids else replace(given, stop_ids=self.renderer.stop_ids)
        self.max_context = max_context
        self.stop_when = (
            partial(self.renderer.ends, prompt) if isinstance(prompt, SelfEnding) else None
        )
        self._sessions = itertools.count()

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        actor = _ModelActor(self, episode, f"{self.name}:{episode.uid}:{next(self._sessions)}")
        if turns:
            actor.dialogue.resume(
                self.prompt.messages(asked(history, turns)),
                turns[-1].prompt_ids,
                turns[-1].completion_ids,
            )
        return actor


def asked(history: Sequence[Step], turns: Sequence[Turn]) -> list[Step]:
    """The history as it stood when the last of `turns` was to be answered."""
    last = len(turns) - 1
    return [*history[:last], replace(history[last], reply=None, action=None)]


class _ModelActor:
    def __init__(self, agent: ModelAgent, episode: Episode, session: str) -> None:
        self.agent = agent
        self.episode = episode
        self.session = session
        self.dialogue = agent.renderer.dialogue()

    async def act(self, history: Sequence[Step], env: gymnasium.Env[str, str]) -> Act:
        agent, episode = self.agent, self.episode
        ids = self.dialogue.prompt(agent.prompt.messages(history))
        room = (
            agent.sampling.max_tokens if agent.max_context is None else agent.max_context - len(ids)
        )
        if room < 1:
            raise Finished("length")
        sampling = replace(
            agent.sampling,
            seed=seed_of(agent.sampling.seed or 0, episode.seed, episode.uid, len(history)),
            max_tokens=min(room, agent.sampling.max_tokens),
            stop_when=agent.stop_when,
        )
        made = self._heard(await agent.engine.generate(ids, sampling, self.session))
        if made.stop_reason == "abort":
            raise EngineError(
                "the engine broke the reply off before it was whole: play the episode again"
            )
        if not made.ids:
            raise Finished("length")
        text = self.dialogue.add(made.ids)
        action = agent.prompt.parse(text)
        return Act(
            action=action.text, completion=text, valid=action.valid, prompt_ids=ids, completion_ids=made.ids,
            logprobs=made.logprobs, entropies=made.entropies, stop_reason=made.stop_reason,
            weights_version=made.weights_version, tags=() if action.valid else ("malformed",),
        )  # fmt: skip

    def _heard(self, made: Completion) -> Completion:
        """The completion up to where its reply ended by itself, for engines that cannot stop there."""
        k = self.agent.renderer.heard(self.agent.prompt, made.ids)
        if k == len(made.ids):
            return made
        entropies = made.entropies[:k] if made.entropies is not None else None
        return replace(
            made,
            ids=made.ids[:k],
            logprobs=made.logprobs[:k],
            entropies=entropies,
            stop_reason="stop",
        )

    async def end(self) -> None:
        await self.agent.engine.release(self.session)
