"""The environments there are: what they are called, where their class is, how many turns they allow.

`import turnwise` registers each with Gymnasium, by name only: nothing heavy is imported until one is made.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, cast

import gymnasium

from turnwise.envs.core import TurnEnv
from turnwise.errors import unknown


@dataclass(frozen=True, slots=True)
class EnvCard:
    """What the command line and an evaluation need to know before an environment is made."""

    id: str
    """Gymnasium's id, such as `turnwise/WebShop-v0`; its version is raised when a transcript changes."""
    name: str
    """The short name the command line takes."""
    summary: str
    entry_point: str
    """`module:class`."""
    max_turns: int
    """Turns after which an episode is truncated."""
    prompt: str
    """The prompt agents use when none is named."""


_CARDS = (
    EnvCard(
        id="turnwise/WebShop-v0", name="webshop",
        summary="Buy the product an instruction asks for, in a shop to search, open and configure.",
        entry_point="turnwise.envs.webshop.env:WebShopEnv", max_turns=15, prompt="webshop/react@1",
    ),
)  # fmt: skip


def cards() -> tuple[EnvCard, ...]:
    """Every environment, in alphabetical order of its short name."""
    return tuple(sorted(_CARDS, key=lambda card: card.name))


def card(name: str) -> EnvCard:
    """The environment called `name`, by short name or id. Raises `ConfigError` for an unknown one."""
    for found in _CARDS:
        if name in (found.name, found.id):
            return found
    raise unknown("environment", name, [found.name for found in _CARDS])


def make(name: str, **settings: Any) -> TurnEnv[Any]:
    """The bare environment, without Gymnasium's wrappers: no turn limit (that is `card(name).max_turns`).

    Raises:
        ConfigError: for an unknown environment.
    """
    module, _, kind = card(name).entry_point.partition(":")
    return cast(TurnEnv[Any], getattr(importlib.import_module(module), kind)(**settings))


def register() -> None:
    """Register every environment with Gymnasium. Doing it again changes nothing."""
    for found in _CARDS:
        if found.id not in gymnasium.registry:
            gymnasium.register(id=found.id, entry_point=found.entry_point, max_episode_steps=found.max_turns)
