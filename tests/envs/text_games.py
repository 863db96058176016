"""Small environments with the interfaces of Gymnasium, gem and skyrl-gym.

Gem's and skyrl-gym's base classes are not installed here; their signatures were read in gem-llm
0.1.0 (`gem/core.py`) and skyrl-gym 0.4.0 (`skyrl_gym/envs/base_text_env.py`).
"""

from __future__ import annotations

import random
from typing import Any

import gymnasium
from gymnasium.spaces import Discrete, Text


class EchoGame(gymnasium.Env[str, str]):
    """Say the word back; the word is drawn by the seed. Three tries."""

    WORDS = ("red", "green", "blue", "black")

    def __init__(self) -> None:
        self.observation_space = Text(80)
        self.action_space = Text(20)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self.word = self.WORDS[int(self.np_random.integers(len(self.WORDS)))]
        self.tries = 0
        return f"Say {self.word}.", {"admissible": [f"say {word}" for word in self.WORDS]}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self.tries += 1
        right = action == f"say {self.word}"
        admissible = [f"say {word}" for word in self.WORDS]
        shown = "Right." if right else f"You said {action!r}. Say {self.word}."
        return shown, float(right), right, self.tries == 3, {"admissible": admissible}


class GemGuess:
    """Gem's interface: `reset(seed)` seeds Python's global generator, which `step` draws from too."""

    def reset(self, seed: int | None = None) -> tuple[str, dict[str, Any]]:
        if seed is not None:
            random.seed(seed)
        self.number, self.turns = random.randint(1, 8), 0
        return "Guess a number from 1 to 8.", {"suffix": "Enter your guess."}

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self.turns += 1
        guess = int(action)  # fails with a ValueError, as careless environments do
        if guess == self.number:
            return "Yes.", 1.0, True, False, {}
        hint = random.choice(("It is", "The number is"))
        return (
            f"{hint} {'more' if guess < self.number else 'less'}.",
            0.0,
            False,
            self.turns == 6,
            {},
        )


class SkyRLSum:
    """Skyrl-gym's interface: made for one task, `init(prompt)`, and a dictionary from `step`."""

    def __init__(self, extras: dict[str, Any]) -> None:
        self.answer, self.turns = extras["answer"], 0

    def init(self, prompt: list[dict[str, str]]) -> tuple[list[dict[str, str]], dict[str, Any]]:
        return prompt, {}

    def step(self, action: str) -> dict[str, Any]:
        self.turns += 1
        right = action.strip() == str(self.answer)
        done = right or self.turns == 2
        messages = [] if done else [{"role": "user", "content": "Try again."}]
        return {"observations": messages, "reward": float(right), "done": done, "metadata": {}}


SUMS = [
    {"prompt": [{"role": "user", "content": f"{a} + {b}?"}], "answer": a + b}
    for a in range(4)
    for b in range(4)
]


class Numbers(gymnasium.Env[int, int]):
    """No text at all."""

    observation_space = Discrete(3)
    action_space = Discrete(2)

    def reset(self, **_: Any) -> tuple[int, dict[str, Any]]:
        return 0, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        return 0, 0.0, True, False, {}
