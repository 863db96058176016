"""Branching where the policy is unsure: rollouts that share a beginning and part where the next
words had high entropy.

The entropy of a turn is the mean (or sum) over its first `window` tokens, in units of the largest
entropy the vocabulary allows. Its rise over the episode's first turn, dH, decides: branch with
probability clip(alpha + beta * dH, 0, 1), or always above a threshold. The draw is a hash of the
trajectory and the turn, so that what happens does not depend on when it is asked; only which of
several trajectories takes the last of the budget does.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from turnwise.algorithms.parts.strategy import Branch
from turnwise.errors import ConfigError
from turnwise.records import Group, TaskId, Trajectory

RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Entropy:
    """How sure a turn was: the entropy of its first tokens over log(vocabulary)."""

    window: int = 20
    vocabulary: int = 151_936
    reduction: Literal["mean", "sum"] = "mean"

    def __post_init__(self) -> None:
        if self.window < 1 or self.vocabulary < 2:
            raise ConfigError(
                f"entropy over {self.window} tokens of a vocabulary of {self.vocabulary} is none: give more of both"
            )

    def __call__(self, entropies: Sequence[float] | None) -> float:
        first = list(entropies or ())[: self.window]
        if not first:
            return 0.0
        total = sum(first) / math.log(self.vocabulary)
        return total if self.reduction == "sum" else total / len(first)


@dataclass(frozen=True, slots=True)
class EntropyBranching:
    """ARPO's strategy: `initial` rollouts from the beginning, up to `total - initial` branches,
    fresh ones for what is left.

    Args:
        total, initial: M and N of the paper.
        copies: new trajectories at a branching point.
        rule: `bernoulli` branches with probability P; `threshold` wherever P > tau.

    Raises:
        ConfigError: for a budget that cannot be met.
    """

    total: int = 16
    initial: int = 8
    copies: int = 1
    alpha: float = 0.5
    beta: float = 0.2
    rule: Literal["bernoulli", "threshold"] = "bernoulli"
    tau: float = 0.5
    entropy: Entropy = Entropy()
    branches = True
    requirements = frozenset({"rollout:entropy"})

    def __post_init__(self) -> None:
        if not 1 <= self.initial <= self.total or self.copies < 1:
            raise ConfigError(
                f"{self.initial} rollouts of {self.total} with {self.copies} copies a branch cannot be: "
                "give 1 <= initial <= total and copies >= 1"
            )

    def start(self, task: TaskId) -> int:
        return self.initial

    def before_step(self, group: Group, uid: str, entropies: Sequence[float]) -> int:
        left = min(
            self.total - self.initial - branched(group), self.total - len(group.trajectories)
        )
        own = member(group, uid)
        if (
            left <= 0
            or not own.turns
            or not wants(self.rule, self.tau, self.probability(own, entropies), uid, len(own.turns))
        ):
            return 0
        return min(left, self.copies)

    def probability(self, own: Trajectory, entropies: Sequence[float]) -> float:
        """P of branching before the turn that was written with these entropies; the first tells how
        sure the episode began.
        """
        rise = self.entropy(entropies) - self.entropy(own.turns[0].entropies)
        return min(1.0, max(0.0, self.alpha + self.beta * rise))

    def after_turn(self, group: Group, uid: str) -> Sequence[Branch]:
        return ()

    def after_trajectory(self, group: Group, uid: str) -> Sequence[Branch]:
        return refill(group, uid, self.total)


def member(group: Group, uid: str) -> Trajectory:
    """The trajectory of that uid."""
    return next(t for t in group.trajectories if t.uid == uid)


def branched(group: Group) -> int:
    """How many of a group's trajectories began at a branching point."""
    return sum(t.parent is not None for t in group.trajectories)


def refill(group: Group, uid: str, total: int) -> Sequence[Branch]:
    """Fresh rollouts for the rest of the budget, once nothing runs that could still branch."""
    if any(t.stop_reason == RUNNING for t in group.trajectories):
        return ()
    return [Branch(uid, 0)] * max(0, total - len(group.trajectories))


def wants(rule: str, tau: float, probability: float, uid: str, turn: int) -> bool:
    """Whether to branch; the draw depends on the trajectory and the turn alone."""
    if rule == "threshold":
        return probability > tau
    draw = hashlib.blake2b(f"branch {uid} {turn}".encode(), digest_size=8).digest()
    return int.from_bytes(draw, "big") / 2**64 < probability
