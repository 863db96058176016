"""The front of the package in a typed file; `test_kept_names.py` checks it with mypy --strict."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium

import turnwise
from turnwise.algorithms import CommonOptions, Recipe
from turnwise.envs import fork
from turnwise.envs.prompt import Action, Message, Prompt, Step
from turnwise.envs.wrappers import wrap
from turnwise.records import Trajectory


class Guess(turnwise.TurnEnv[None]):
    max_turns = 4
    eval_split = "test"

    @property
    def splits(self) -> tuple[str, ...]:
        return ("train", "test")

    def tasks(self, split: str) -> Sequence[int]:
        return range(10)

    @property
    def data_hash(self) -> str:
        return "0"

    def _begin(self, task: int | str) -> turnwise.Outcome:
        return turnwise.Outcome("page", "guess", ["1"], "s")

    def _act(self, action: str) -> turnwise.Outcome:
        return turnwise.Outcome("page", "guess", ["1"], "s", terminated=True)


class Short:
    name = "own/short@1"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return [{"role": "user", "content": history[-1].observation}]

    def parse(self, text: str) -> Action:
        return Action(text, True)

    def reply(self, action: str, thought: str = "") -> str:
        return action


prompt: Prompt = Short()
turnwise.register(turnwise.EnvSpec("me/Guess-v0", Guess, max_turns=7))
env = turnwise.make("webshop", products=100)
observation, info = env.reset(seed=0)
text: str = observation
other = turnwise.make(Guess)
score, episodes = turnwise.evaluate("webshop", "expert", tasks=100)
mean: float = score.metrics.success.mean
played: list[Trajectory] = turnwise.rollout(Guess, "random", tasks=2, temperature=0.5)
folder: Path = turnwise.train("quickstart", ["train.steps=1"])
turnwise.train({"env": {"name": "my:Guess"}})
made: Recipe = turnwise.recipe("grpo", kl=0.1)
version: str = turnwise.__version__


def my_recipe(*, scale: float = 1.0, common: CommonOptions = CommonOptions()) -> Recipe:
    return dataclasses.replace(turnwise.recipe("grpo"), name="mine")


def echo() -> turnwise.TurnEnv[Any]:
    return wrap("me/Echo-v0", 20)


made_env: gymnasium.Env[str, str] = gymnasium.make("turnwise/WebShop-v0")
fork(made_env)
