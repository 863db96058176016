"""GSPO: group sequence policy optimisation.

C. Zheng et al., "Group Sequence Policy Optimization", arXiv 2507.18071.

    s_i = (pi(y_i) / pi_old(y_i))^(1 / |y_i|)                       geometric mean of token ratios
    J   = mean_i min(s_i A_i, clip(s_i, 1 - low, 1 + high) A_i)     A_i as in GRPO

Fidelity:
    Certain: the ratio, its clip per sequence, the mean over sequences, the ranges 3e-4 and 4e-4.
    Our reading: the sequence of an episode of many turns is all the tokens the policy generated in
    it, in however many rows they are stored. `variant="token"` is GSPO-token, s_it = sg[s_i] pi_t /
    sg[pi_t]: the same gradient as long as a sequence has one advantage and its tokens one weight,
    and the one to take where advantages differ by turn.
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
    clip: float = 3e-4,
    clip_high: float | None = 4e-4,
    variant: Literal["sequence", "token"] = "sequence",
    ddof: int = 1,
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build GSPO, or GSPO-token with `variant="token"`."""
    return common.build(
        "gspo",
        advantage=PeerAdvantage(ddof=ddof),
        ratio=Ratio("trajectory", gradient="full" if variant == "sequence" else "own"),
        surrogate=Clip.of(clip, clip_high),
    )
