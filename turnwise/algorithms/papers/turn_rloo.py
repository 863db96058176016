"""TRLOO: leave-one-out baselines among the same turn of a task's trajectories.

W. Liu et al., "Dr. Kernel: Reinforcement Learning Done Right for Triton Kernel Generations", arXiv
2602.05885.

    G_{i,k} = sum_{k' >= k} gamma^(k' - k) r_{i,k'}
    A_{i,k} = N_k / (N_k - 1) * (G_{i,k} - mean of G_{., k})

over the N_k trajectories of the group that have a turn k. The plain mean contains the turn itself
and shrinks the advantage by 1 - 1/N, which matters where groups are small, as they are at late
turns.

Fidelity:
    Certain (the authors' code): the equation, gamma 1, and that a turn without peers keeps its
    return. Left out: their reward shaping and rejection, which belong to kernels.
"""

from __future__ import annotations

from typing import Literal

from turnwise.algorithms.credit_batch import CreditBatch, Ints, numbered
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.papers.gigpo import Discounted
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe


def same_turn(batch: CreditBatch) -> Ints:
    """Return [S] labels: turns of a group with the same index."""
    return numbered(zip(batch.group[batch.owner].tolist(), batch.index.tolist(), strict=True))


def recipe(
    *,
    gamma: float = 1.0,
    lone: Literal["zero", "raw"] = "raw",
    clip: float = 0.2,
    clip_high: float = 0.28,
    common: CommonOptions = CommonOptions(aggregate="turn"),
) -> Recipe:
    """Build turn-level RLOO."""
    advantage = PeerAdvantage(
        centre="others",
        scale="none",
        unit="turn",
        value=Discounted(gamma),
        peers=same_turn,
        lone=lone,
    )
    return common.build(
        "turn_rloo", advantage=advantage, ratio=Ratio("token"), surrogate=Clip(clip, clip_high)
    )
