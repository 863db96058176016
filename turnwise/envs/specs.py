"""The specification of an environment, and those that turnwise brings."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from turnwise.envs.base import TurnEnv
from turnwise.errors import ConfigError

_ID = re.compile(r"(?:[\w:.-]+/)?([\w:.-]+?)(?:-v\d+)?")
WRAPPER = "turnwise.envs.wrappers.wrap"
EnvFactory: TypeAlias = Callable[..., TurnEnv[Any]]


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """Description of an environment, readable before it is made.

    Args:
        id: Gymnasium's id, such as `me/Guess-v0`. Raise its version when a transcript changes.
        entry_point: a `TurnEnv` class, a function that returns an instance, or the import path
            `module:attribute` of either.
        max_turns: turns after which an episode is truncated.
        prompt: name or import path of the prompt that agents use when none is named.
        eval_split: the split that agents are evaluated on when none is named.
        summary: one sentence for `turnwise envs`.
        name: the short name; derived from the id when empty (`me/Guess-v0` is `guess`).
        prompt_modules: modules with a dictionary `PROMPTS` of prompt factories by name.
    """

    id: str
    entry_point: str | EnvFactory
    max_turns: int = TurnEnv.max_turns
    prompt: str = TurnEnv.default_prompt
    eval_split: str = TurnEnv.eval_split
    summary: str = ""
    name: str = ""
    prompt_modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            found = _ID.fullmatch(self.id)
            name = found[1].lower() if found is not None else self.id
            object.__setattr__(self, "name", name)


BUILT_IN = (
    EnvSpec(
        id="turnwise/ALFWorld-v0", entry_point="turnwise.envs.alfworld.backends:alfworld",
        max_turns=50, prompt="alfworld/react@1", eval_split="valid_unseen",
        summary="Household tasks in text: find things, clean, heat or cool them, and put them "
        "where they belong.",
        prompt_modules=("turnwise.envs.alfworld.prompts",
                        "turnwise.envs.alfworld.verl_agent_prompts"),
    ),
    EnvSpec(
        id="turnwise/Search-v0", entry_point="turnwise.envs.search.env:SearchEnv",
        max_turns=6, prompt="search/react@1", eval_split="test",
        summary="Answer a question of several hops by searching passages: generated worlds, or a "
        "corpus of your own.",
        prompt_modules=("turnwise.envs.search.prompts",),
    ),
    EnvSpec(
        id="turnwise/SWE-v0", entry_point="turnwise.envs.swe.env:SweEnv",
        max_turns=30, prompt="swe/bash@1", eval_split="test",
        summary="Repair a repository from an issue, in a sandbox with a shell; hidden tests "
        "decide. Needs the package pytest.",
        prompt_modules=("turnwise.envs.swe.prompts",),
    ),
    EnvSpec(
        id="turnwise/TextWorld-v0", entry_point="turnwise.envs.textworld.env:TextWorldEnv",
        max_turns=50, prompt="textworld/react@1", eval_split="test",
        summary="Play a generated text adventure: find, open, carry, cook. Needs the package "
        "textworld.",
        prompt_modules=("turnwise.envs.textworld.prompts",),
    ),
    EnvSpec(
        id="turnwise/ToolMath-v0", entry_point="turnwise.envs.tool_math.env:ToolMathEnv",
        max_turns=10, prompt="tool_math/react@1", eval_split="test", name="tool_math",
        summary="Solve a mathematical problem by running Python in a sandbox and answering in a "
        "box.",
        prompt_modules=("turnwise.envs.tool_math.prompts",),
    ),
    EnvSpec(
        id="turnwise/WebShop-v0", entry_point="turnwise.envs.webshop.env:WebShopEnv",
        max_turns=15, prompt="webshop/react@1", eval_split="test",
        summary="Buy the product an instruction asks for, in a shop to search, open and configure.",
        prompt_modules=("turnwise.envs.webshop.prompts",
                        "turnwise.envs.webshop.verl_agent_prompts"),
    ),
)  # fmt: skip


def require_turn_env(env: Any, name: str) -> TurnEnv[Any]:
    """Return `env`, checked to be a complete `TurnEnv`.

    Raises:
        ConfigError: for another object, a class with members left out, or one whose `__init__` does
            not call the base class's; for splits or a data hash of a wrong type.
    """
    if not isinstance(env, TurnEnv):
        raise ConfigError(
            f"environment {name!r} made a {type(env).__name__}, which is not a TurnEnv: return "
            f"{WRAPPER}(...) in its place"
        )
    kind = type(env)
    lacking = [
        member
        for member in ("splits", "tasks", "data_hash", "_begin", "_act")
        if getattr(getattr(kind, member), "__isabstractmethod__", False)
    ]
    if lacking:
        raise ConfigError(
            f"environment {name!r} is a {kind.__name__} without {', '.join(lacking)}: implement "
            "them as turnwise.TurnEnv describes"
        )
    if not hasattr(env, "_actions"):
        raise ConfigError(
            f"environment {name!r} is not ready: call super().__init__() in the __init__ of "
            f"{kind.__name__}"
        )
    if not kind.__module__.startswith("turnwise."):
        _check_data(env, name)
    return env


def _check_data(env: TurnEnv[Any], name: str) -> None:
    splits, data_hash = env.splits, env.data_hash
    if isinstance(splits, str) or not splits or not all(isinstance(one, str) for one in splits):
        raise ConfigError(
            f"the splits of environment {name!r} are {splits!r}: give a tuple of one or more names"
        )
    if not isinstance(data_hash, str):
        raise ConfigError(
            f"the data_hash of environment {name!r} is {data_hash!r}: give a string that changes "
            "with its data"
        )
