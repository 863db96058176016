"""Rollout strategies: how many rollouts a task gets, and where they branch.

A strategy is a pure decision on records. The rollout driver passes it the group before and after
every turn and after every finished trajectory, and it returns the points to branch from. It has no
access to an environment, an engine or a clock, so the same strategy serves any of them. A strategy
that reads other trajectories of the group depends on which of them got further, as every budget
without a barrier does; one that reads only the trajectory in question is reproducible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from turnwise.errors import ConfigError
from turnwise.records import Group, TaskId


@dataclass(frozen=True, slots=True)
class Branch:
    """Continue trajectory `uid` a second time, from the state before its turn `turn`.

    Turn 0 is a fresh rollout.
    """

    uid: str
    turn: int


@runtime_checkable
class RolloutStrategy(Protocol):
    """Decides how many rollouts a task gets and where they branch."""

    @property
    def branches(self) -> bool:
        """Whether it ever branches; the driver asks for branches only if so."""
        ...

    def start(self, task: TaskId) -> int:
        """Return how many rollouts of `task` start at its beginning."""
        ...

    def before_step(self, group: Group, uid: str, entropies: Sequence[float]) -> int:
        """Return how many more times to continue `uid` from where it is.

        Called when its next turn was generated but not yet played. A branch continues from the
        state before that turn, with the environment forked and not replayed.

        Args:
            group: the trajectories so far, without the turn just generated.
            entropies: nats, of the tokens just generated; empty where the engine records none.
        """
        ...

    def after_turn(self, group: Group, uid: str) -> Sequence[Branch]:
        """Return where to branch after `uid` has played one more turn and is still running.

        `group` holds every trajectory so far; one that is still running has the stop reason
        `running`. Branching at the trajectory's present length forks the environment; branching
        earlier replays its actions.
        """
        ...

    def after_trajectory(self, group: Group, uid: str) -> Sequence[Branch]:
        """Return where to branch after `uid` has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Independent:
    """`n` rollouts of each task, each from the beginning (GRPO, RLOO and most others)."""

    n: int = 8
    branches: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"n = {self.n} rollouts do not make a group: set n to 1 or more")

    def start(self, task: TaskId) -> int:
        return self.n

    def before_step(self, group: Group, uid: str, entropies: Sequence[float]) -> int:
        return 0

    def after_turn(self, group: Group, uid: str) -> Sequence[Branch]:
        return ()

    def after_trajectory(self, group: Group, uid: str) -> Sequence[Branch]:
        return ()
