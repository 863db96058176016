"""Agents and their actors.

An `Agent` begins an `Actor` for each episode, and the actor answers one observation at a time.

The rollout driver uses nothing else, so a model, an expert, a random agent and a recording are
played by the same loop. A `ModelAgent` combines a prompt, a renderer and an engine, and records
every reply as tokens.
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
    """One episode to play."""

    task: TaskId
    split: str
    seed: int
    """Of the environment: the same for a whole group, so that its episodes start alike."""
    group: str
    uid: str


@dataclass(frozen=True, slots=True)
class Act:
    """An actor's answer to one observation."""

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
    """Which member of a team acted; empty for the agent itself."""


class StopEpisode(Exception):
    """Raised by an actor to end its episode without acting. Not an error.

    `stop_reason` becomes that of the `Trajectory`.
    """

    def __init__(self, stop_reason: str) -> None:
        super().__init__(stop_reason)
        self.stop_reason = stop_reason


@runtime_checkable
class Actor(Protocol):
    """One agent in one episode."""

    async def act(self, history: Sequence[Step], env: gymnasium.Env[str, str]) -> Act:
        """Answer the last step of `history`, which has no reply yet.

        Raises:
            StopEpisode: to end the episode instead.
        """
        ...

    async def end(self) -> None:
        """Free what the actor holds; called once, however the episode ended."""
        ...


@runtime_checkable
class Agent(Protocol):
    """Begins an actor for each episode."""

    @property
    def name(self) -> str:
        """Name of the agent, recorded with each turn."""
        ...

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        """Return an actor for `episode`.

        Args:
            history, turns: the steps and turns that a forked episode takes over from its parent.
        """
        ...


def seed_of(*parts: object) -> int:
    """Return a 63-bit seed hashed from `parts` (numbers, strings), the same on every machine."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class ModelAgent:
    """A model that acts through a prompt.

    Args:
        sampling: `stop_ids` default to the renderer's; `seed` (or 0) is mixed with the episode and
            the turn, so that a reply does not depend on which other episodes are played.
        max_context: most tokens of a prompt and its reply together; an episode that reaches it
            ends with `length`.
        thinking: treatment of thoughts in earlier replies (see `turnwise.agents.renderer`).
        renderer: used in place of `Renderer.of(tokenizer, prompt, thinking)`.
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
        self.renderer = renderer or Renderer.of(tokenizer, prompt, thinking)
        sampling = sampling or Sampling()
        self.sampling = replace(sampling, stop_ids=sampling.stop_ids or self.renderer.stop_ids)
        self.max_context = max_context
        self.stop_when = (
            partial(self.renderer.ends, prompt) if isinstance(prompt, SelfEnding) else None
        )
        self._sessions = itertools.count()

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        """Return an actor for `episode`, with an engine session of its own."""
        # The counter keeps an episode that is played twice in two sessions.
        actor = _ModelActor(self, episode, f"{self.name}:{episode.uid}:{next(self._sessions)}")
        if turns:
            last = turns[-1]
            messages = self.prompt.messages(history_before_reply(history, turns))
            actor.dialogue.resume(messages, last.prompt_ids, last.completion_ids)
        return actor


def history_before_reply(history: Sequence[Step], turns: Sequence[Turn]) -> list[Step]:
    """Return the history as it was when the last of `turns` had yet to be answered."""
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
        room = agent.sampling.max_tokens
        if agent.max_context is not None:
            room = min(room, agent.max_context - len(ids))
        if room < 1:
            raise StopEpisode("length")
        seed = seed_of(agent.sampling.seed or 0, episode.seed, episode.uid, len(history))
        sampling = replace(agent.sampling, seed=seed, max_tokens=room, stop_when=agent.stop_when)
        # `stop_when` ends the reply on the last useful token; other engines generate on.
        out = self._trim_after_stop(await agent.engine.generate(ids, sampling, self.session))
        if out.stop_reason == "abort":
            raise EngineError(
                "the engine aborted the reply before it was complete: play the episode again"
            )
        if not out.ids:
            raise StopEpisode("length")  # no room was left in the engine's own context
        text = self.dialogue.add(out.ids)
        action = agent.prompt.parse(text)
        return Act(
            action=action.text, completion=text, valid=action.valid, prompt_ids=ids,
            completion_ids=out.ids, logprobs=out.logprobs, entropies=out.entropies,
            stop_reason=out.stop_reason, weights_version=out.weights_version,
            tags=() if action.valid else ("malformed",),
        )  # fmt: skip

    def _trim_after_stop(self, out: Completion) -> Completion:
        """Cut a self-ending reply where it ended, for engines without `stop_when`."""
        k = self.agent.renderer.reply_length(self.agent.prompt, out.ids)
        if k == len(out.ids):
            return out
        entropies = None if out.entropies is None else out.entropies[:k]
        return replace(
            out, ids=out.ids[:k], logprobs=out.logprobs[:k], entropies=entropies, stop_reason="stop"
        )

    async def end(self) -> None:
        await self.agent.engine.release(self.session)
