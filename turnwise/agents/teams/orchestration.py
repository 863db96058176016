"""The orchestration protocol: how a team divides the turns of one environment.

An orchestration is a pure state machine. Its state is a `TeamState`: the messages of the current
round (the board) and the number of environment steps so far. Given the state it names the role that
acts next; given that role's message it returns a `Transition`: the new board, and the environment's
action where the message leads to one. It holds no state of its own, so an episode of a team can be
saved, forked and replayed wherever the environment can.

The built-in orchestrations follow L. Feng et al., "Dr. MAS", arXiv 2602.08847, section 5 and its
code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable


class TeamMessage(NamedTuple):
    """One message on the board."""

    agent: str
    """Role that wrote it."""
    text: str


@dataclass(frozen=True, slots=True)
class TeamState:
    """State of a team within an episode."""

    board: tuple[TeamMessage, ...] = ()
    """Messages of this round, oldest first."""
    steps: int = 0
    """Environment steps so far."""

    def last(self, agent: str) -> str:
        """Return the last message of `agent` in this round; empty when there is none."""
        return next((m.text for m in reversed(self.board) if m.agent == agent), "")

    def count(self, agent: str) -> int:
        """Return the number of messages of `agent` in this round."""
        return sum(message.agent == agent for message in self.board)


@dataclass(frozen=True, slots=True)
class Transition:
    """Result of a message."""

    board: tuple[TeamMessage, ...]
    """The new board; empty when the round is over."""
    action: str | None = None
    """For the environment; None while the round goes on."""
    valid: bool = True
    """False for a message of the wrong form."""


@runtime_checkable
class Orchestration(Protocol):
    """Decides which role acts when.

    Implementations are frozen dataclasses: their `repr` is part of the environment's data hash.
    """

    @property
    def name(self) -> str: ...

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role that may act."""
        ...

    def agent(self, state: TeamState) -> str:
        """Return the role that acts now, one of `roles`."""
        ...

    def admissible(self, state: TeamState, offered: Sequence[str]) -> list[str]:
        """Return what that role may write, given the environment's admissible actions."""
        ...

    def receive(self, state: TeamState, message: str) -> Transition:
        """Return the result of a message by the role that acts now. Must not raise."""
        ...

    def expert(self, state: TeamState, action: str, instruction: str) -> str:
        """Return the expert message of the role that acts now.

        Args:
            action: what the environment's own expert would do.
            instruction: the task, as the environment states it.
        """
        ...
