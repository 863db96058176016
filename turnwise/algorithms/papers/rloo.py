"""RLOO: REINFORCE with the mean of the other trajectories as the baseline.

A. Ahmadian et al., "Back to Basics: Revisiting REINFORCE Style Optimization for Learning from Human
Feedback in LLMs", arXiv 2402.14740; W. Kool et al., "Buy 4 REINFORCE Samples, Get a Baseline for
Free!", 2019.

    A_i = R_i - 1/(G - 1) * sum_{j != i} R_j = G/(G - 1) * (R_i - mean(R))
    J   = mean_i sum_{t in i} A_i log pi(y_t)      (aggregate="token": divided by the mean length)

Fidelity:
    Certain: the advantage, and that the plain log-likelihood is used, without ratio or clip.
    Our reading: a sum over tokens grows with length, so the default divides by the batch's number
    of tokens ("token"), which for one batch is the paper's gradient up to a constant. With `clip`
    the surrogate is PPO's, for several optimizer steps on one batch. A group of one has no others
    and advantage 0 (`lone="raw"`: its return, as in verl). The paper's KL inside the reward is
    offered as a penalty in the loss.
"""

from __future__ import annotations

from typing import Literal

from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip, LogLikelihood
from turnwise.algorithms.recipes import Recipe


def recipe(
    *,
    clip: float | None = None,
    lone: Literal["zero", "raw"] = "zero",
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build RLOO. `clip=None` uses the plain log-likelihood, without a ratio."""
    return common.build(
        "rloo",
        advantage=PeerAdvantage(centre="others", scale="none", lone=lone),
        ratio=None if clip is None else Ratio("token"),
        surrogate=LogLikelihood() if clip is None else Clip(clip, clip),
    )
