"""How an environment is told to a model, and how the reply becomes an action.

A score means nothing without its prompt, so prompts are named and versioned (`webshop/react@1`). A
prompt is a pure function of the episode so far. Whether it is append-only (a growing dialogue) or
windowed (rebuilt each turn) shows in what it returns, and nobody downstream needs to know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, runtime_checkable

RAW = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""No chat template: the contents of the messages one after the other, as base models are trained
with.
"""


class Message(TypedDict):
    """A chat message: role is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Step:
    """One observation, and what was done about it (None while the model is still to answer)."""

    observation: str
    info: Mapping[str, Any]
    reply: str | None = None
    """The model's whole text."""
    action: str | None = None
    """What the environment was given."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a reply means."""

    text: str
    """Given to the environment as it is."""
    valid: bool
    """False where the reply broke the format; the environment then sees `text` and does nothing."""
    reason: str = ""
    """Why it is not valid."""


@runtime_checkable
class Prompt(Protocol):
    """A named, versioned way of telling an environment to a model."""

    @property
    def name(self) -> str:
        """Such as `webshop/react@1`."""
        ...

    def messages(self, history: Sequence[Step]) -> list[Message]:
        """The messages that ask for the next reply; `history` ends with a step that has no reply
        yet.
        """
        ...

    def parse(self, text: str) -> Action:
        """The action in a reply. Never raises."""
        ...

    def reply(self, action: str, thought: str = "") -> str:
        """The text with which a model would do `action`; `parse(reply(a)).text == a`.
        Demonstrations are written with it.
        """
        ...


@runtime_checkable
class SelfEnding(Protocol):
    """A prompt whose replies may end by themselves, such as at a closed block of code: what a model
    says after is not heard.
    """

    @property
    def endings(self) -> str:
        """Characters, one of which is the last of a reply that ended by itself."""
        ...

    def ended(self, text: str) -> bool:
        """Whether `text` is a whole reply already."""
        ...


@runtime_checkable
class Templated(Protocol):
    """A prompt that is written for one chat template (Jinja) and takes no other; `RAW` for none at
    all.
    """

    @property
    def template(self) -> str: ...
