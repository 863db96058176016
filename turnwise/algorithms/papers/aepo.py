"""AEPO: agentic entropy-balanced policy optimisation, ARPO with an adaptive budget and clip.

G. Dong et al., "Agentic Entropy-Balanced Policy Optimization", arXiv 2510.14545.

    (a) one rollout first; then, with k the budget,
        m = k sigmoid(beta (H_first turn - mean H of later turns)) rollouts from the start,
        k - m branches
    (b) P_t = (alpha + gamma dH_t) (1 - Phat(l)),   l: consecutive branchings just before t
        Phat(l) = min(1, penalty * l)
    (c) clip that keeps gradients:  min(w A, clip(w, 1 - low, (1 + high) / sg(w) * w) A)
        the value is PPO's everywhere, but where w > 1 + high and A > 0 the gradient is
        (1 + high) grad log pi instead of 0
    (d) A_t = A_i (1 + a z(H_t)),   z: the token's entropy, standardised over the batch

Fidelity:
    From notes whose equations are identical (the paper's body was not read) and a redistributed
    copy of the code.
    Our reading: (a) H is measured on the first turn and on the turns after it; the paper's budget
    is exact, rounded, within [1, k] (`budget="code"`: the integer part plus one). (b) l is counted
    along a trajectory's own past, including its parents, and Phat is linear with slope 0.05, as in
    the code; the code's form of P is different (`1 - alpha / (1 - 0.05 l) + gamma dH`) and is not
    offered. (c) Dual clip 3 for A < 0, as in the code. (d) Statistics over the whole batch, and the
    weight is never below 0. In every released script entropy was not computed and (d) silently did
    nothing; here the recipe requires it. alpha, beta, gamma and a are the scripts' values; those of
    the paper are not known.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.papers.arpo import Entropy, branched, member, refill, should_branch
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.strategy import Branch
from turnwise.algorithms.parts.surrogate import Term
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.algorithms.streams import Batch
from turnwise.errors import ConfigError
from turnwise.records import Group, TaskId, Trajectory

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class BalancedBudget:
    """The rollout strategy, (a) and (b). `total` is k."""

    total: int = 16
    copies: int = 1
    alpha: float = 0.5
    gamma: float = 0.2
    beta: float = 0.5
    penalty: float = 0.05
    rule: Literal["bernoulli", "threshold"] = "bernoulli"
    tau: float = 0.5
    budget: Literal["round", "code"] = "round"
    entropy: Entropy = field(default_factory=Entropy)
    branches = True
    requirements = frozenset({"rollout:entropy"})

    def __post_init__(self) -> None:
        if self.total < 1 or self.copies < 1:
            raise ConfigError(
                f"total = {self.total} and copies = {self.copies} must be at least 1 (rollouts of "
                "a task; new ones at a branching point)"
            )

    def start(self, task: TaskId) -> int:
        return 1

    def initial_rollouts(self, first: Trajectory) -> int:
        """Return m, the number of rollouts that start at the beginning, from the first rollout."""
        later = [self.entropy(turn.entropies) for turn in first.turns[1:]]
        gap = self.entropy(first.turns[0].entropies) - sum(later) / len(later) if later else 0.0
        share = self.total / (1.0 + math.exp(-self.beta * gap))
        return min(self.total, max(1, int(share) + 1 if self.budget == "code" else round(share)))

    def before_step(self, group: Group, uid: str, entropies: Sequence[float]) -> int:
        first, own = group.trajectories[0], member(group, uid)
        if uid == first.uid or not own.turns or not first.turns:
            return 0  # the budget is set by the first rollout, which itself does not branch
        size = len(group.trajectories)
        left = min(self.total - self.initial_rollouts(first) - branched(group), self.total - size)
        if left <= 0:
            return 0
        p = self.probability(group, own, entropies)
        branch = should_branch(self.rule, self.tau, p, uid, len(own.turns))
        return min(left, self.copies) if branch else 0

    def probability(self, group: Group, own: Trajectory, entropies: Sequence[float]) -> float:
        """Return P for branching before the turn with these token entropies."""
        rise = self.entropy(entropies) - self.entropy(own.turns[0].entropies)
        free = 1.0 - min(1.0, self.penalty * consecutive_branchings(group, own))
        return min(1.0, max(0.0, (self.alpha + self.gamma * rise) * free))

    def after_turn(self, group: Group, uid: str) -> Sequence[Branch]:
        return ()

    def after_trajectory(self, group: Group, uid: str) -> Sequence[Branch]:
        first = group.trajectories[0]
        if len(group.trajectories) == 1 and first.turns:
            return [Branch(uid, 0)] * (self.initial_rollouts(first) - 1) or refill(
                group, uid, self.total
            )
        return refill(group, uid, self.total)


def consecutive_branchings(group: Group, own: Trajectory) -> int:
    """Count the consecutive branching turns up to the last one played.

    The turns of the trajectory's ancestors count too.
    """
    points = {t.parent for t in group.trajectories if t.parent is not None}
    known = {t.uid: t for t in group.trajectories}
    count = 0
    for turn in range(len(own.turns) - 1, 0, -1):
        holder = own
        while holder.parent is not None and turn < holder.parent[1]:
            holder = known[holder.parent[0]]
        # A branch before `turn` is recorded by the child as (holder, turn). For the child, the
        # branching point is the first turn of its own.
        if (holder.uid, turn) not in points and (holder.parent is None or holder.parent[1] != turn):
            break
        count += 1
    return count


@dataclass(frozen=True, slots=True)
class KeepsGradient:
    """The clip (c).

    Reports `clip_share` (tokens whose gradient is 0) and `kept_share` (tokens whose ratio is
    bounded but whose gradient is kept).
    """

    low: float = 0.2
    high: float = 0.2
    dual: float | None = 3.0
    requirements = frozenset({"ratio"})

    def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term:
        ratio, advantage = log_ratio.exp(), batch.streams["advantage"]
        # The value 1 + high, with the gradient (1 + high) grad log pi.
        upper = (1 + self.high) / ratio.detach() * ratio
        objective = (ratio * advantage).minimum(
            ratio.minimum(upper).clamp(min=1 - self.low) * advantage
        )
        lost = (advantage < 0) & (ratio < 1 - self.low)
        if self.dual is not None:
            floor = (self.dual * advantage).where(advantage < 0, objective)
            lost = lost | (floor > objective)
            objective = objective.maximum(floor)
        kept = (advantage > 0) & (ratio > 1 + self.high)
        shown = {"clip_share": lost.to(ratio.dtype), "kept_share": kept.to(ratio.dtype)}
        return Term(-objective, shown)


@dataclass(frozen=True, slots=True)
class EntropyAware:
    """The reweighter (d): advantage times max(0, 1 + a z(H)), H as the engine recorded it."""

    a: float = 0.2
    ddof: int = 1
    requirements = frozenset({"rollout:entropy"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        entropy = batch.recorded("entropy")
        own = entropy[batch.mask]
        mean, deviation = reducer.mean(own), reducer.std(own, self.ddof)
        # With equal entropies the deviation is rounding noise, and so would be the quotient.
        equal = not reducer.maximum(own) > reducer.minimum(own)
        z = (entropy - mean) / (1.0 if equal else deviation)
        return batch.write(advantage=batch.tokens["advantage"] * np.maximum(0.0, 1.0 + self.a * z))


def recipe(
    *,
    total: int = 16,
    copies: int = 1,
    alpha: float = 0.5,
    gamma: float = 0.2,
    beta: float = 0.5,
    penalty: float = 0.05,
    rule: Literal["bernoulli", "threshold"] = "bernoulli",
    tau: float = 0.5,
    budget: Literal["round", "code"] = "round",
    window: int = 20,
    vocabulary: int = 151_936,
    entropy_reduction: Literal["mean", "sum"] = "mean",
    a: float = 0.2,
    ddof: int = 1,
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = 3.0,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build AEPO. `total` is the budget k, `vocabulary` the size of the model's."""
    entropy = Entropy(window, vocabulary, entropy_reduction)
    return common.build(
        "aepo",
        strategy=BalancedBudget(
            total, copies, alpha, gamma, beta, penalty, rule, tau, budget, entropy
        ),
        advantage=PeerAdvantage(ddof=ddof),
        reweighters=(EntropyAware(a, ddof),) if a else (),
        ratio=Ratio("token"),
        surrogate=KeepsGradient(clip, clip if clip_high is None else clip_high, dual_clip),
    )
