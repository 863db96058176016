"""Agents without a model: random, expert, recorded, always the same; the demonstrator, an expert
that speaks in tokens.

They decide from the episode alone (its seed, its uid, the turn), so what they do does not depend on
what else is played.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium

from turnwise.agents.agent import Act, Actor, Agent, Episode, Finished, asked, seed_of
from turnwise.agents.renderer import Renderer, Thinking
from turnwise.envs.prompt import Prompt, Step
from turnwise.errors import ConfigError, DataError
from turnwise.records import Trajectory, Turn

BLANK = re.compile(r"<[A-Za-z][^<>]*>")
WORD = re.compile(r"\w+")


def random_action(step: Step, rng: random.Random) -> str:
    """An admissible action, uniformly; blanks such as `<your query>` are filled with one to four
    words of the instruction.

    Raises:
        DataError: when the environment lists no admissible action.
    """
    admissible = step.info.get("admissible") or []
    if not admissible:
        raise DataError(
            "the environment lists no admissible action here: a random agent needs info['admissible']"
        )
    words = WORD.findall(str(step.info.get("instruction", ""))) or ["something"]

    def fill(_: re.Match[str]) -> str:
        first, length = rng.randrange(len(words)), rng.randint(1, 4)
        return " ".join(words[first : first + length]).lower()

    return BLANK.sub(fill, str(rng.choice(admissible)))


def expert_action(env: gymnasium.Env[str, str]) -> str:
    """What the environment's expert does now. Raises `ConfigError` where it has none."""
    ask: Callable[[], str | None] | None = getattr(env.unwrapped, "expert_action", None)
    action = ask() if ask is not None else None
    if action is None:
        raise ConfigError(
            f"{type(env.unwrapped).__name__} has no expert for this task: choose another agent, or recorded trajectories"
        )
    return action


class _Scripted:
    """An actor that only has to name an action."""

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
        def decide(steps: Sequence[Step], env: gymnasium.Env[str, str]) -> str:
            return random_action(
                steps[-1], random.Random(seed_of(self.seed, episode.seed, episode.uid, len(steps)))
            )

        return _Scripted(decide)


class ExpertAgent:
    """Does what the environment's expert does."""

    name = "expert"

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        return _Scripted(lambda steps, env: expert_action(env))


class AlwaysAgent:
    """Does the same thing every turn: what `submit` alone scores is the floor of a benchmark."""

    name = "always"

    def __init__(self, action: str) -> None:
        self.action = action

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        return _Scripted(lambda steps, env: self.action)


class ReplayAgent:
    """Repeats the actions of recorded trajectories, found by the episode's uid."""

    name = "replay"

    def __init__(self, trajectories: Iterable[Trajectory]) -> None:
        self._recorded = {trajectory.uid: trajectory for trajectory in trajectories}

    def episodes(self) -> list[Episode]:
        """The episodes that were recorded, in their order."""
        return [
            Episode(t.task, t.split, t.seed or 0, t.group, t.uid) for t in self._recorded.values()
        ]

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        recorded = self._recorded.get(episode.uid)
        if recorded is None:
            raise ConfigError(
                f"no trajectory {episode.uid!r} was recorded: play the episodes that ReplayAgent.episodes() lists"
            )

        def decide(steps: Sequence[Step], env: gymnasium.Env[str, str]) -> str:
            done = len(steps) - 1
            if done >= len(recorded.turns):
                raise Finished(recorded.stop_reason)
            return recorded.turns[done].action

        return _Scripted(decide)


class Demonstrator:
    """An agent without a model, written through a prompt and a tokenizer: its turns carry tokens as
    a model's would.

    The data of a warm start. Log-probabilities are 0.0. A turn that was drawn at random instead of
    demonstrated has the tag `noise`: it takes the expert where a learner's mistakes would, and is
    not itself to be imitated.

    Args:
        agent: who decides; the environment's expert when not given.
        noise: probability that a turn is a random admissible action instead.
        thought: the thought written before an action, from the history; none when not given.
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
        self.renderer = (
            renderer if renderer is not None else Renderer.of(tokenizer, prompt, thinking)
        )

    def begin(
        self, episode: Episode, history: Sequence[Step] = (), turns: Sequence[Turn] = ()
    ) -> Actor:
        actor = _Demonstration(self, episode, self.agent.begin(episode, history, turns))
        if turns:
            actor.dialogue.resume(
                self.prompt.messages(asked(history, turns)),
                turns[-1].prompt_ids,
                turns[-1].completion_ids,
            )
        return actor


class _Demonstration:
    def __init__(self, demonstrator: Demonstrator, episode: Episode, inner: Actor) -> None:
        self.by = demonstrator
        self.episode = episode
        self.inner = inner
        self.dialogue = demonstrator.renderer.dialogue()

    async def act(self, history: Sequence[Step], env: gymnasium.Env[str, str]) -> Act:
        by = self.by
        rng = random.Random(
            seed_of("noise", by.seed, self.episode.seed, self.episode.uid, len(history))
        )
        noisy = rng.random() < by.noise
        action = (
            random_action(history[-1], rng)
            if noisy
            else (await self.inner.act(history, env)).action
        )
        ids = self.dialogue.prompt(by.prompt.messages(history))
        made = by.renderer.completion(
            by.prompt.reply(action, by.thought(history, action) if by.thought else "")
        )
        made = made[
            : by.renderer.heard(by.prompt, made)
        ]  # a reply that ends by itself has no end of turn
        text = self.dialogue.add(made)
        parsed = by.prompt.parse(text)
        return Act(
            action=action, completion=text, valid=parsed.valid and parsed.text == action, prompt_ids=ids,
            completion_ids=made, logprobs=(0.0,) * len(made), tags=("noise",) if noisy else (),
        )  # fmt: skip

    async def end(self) -> None:
        await self.inner.end()
