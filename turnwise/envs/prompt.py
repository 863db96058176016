"""The contract of a prompt: an episode as messages to a model, and a reply as an action.

A score depends on its prompt, so prompts are named and versioned (`webshop/react@1`). A prompt is a
pure function of the episode so far. It may be append-only (a growing dialogue) or windowed (rebuilt
each turn); code that uses it need not know which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, runtime_checkable

RAW = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
"""The chat template of base models: the contents of the messages, joined."""


class Message(TypedDict):
    """A chat message: role is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Step:
    """An observation and the answer to it; `reply` and `action` are None until there is one."""

    observation: str
    info: Mapping[str, Any]
    reply: str | None = None
    """The model's whole text."""
    action: str | None = None
    """The text given to the environment."""


@dataclass(frozen=True, slots=True)
class Action:
    """The action in a reply."""

    text: str
    """The text given to the environment."""
    valid: bool
    """False where the reply broke the format. `text` is given to the environment all the same."""
    reason: str = ""
    """Reason why it is not valid; empty for a valid one."""


@runtime_checkable
class Prompt(Protocol):
    """Renders an episode for a model and parses its replies."""

    @property
    def name(self) -> str:
        """Name and version, such as `webshop/react@1`."""
        ...

    def messages(self, history: Sequence[Step]) -> list[Message]:
        """Return the messages that ask for the next reply.

        Args:
            history: the steps so far; the last one has no reply yet.
        """
        ...

    def parse(self, text: str) -> Action:
        """Return the action in a reply. Never raises."""
        ...

    def reply(self, action: str, thought: str = "") -> str:
        """Return the text of a model that takes `action`: `parse(reply(a)).text == a`.

        Demonstrations for an SFT warm start are written with it.
        """
        ...


@runtime_checkable
class SelfEnding(Protocol):
    """A prompt whose replies end by themselves, such as at a closed block of code.

    What a model writes after the end is dropped.
    """

    @property
    def endings(self) -> str:
        """The characters that can be the last of a reply that ended by itself."""
        ...

    def ended(self, text: str) -> bool:
        """Return whether `text` is a whole reply already."""
        ...


@runtime_checkable
class Templated(Protocol):
    """A prompt written for one chat template (Jinja)."""

    @property
    def template(self) -> str:
        """The template; `RAW` for none at all."""
        ...
