"""What a user writes in one file: an environment, a prompt, an agent, an engine, a wrapped game."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
from gymnasium.spaces import Text

import turnwise
from turnwise.agents.engines.base import Capabilities, Completion, EngineContext, Sampling
from turnwise.agents.scripted import AlwaysAgent
from turnwise.envs.dialogue_prompts import DialoguePrompt
from turnwise.envs.wrappers import wrap
from turnwise.errors import TaskError

SPLITS = {"train": range(0, 8), "held_out": range(8, 10)}


class Guess(turnwise.TurnEnv[None]):
    """Guess a digit."""

    max_turns = 4
    eval_split = "held_out"
    stochastic = False

    def __init__(
        self, tries: int = 3, split: str = "train", render_mode: str | None = None
    ) -> None:
        super().__init__(split, render_mode)
        self.tries = tries

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(SPLITS)

    def tasks(self, split: str) -> Sequence[int]:
        if split not in SPLITS:
            raise TaskError(f"there is no split {split!r}: choose train or held_out")
        return SPLITS[split]

    @property
    def data_hash(self) -> str:
        return "guess-0"

    def _begin(self, task: int | str) -> turnwise.Outcome:
        if task not in range(10):
            raise TaskError(f"there is no digit {task!r}")
        self.left = self.tries
        return self._look("I think of a digit.")

    def _act(self, action: str) -> turnwise.Outcome:
        if not action.isdecimal():
            return self._look("That is no digit.", valid=False)
        self.left -= 1
        right = int(action) == self._task
        return self._look(
            "Yes." if right else "No.", reward=float(right), score=float(right), success=right,
            terminated=right or self.left == 0,
        )  # fmt: skip

    def _look(self, page: str, **more: Any) -> turnwise.Outcome:
        return turnwise.Outcome(
            page,
            "Guess the digit.",
            [str(n) for n in range(10)],
            f"{self._task} {self.left}",
            **more,
        )

    def expert_action(self) -> str | None:
        return str(self._task)


class Echo(gymnasium.Env[str, str]):
    """A text environment of Gymnasium that knows nothing of turnwise."""

    observation_space = Text(40)
    action_space = Text(40)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self.word = ("red", "green")[int(self.np_random.integers(2))]
        return f"Say {self.word}.", {"admissible": ["red", "green"]}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        return "Done.", float(action == self.word), True, False, {}


def wrapped() -> turnwise.TurnEnv[Any]:
    """Return Echo in the wrapper: a factory of an environment."""
    return wrap(Echo, 20, max_turns=1)


def short() -> DialoguePrompt:
    """Return a prompt."""
    return DialoguePrompt("own/short@1", "Answer with a digit.")


def grpo_without_std(**options: Any) -> Any:
    """Return a recipe."""
    from turnwise.algorithms.papers import grpo

    return grpo.recipe(**options)


def stubborn() -> AlwaysAgent:
    """Return an agent."""
    return AlwaysAgent("8")


class FixedEngine:
    """An engine that answers every request with the same text."""

    capabilities = Capabilities(entropies=True, seeds=True)
    max_context: int | None = None
    weights_version = 0

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = tuple(ids)

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        zeros = (0.0,) * len(self.ids)
        entropies = zeros if sampling.entropies else None
        return Completion(self.ids, zeros, entropies, "stop", self.weights_version)

    async def release(self, session: str) -> None:
        return None

    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        self.weights_version = version

    async def close(self) -> None:
        return None


def fixed(context: EngineContext, text: str = "9") -> FixedEngine:
    """Return an engine: a factory of one."""
    return FixedEngine(context.tokenizer.encode(str(text), add_special_tokens=False))


def broken_engine(context: EngineContext) -> object:
    """Return something that is no engine."""
    return object()


class NoEnvironment:
    """Not a TurnEnv."""


SPEC = turnwise.EnvSpec("own/Guess-v0", Guess, max_turns=3, summary="Guess a digit.")
