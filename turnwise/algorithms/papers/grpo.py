"""GRPO: group relative policy optimisation.

Z. Shao et al., "DeepSeekMath: Pushing the Limits of Mathematical Reasoning in Open Language
Models", arXiv 2402.03300.

    A_i = (R_i - mean(R)) / (std(R) + 1e-6)          over the trajectories of one task
    J   = mean_i mean_{t in i} [ min(w_t A_i, clip(w_t, 1 - low, 1 + high) A_i)
                                 - kl * k3(pi_ref, pi) ]

Fidelity:
    Certain: the group statistics, the token ratio and its clip, the k3 estimate of KL inside the
    objective, and the mean over trajectories of the mean over tokens. A trajectory is the whole
    episode: what the model generated in all its turns is one sequence, in however many rows it is
    stored.
    Our reading: the paper does not say which standard deviation; the default is the sample's
    (ddof=1), which is what torch and the field's code use ([1, 1, 0, 0] gives 0.866024). A group of
    equal returns has advantage exactly 0. A group of one has advantage 0 (`lone="raw"`: its return,
    as in verl).
    Departure: kl defaults to 0 (the paper has 0.04), so that no reference model is needed unless
    asked for.
"""

from __future__ import annotations

from typing import Literal

from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe


def recipe(
    *,
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    scale: Literal["std", "none"] = "std",
    ddof: int = 1,
    lone: Literal["zero", "raw"] = "zero",
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build GRPO. `clip_high` defaults to `clip`."""
    return common.build(
        "grpo",
        advantage=PeerAdvantage(scale=scale, ddof=ddof, lone=lone),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high, dual_clip),
    )
