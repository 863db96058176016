"""SimpleTIR: leave out trajectories with a void turn.

Z. Xue et al., "SimpleTIR: End-to-End Reinforcement Learning for Multi-Turn Tool-Integrated
Reasoning", arXiv 2509.02479.

    void turn   a turn with neither a complete code block nor a final answer; the environment tags
                it `void`
    J         = GRPO's clipped objective (0.2 / 0.28, dual clip 3) over the other trajectories

Fidelity:
    Certain: the filter on whole trajectories, the ranges, no KL.
    Our reading, from the released code, which made the checkpoints: the mask comes after the
    group's statistics, so a void trajectory's reward still counts in mean and deviation
    (`mode="mask_after"`). The paper's sentence ("removing it from the batch before the GRPO
    update") can also be read as `mode="drop_before"`. The paper writes a mean within each sequence,
    the code a mean over the kept tokens ("token", the default).
    Also from the code: groups whose accuracy is outside [0.1, 0.9] are not trained on (`accuracy`)
    and more tasks are drawn in their place (`oversample`); trajectories cut off at the length limit
    are masked and left out of the statistics (`drop_truncated`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import Bools, CreditBatch, CreditPart
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.filters import DropEqualGroups
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.sampler import Dynamic, Uniform
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError


@dataclass(frozen=True, slots=True)
class VoidTurns:
    """Leave out trajectories with a turn tagged `tag`, after or before the statistics."""

    mode: Literal["mask_after", "drop_before"] = "mask_after"
    tag: str = "void"
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        void = np.array([self.tag in turn.tags for turn in batch.turns], dtype=np.bool_)
        keep: Bools = np.bincount(batch.owner, void, minlength=len(batch.trajectories)) == 0
        if self.mode == "drop_before":
            return batch.only(keep)
        return batch.mask_turns(keep[batch.owner])


@dataclass(frozen=True, slots=True)
class AccuracyBetween:
    """Drop groups whose share of successes is outside [low, high]."""

    low: float = 0.1
    high: float = 0.9
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        won = np.array([t.success for t in batch.trajectories], dtype=np.float64)
        share = np.bincount(batch.group, won) / np.maximum(np.bincount(batch.group), 1)
        return batch.only(((share >= self.low) & (share <= self.high))[batch.group])


@dataclass(frozen=True, slots=True)
class DropTruncated:
    """Drop trajectories that were cut off at the context or token limit."""

    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        whole = [t.stop_reason != "length" for t in batch.trajectories]
        return batch.only(np.array(whole, dtype=np.bool_))


def recipe(
    *,
    mode: Literal["mask_after", "drop_before"] = "mask_after",
    accuracy: list[float] | None = None,
    oversample: float = 1.0,
    drop_truncated: bool = False,
    ddof: int = 1,
    clip: float = 0.2,
    clip_high: float = 0.28,
    dual_clip: float | None = 3.0,
    common: CommonOptions = CommonOptions(aggregate="token", drop_equal_groups=True),
) -> Recipe:
    """Build SimpleTIR. `accuracy` is an interval [low, high], such as [0.1, 0.9].

    With `drop_equal_groups` more tasks are drawn in the place of the groups that were dropped.

    Raises:
        ConfigError: for an interval that holds no group.
    """
    if accuracy is not None and (len(accuracy) != 2 or not 0 <= accuracy[0] < accuracy[1] <= 1):
        raise ConfigError(
            f"accuracy = {accuracy} is not an interval of shares: give [low, high], such as [0.1, "
            "0.9]"
        )
    low, high = accuracy if accuracy is not None else (0.0, 1.0)
    drop = common.drop_equal_groups
    filters: tuple[CreditPart, ...] = (DropTruncated(),) if drop_truncated else ()
    filters += (AccuracyBetween(low, high),) if accuracy is not None else ()
    filters += (DropEqualGroups(1e-3),) if drop else ()
    return common.build(
        "simpletir",
        sampler=Dynamic(low, high, oversample, common.compared) if drop else Uniform(),
        filters=(*filters, VoidTurns(mode)),
        advantage=PeerAdvantage(ddof=ddof),
        ratio=Ratio("token"),
        surrogate=Clip(clip, clip_high, dual_clip),
    )
