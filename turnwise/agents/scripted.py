"""Agents without a model: random, expert, constant and recorded.

And the demonstrator, which writes an expert's actions as tokens.

Their actions depend on the episode alone (its seed, its uid, the turn), not on which other episodes
are played.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium

from turnwise.agents.agent import (
    Act,
    Actor,
    Agent,
    Episode,
    StopEpisode,
    history_before_reply,
    seed_of,
)
from turnwise.agents.renderer import Renderer, Thinking
from turnwise.envs.prompt import Prompt, Step
from turnwise.errors import ConfigError, DataError
from turnwise.records import Trajectory, Turn

PLACEHOLDER = re.compile(r"<[A-Za-z][^<>]*>")
WORD = re.compile(r"\w+")
MAX_QUERY_WORDS = 4


def random_action(step: Step, rng: random.Random) -> str:
    """Draw an admissible action uniformly.

    Placeholders such as `<your query>` are filled with one to four consecutive words of the
    instruction.

    Raises:
        DataError: when the environment lists no admissible action.
    """
    admissible = step.info.get("admissible") or []
    if not admissible:
        raise DataError(
            "the environment lists no admissible action here: "
            "a random agent needs info['admissible']"
        )
    words = WORD.findall(str(step.info.get("instruction", ""))) or ["something"]

    def fill(_: re.Match[str]) -> str:
        first, length = rng.randrange(len(words)), rng.randint(1, MAX_QUERY_WORDS)
        return " ".join(words[first : first + length]).lower()

    return PLACEHOLDER.sub(fill, str(rng.choice(admissible)))


def expert_action(env: gymnasium.Env[str, str]) -> str:
    """Return the action of the environment's expert.

    Raises:
        ConfigError: where the environment has no expert for this task.
    """
    ask: Callable[[], str | None] | None = getattr(env.unwrapped, "expert_action", None)
    action = ask() if ask is not None else None
    if action is None:
        raise ConfigError(
            f"{type(env.unwrapped).__name__} has no expert for this task: "
            "choose another agent, or recorded trajectories"
        )
    return action


class _TextActor:
    """Actor whose reply is its action, given by a function of the history and the environment."""

    def __init__(self, decide: Callable[[Sequence[Step], gymnasium.Env[str, str]], str]) -> None:
        self._decide = decide

    async def act(self, history: Sequence[Step], env: gymnasium.Env[str, str]) -> Act:
        action = self._decide(history, env)
        return Act(action=action, completion=action)

    async def end(self) -> None:
        return None


class RandomAgent:
    """Draws uniformly from the admissible actions."""

    name = "random"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        """Return an actor seeded by the episode."""

        def decide(steps: Sequence[Step], env: gymnasium.Env[str, str]) -> str:
            seed = seed_of(self.seed, episode.seed, episode.uid, len(steps))
            return random_action(steps[-1], random.Random(seed))

        return _TextActor(decide)


class ExpertAgent:
    """Acts as the environment's expert."""

    name = "expert"

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        """Return an actor that asks the environment's expert at every turn."""
        return _TextActor(lambda steps, env: expert_action(env))


class AlwaysAgent:
    """Repeats one action. `submit` alone, for example, gives the lowest score of a benchmark."""

    name = "always"

    def __init__(self, action: str) -> None:
        self.action = action

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        """Return an actor that always takes the action."""
        return _TextActor(lambda steps, env: self.action)


class ReplayAgent:
    """Repeats the actions of recorded trajectories, found by the episode's uid."""

    name = "replay"

    def __init__(self, trajectories: Iterable[Trajectory]) -> None:
        self._recorded = {trajectory.uid: trajectory for trajectory in trajectories}

    def episodes(self) -> list[Episode]:
        """Return the recorded episodes, in their order."""
        return [
            Episode(t.task, t.split, t.seed or 0, t.group, t.uid) for t in self._recorded.values()
        ]

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        """Return an actor that replays the trajectory with the uid of `episode`.

        Raises:
            ConfigError: when there is none.
        """
        recorded = self._recorded.get(episode.uid)
        if recorded is None:
            raise ConfigError(
                f"no trajectory {episode.uid!r} was recorded: "
                "play the episodes that ReplayAgent.episodes() lists"
            )

        def decide(steps: Sequence[Step], env: gymnasium.Env[str, str]) -> str:
            done = len(steps) - 1
            if done >= len(recorded.turns):
                raise StopEpisode(recorded.stop_reason)
            return recorded.turns[done].action

        return _TextActor(decide)


class Demonstrator:
    """Writes the actions of another agent through a prompt, as tokens.

    Its trajectories are the data of an SFT warm start. Log-probabilities are 0. A turn drawn at
    random has the tag `noise`: it brings the expert into states that a learner's mistakes lead to,
    and is not itself to be imitated.

    Args:
        agent: source of the actions; the environment's expert by default.
        noise: probability that a turn is a random admissible action instead.
        thought: returns the thought to write before an action, given the history; none by default.
    """

    def __init__(
        self,
        tokenizer: Any,
        prompt: Prompt,
        noise: float = 0.0,
        agent: Agent | None = None,
        seed: int = 0,
        name: str = "policy",
        thinking: Thinking = "keep",
        thought: Callable[[Sequence[Step], str], str] | None = None,
        renderer: Renderer | None = None,
    ) -> None:
        if not 0.0 <= noise <= 1.0:
            raise ConfigError(f"noise={noise} is not a probability: give a number from 0 to 1")
        self.name = name
        self.prompt = prompt
        self.noise = noise
        self.seed = seed
        self.agent: Agent = agent if agent is not None else ExpertAgent()
        self.thought = thought
        self.renderer = renderer or Renderer.of(tokenizer, prompt, thinking)

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        """Return an actor that writes what the inner agent's actor does."""
        actor = _DemonstratorActor(self, episode, self.agent.begin(episode, history, turns))
        if turns:
            last = turns[-1]
            messages = self.prompt.messages(history_before_reply(history, turns))
            actor.dialogue.resume(messages, last.prompt_ids, last.completion_ids)
        return actor


class _DemonstratorActor:
    def __init__(self, demonstrator: Demonstrator, episode: Episode, inner: Actor) -> None:
        self.demonstrator = demonstrator
        self.episode = episode
        self.inner = inner
        self.dialogue = demonstrator.renderer.dialogue()

    async def act(self, history: Sequence[Step], env: gymnasium.Env[str, str]) -> Act:
        by, episode = self.demonstrator, self.episode
        seed = seed_of("noise", by.seed, episode.seed, episode.uid, len(history))
        rng = random.Random(seed)
        noisy = rng.random() < by.noise
        if noisy:
            action = random_action(history[-1], rng)
        else:
            action = (await self.inner.act(history, env)).action
        prompt_ids = self.dialogue.prompt(by.prompt.messages(history))
        thought = by.thought(history, action) if by.thought else ""
        ids = by.renderer.completion(by.prompt.reply(action, thought))
        # A self-ending reply stops before the end of turn.
        ids = ids[: by.renderer.reply_length(by.prompt, ids)]
        text = self.dialogue.add(ids)
        parsed = by.prompt.parse(text)
        return Act(
            action=action, completion=text, valid=parsed.valid and parsed.text == action,
            prompt_ids=prompt_ids, completion_ids=ids, logprobs=(0.0,) * len(ids),
            tags=("noise",) if noisy else (),
        )  # fmt: skip

    async def end(self) -> None:
        await self.inner.end()
