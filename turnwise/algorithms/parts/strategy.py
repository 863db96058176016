"""How a group is rolled out: how many rollouts a task gets, and where a rollout branches.

A strategy is a pure decision on records. The rollout driver shows it the group before and after
every turn and after every finished trajectory; it answers with the points to branch from. It never
sees an environment, an engine or a clock, so the same strategy serves any of them. A strategy whose
answer reads other trajectories of the group depends on which of them got further, as every
barrier-free budget does; one that reads only the trajectory it is asked about is reproducible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from turnwise.errors import ConfigError
from turnwise.records import Group, TaskId


@dataclass(frozen=True, slots=True)
class Branch:
    """Continue trajectory `uid` a second time, from the state before its turn `turn`. Turn 0 is a
    fresh rollout.
    """

    uid: str
    turn: int


@runtime_checkable
class RolloutStrategy(Protocol):
    """A pure decision: how many rollouts, where to branch."""

    @property
    def branches(self) -> bool:
        """False where it never branches, so that the driver need not ask."""
        ...

    def start(self, task: TaskId) -> int:
        """How many rollouts of `task` begin at its beginning."""
        ...

    def before_step(self, group: Group, uid: str, entropies: Sequence[float]) -> int:
        """How many more times to continue `uid` from where it stands, now that its next turn was
        written but not yet played.

        `entropies` (nats) are those of the turn just written, which is not in `group`; empty where
        the engine records none. A branch continues from the state before it, with the environment
        forked and not replayed: branching on what a model feels about an observation, before it
        acts on it.
        """
        ...

    def after_turn(self, group: Group, uid: str) -> Sequence[Branch]:
        """Where to branch now that `uid` has played one more turn and is still running.

        `group` holds every trajectory so far; one that is still running has the stop reason
        `running`. Branching at the trajectory's present length forks the environment; branching
        earlier replays its actions.
        """
        ...

    def after_trajectory(self, group: Group, uid: str) -> Sequence[Branch]:
        """Where to branch now that `uid` has ended."""
        ...


@dataclass(frozen=True, slots=True)
class Independent:
    """`n` rollouts of each task, each from the beginning (GRPO, RLOO and most others)."""

    n: int = 8
    branches: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError(f"a group of {self.n} rollouts is empty: set n to 1 or more")

    def start(self, task: TaskId) -> int:
        return self.n

    def before_step(self, group: Group, uid: str, entropies: Sequence[float]) -> int:
        return 0

    def after_turn(self, group: Group, uid: str) -> Sequence[Branch]:
        return ()

    def after_trajectory(self, group: Group, uid: str) -> Sequence[Branch]:
        return ()
