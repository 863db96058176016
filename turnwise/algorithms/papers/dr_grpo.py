"""Dr. GRPO: GRPO without the division by the deviation and by the length.

Z. Liu et al., "Understanding R1-Zero-Like Training: A Critical Perspective", arXiv 2503.20783.

    A_i = R_i - mean(R)
    J   = 1 / G sum_i 1 / L sum_t min(w_t A_i, clip(w_t) A_i)          L: a constant

Dividing by the deviation favours tasks that are too easy or too hard; dividing by a trajectory's
own length penalises long wrong answers too little.

Fidelity:
    Certain: both removals. The constant only scales the learning rate; the authors' code takes the
    longest completion allowed.
    Our reading: the completion is everything the policy generated in an episode, so L is for the
    whole episode.
"""

from __future__ import annotations

from turnwise.algorithms.options import CommonOptions, refuses
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.aggregate import Fixed
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe


@refuses(aggregate="its weights are 1 / length, whatever is averaged over")
def recipe(
    *,
    length: int = 1024,
    clip: float = 0.2,
    clip_high: float | None = None,
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build Dr. GRPO. `length` is the constant L, in tokens of an episode."""
    return common.build(
        "dr_grpo",
        advantage=PeerAdvantage(scale="none"),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high),
        aggregate=Fixed(length),
    )
