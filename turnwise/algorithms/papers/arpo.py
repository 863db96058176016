"""ARPO: agentic reinforced policy optimisation, which branches after uncertain tool results.

G. Dong et al., "Agentic Reinforced Policy Optimization", arXiv 2507.19849.

    H_t     entropy of the first k tokens after a tool result
    dH_t  = (H_t - H_first turn) / log V
    P_t   = alpha + beta dH_t            branch there, until M - N branches are made
    A_i   = (R_i - mean R) / std R       over the M trajectories
    soft    every token of trajectory i has A_i (the default)
    hard    a token in a prefix shared by d trajectories has the mean of their A

Branch with probability clip(P, 0, 1), or always where P exceeds a threshold. The random draw is a
hash of the trajectory and the turn, so it does not depend on when it is made. Only which of several
trajectories gets the last of the budget depends on their timing.

Fidelity:
    From notes that agree (the paper's body was not read) and the authors' code.
    Certain: the budget, the rule, and that soft attribution is plain GRPO on all M trajectories and
    is what their experiments used.
    Our reading: branch with probability clip(P, 0, 1), as the code does; `rule="threshold"` with
    `tau` is the paper's. The entropy is measured after the tool result (the code is one segment
    late), is that of the full vocabulary (the code sums the top ten) and is a mean over the window
    (the code's sum is `entropy_reduction="sum"`: about 20 times larger, so beta means something
    else). A branch continues from the state before the uncertain turn and shares nothing after it;
    what came before is inherited. Soft equals hard on shared tokens only where every token has the
    same weight and nothing is clipped, so the mean is over tokens. With `initial = total` it is
    GRPO. A group of one has advantage 0.
    Departure: their reward (F1 over text without punctuation) is replaced by the environment's.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch, numbered
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.strategy import Branch
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError
from turnwise.records import Group, TaskId, Trajectory

RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Entropy:
    """Uncertainty of a turn: entropy of its first `window` tokens over log(vocabulary)."""

    window: int = 20
    vocabulary: int = 151_936
    reduction: Literal["mean", "sum"] = "mean"

    def __post_init__(self) -> None:
        if self.window < 1 or self.vocabulary < 2:
            raise ConfigError(
                f"window = {self.window} must be at least 1 token, "
                f"and vocabulary = {self.vocabulary} at least 2"
            )

    def __call__(self, entropies: Sequence[float] | None) -> float:
        first = list(entropies or ())[: self.window]
        if not first:
            return 0.0
        total = sum(first) / math.log(self.vocabulary)
        return total if self.reduction == "sum" else total / len(first)


@dataclass(frozen=True, slots=True)
class EntropyBranching:
    """ARPO's rollout strategy.

    `initial` rollouts start at the beginning, up to `total - initial` branch off, and fresh ones
    use up what is left of the budget.

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
                f"initial = {self.initial}, total = {self.total}, copies = {self.copies}: "
                "give 1 <= initial <= total and copies >= 1"
            )

    def start(self, task: TaskId) -> int:
        return self.initial

    def before_step(self, group: Group, uid: str, entropies: Sequence[float]) -> int:
        own, size = member(group, uid), len(group.trajectories)
        left = min(self.total - self.initial - branched(group), self.total - size)
        if left <= 0 or not own.turns:
            return 0
        p = self.probability(own, entropies)
        branch = should_branch(self.rule, self.tau, p, uid, len(own.turns))
        return min(left, self.copies) if branch else 0

    def probability(self, own: Trajectory, entropies: Sequence[float]) -> float:
        """Return P for branching before the turn with these token entropies."""
        rise = self.entropy(entropies) - self.entropy(own.turns[0].entropies)
        return min(1.0, max(0.0, self.alpha + self.beta * rise))

    def after_turn(self, group: Group, uid: str) -> Sequence[Branch]:
        return ()

    def after_trajectory(self, group: Group, uid: str) -> Sequence[Branch]:
        return refill(group, uid, self.total)


def member(group: Group, uid: str) -> Trajectory:
    """Return the trajectory with that uid."""
    return next(t for t in group.trajectories if t.uid == uid)


def branched(group: Group) -> int:
    """Count the trajectories of a group that began at a branching point."""
    return sum(t.parent is not None for t in group.trajectories)


def refill(group: Group, uid: str, total: int) -> Sequence[Branch]:
    """Return fresh rollouts for the rest of the budget, once nothing runs that could branch."""
    if any(t.stop_reason == RUNNING for t in group.trajectories):
        return ()
    return [Branch(uid, 0)] * max(0, total - len(group.trajectories))


def should_branch(rule: str, tau: float, probability: float, uid: str, turn: int) -> bool:
    """Return whether to branch. The draw depends on the trajectory and the turn alone."""
    if rule == "threshold":
        return probability > tau
    # A hash and no generator: the draw must not depend on when this is asked.
    draw = hashlib.blake2b(f"branch {uid} {turn}".encode(), digest_size=8).digest()
    return int.from_bytes(draw, "big") / 2**64 < probability


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """Average the advantages of turns that several trajectories inherited (hard attribution)."""

    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        if not len(batch.turns):
            return batch
        parents = {t.uid: t.parent for t in batch.trajectories}
        acts = numbered(
            _origin(batch.trajectories[owner].uid, int(k), parents)
            for owner, k in zip(batch.owner, batch.index, strict=True)
        )
        own = batch.turn_mean(batch.tokens["advantage"])
        mean = np.bincount(acts, own) / np.bincount(acts)
        return batch.write(advantage=batch.spread(mean[acts]))


def _origin(uid: str, turn: int, parents: dict[str, tuple[str, int] | None]) -> tuple[str, int]:
    """Return the trajectory in which a turn was generated, and the turn."""
    while (parent := parents.get(uid)) is not None and turn < parent[1]:
        uid = parent[0]
    return uid, turn


def recipe(
    *,
    total: int = 16,
    initial: int = 8,
    copies: int = 1,
    alpha: float = 0.5,
    beta: float = 0.2,
    rule: Literal["bernoulli", "threshold"] = "bernoulli",
    tau: float = 0.5,
    window: int = 20,
    vocabulary: int = 151_936,
    entropy_reduction: Literal["mean", "sum"] = "mean",
    attribution: Literal["soft", "hard"] = "soft",
    ddof: int = 1,
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = 3.0,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build ARPO. `total` and `initial` are M and N, `vocabulary` the size of the model's."""
    entropy = Entropy(window, vocabulary, entropy_reduction)
    return common.build(
        "arpo",
        strategy=EntropyBranching(total, initial, copies, alpha, beta, rule, tau, entropy),
        advantage=PeerAdvantage(ddof=ddof),
        reweighters=(SharedPrefix(),) if attribution == "hard" else (),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high, dual_clip),
    )
