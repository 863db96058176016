"""The environments there are: what they are called, where their class is, how many turns they
allow.

`import turnwise` registers each with Gymnasium, by name only: nothing heavy is imported until one
is made.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import gymnasium

from turnwise.envs.base import TurnEnv
from turnwise.envs.prompt import Prompt
from turnwise.envs.template_prompt import load_prompt
from turnwise.errors import ConfigError, unknown
from turnwise.plugins import Registry


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """What the command line and an evaluation need to know before an environment is made."""

    id: str
    """Gymnasium's id, such as `turnwise/WebShop-v0`; its version is raised when a transcript
    changes.
    """
    name: str
    """The short name the command line takes."""
    summary: str
    entry_point: str
    """`module:class`, or a function that makes one."""
    max_turns: int
    """Turns after which an episode is truncated."""
    prompt: str
    """The prompt agents use when none is named."""


_CARDS = (
    EnvSpec(
        id="turnwise/ALFWorld-v0", name="alfworld",
        summary="Household tasks in text: find things, clean, heat or cool them, and put them where they belong.",
        entry_point="turnwise.envs.alfworld.backends:alfworld", max_turns=50, prompt="alfworld/react@1",
    ),
    EnvSpec(
        id="turnwise/Search-v0", name="search",
        summary="Answer a question of several hops by searching passages: generated worlds, or a corpus of your own.",
        entry_point="turnwise.envs.search.env:SearchEnv", max_turns=6, prompt="search/react@1",
    ),
    EnvSpec(
        id="turnwise/SWE-v0", name="swe",
        summary="Repair a repository from an issue, in a sandbox with a shell; hidden tests decide. Needs the package pytest.",
        entry_point="turnwise.envs.swe.env:SweEnv", max_turns=30, prompt="swe/bash@1",
    ),
    EnvSpec(
        id="turnwise/TextWorld-v0", name="textworld",
        summary="Play a generated text adventure: find, open, carry, cook. Needs the package textworld.",
        entry_point="turnwise.envs.textworld.env:TextWorldEnv", max_turns=50, prompt="textworld/react@1",
    ),
    EnvSpec(
        id="turnwise/ToolMath-v0", name="tool_math",
        summary="Solve a mathematical problem by running Python in a sandbox and answering in a box.",
        entry_point="turnwise.envs.tool_math.env:ToolMathEnv", max_turns=10, prompt="tool_math/react@1",
    ),
    EnvSpec(
        id="turnwise/WebShop-v0", name="webshop",
        summary="Buy the product an instruction asks for, in a shop to search, open and configure.",
        entry_point="turnwise.envs.webshop.env:WebShopEnv", max_turns=15, prompt="webshop/react@1",
    ),
)  # fmt: skip


def env_specs() -> tuple[EnvSpec, ...]:
    """Every environment, in alphabetical order of its short name."""
    return tuple(sorted(_CARDS, key=lambda card: card.name))


def env_spec(name: str) -> EnvSpec:
    """The environment called `name`, by short name or id. Raises `ConfigError` for an unknown one."""
    for found in _CARDS:
        if name in (found.name, found.id):
            return found
    raise unknown("environment", name, [found.name for found in _CARDS])


def make(name: str, **settings: Any) -> TurnEnv[Any]:
    """The bare environment, without Gymnasium's wrappers: no turn limit (that is
    `env_spec(name).max_turns`).

    Raises:
        ConfigError: for an unknown environment or setting.
    """
    chosen = env_spec(name)
    module, _, kind = chosen.entry_point.partition(":")
    factory = getattr(importlib.import_module(module), kind)
    _check(chosen, inspect.signature(factory).parameters, settings)
    return cast(TurnEnv[Any], factory(**settings))


def _check(
    chosen: EnvSpec, known: Mapping[str, inspect.Parameter], settings: Mapping[str, Any]
) -> None:
    """Settings come from a config or a command line: their names, and their types where the default
    has one, must fit.
    """
    for name, value in settings.items():
        if name not in known:
            raise unknown(
                "setting", name, set(known) - {"render_mode"}, f"environment {chosen.name!r}"
            )
        kind = type(known[name].default)
        if kind in (bool, int, float) and not isinstance(
            value, (int, float) if kind is float else kind
        ):
            raise ConfigError(
                f"setting {name!r} of environment {chosen.name!r} is {value!r}: give a value of type {kind.__name__}"
            )


def register() -> None:
    """Register every environment with Gymnasium. Doing it again changes nothing."""
    for found in _CARDS:
        if found.id not in gymnasium.registry:
            gymnasium.register(
                id=found.id, entry_point=found.entry_point, max_episode_steps=found.max_turns
            )


PROMPT_MODULES = (
    "turnwise.envs.alfworld.prompts",
    "turnwise.envs.alfworld.verl_agent_prompts",
    "turnwise.envs.search.prompts",
    "turnwise.envs.swe.prompts",
    "turnwise.envs.textworld.prompts",
    "turnwise.envs.tool_math.prompts",
    "turnwise.envs.webshop.prompts",
    "turnwise.envs.webshop.verl_agent_prompts",
)
"""Modules whose `PROMPTS` map names to factories."""

PROMPTS = Registry("prompt", "turnwise.prompts", {})


def register_prompt(name: str, factory: Callable[[], Prompt]) -> None:
    """Make a prompt known by name. Raises `ConfigError` when the name is taken."""
    PROMPTS.register(name, factory)


def make_prompt(name: str) -> Prompt:
    """Make the prompt called `name`: a known name, `module:factory`, or `file:my_prompt.toml` (see
    `turnwise.envs.template_prompt`).

    Raises:
        ConfigError: naming the nearest known prompt, or what is wrong with the file.
    """
    _register_built_in_prompts()
    if name.startswith("file:"):
        return load_prompt(name.removeprefix("file:"), make_prompt)
    return cast(Prompt, PROMPTS.find(name)())


def prompt_names() -> list[str]:
    """Names of the known prompts, sorted."""
    _register_built_in_prompts()
    return PROMPTS.names()


def _register_built_in_prompts() -> None:
    for module in PROMPT_MODULES:
        for name, factory in importlib.import_module(module).PROMPTS.items():
            PROMPTS.registered.setdefault(name, factory)
