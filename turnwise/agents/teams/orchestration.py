"""How a team divides one environment's turns: the contract of a `Play`, which says who acts next.

A play is a pure state machine. Its state is a `Table`: the messages of the present round (the
board) and how often the team has acted in the environment. Given the table it names who acts; given
what they say it answers with a `Move`: the board as it stands then, and the environment's action,
where the message results in one. A play keeps nothing to itself, so that an episode of a team can
be saved, forked and repeated wherever the environment's own can.

The orchestrations of L. Feng et al., "Dr. MAS", arXiv 2602.08847, section 5 and its code, are the
model of those here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable


class Said(NamedTuple):
    """One message."""

    agent: str
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """Where a team stands."""

    board: tuple[Said, ...] = ()
    """The messages of this round, oldest first."""
    acts: int = 0
    """What the team has done in the environment so far."""

    def last(self, agent: str) -> str:
        """What `agent` said last in this round; empty when nothing."""
        return next((said.text for said in reversed(self.board) if said.agent == agent), "")

    def count(self, agent: str) -> int:
        """How often `agent` spoke in this round."""
        return sum(said.agent == agent for said in self.board)


@dataclass(frozen=True, slots=True)
class Move:
    """What comes of a message."""

    board: tuple[Said, ...]
    """As the next to act finds it; empty when a round is over."""
    action: str | None = None
    """For the environment; None while the team is still talking."""
    valid: bool = True
    """False where the message was not of the form asked for."""


@runtime_checkable
class Play(Protocol):
    """Who acts when. Implementations are frozen dataclasses: their `repr` is part of the
    environment's data hash.
    """

    @property
    def name(self) -> str: ...

    @property
    def roles(self) -> tuple[str, ...]:
        """Everyone who may act."""
        ...

    def agent(self, table: Table) -> str:
        """Who acts now: one of `roles`."""
        ...

    def admissible(self, table: Table, offered: Sequence[str]) -> list[str]:
        """What they may say; `offered` are the environment's admissible actions."""
        ...

    def hear(self, table: Table, said: str) -> Move:
        """What comes of `said`, said by whose turn it is. Never raises."""
        ...

    def expert(self, table: Table, action: str, instruction: str) -> str:
        """What an expert of the role says, where the environment's own expert would do `action`."""
        ...
