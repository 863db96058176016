"""SimpleTIR: trajectories with a void turn are not learned from.

Z. Xue et al., "SimpleTIR: End-to-End Reinforcement Learning for Multi-Turn Tool-Integrated Reasoning", arXiv 2509.02479.

    void turn   a turn with neither a complete code block nor a final answer; the environment tags it `void`
    J         = GRPO's clipped objective (0.2 / 0.28, dual clip 3) over the trajectories without a void turn

Fidelity:
    Certain: the filter on whole trajectories, the ranges, no KL.
    Our reading, from the released code, which made the checkpoints: the mask comes after the group's statistics, so a void
    trajectory's reward still counts in mean and deviation (`mode="mask_after"`). The paper's sentence ("removing it from the
    batch before the GRPO update") can also be read as `mode="drop_before"`. The paper writes a mean within each sequence, the
    code a mean over the kept tokens ("token", the default).
    Also from the code: groups whose accuracy is outside [0.1, 0.9] are not trained on (`accuracy`) and more tasks are drawn in
    their place (`oversample`); trajectories cut off at the length limit are masked and do not vote (`drop_truncated`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.advantage import PeerAdvantage
from turnwise.algorithms.aggregate import Mean
from turnwise.algorithms.filters import DropEqualGroups
from turnwise.algorithms.ledger import Bools, CreditPart, Ledger
from turnwise.algorithms.options import InvalidRule, MismatchRule, correction, invalid, penalties, reward_weights, solved_or_env
from turnwise.algorithms.ratio import Ratio
from turnwise.algorithms.recipe import Recipe
from turnwise.algorithms.sampler import Dynamic, Uniform
from turnwise.algorithms.surrogate import Clip
from turnwise.algorithms.totals import Totals
from turnwise.errors import ConfigError


@dataclass(frozen=True, slots=True)
class VoidTurns:
    """Takes whole trajectories with a turn tagged `tag` out of the loss, after or before the statistics."""

    mode: Literal["mask_after", "drop_before"] = "mask_after"
    tag: str = "void"
    requires = frozenset[str]()

    def __call__(self, ledger: Ledger, totals: Totals) -> Ledger:
        void = np.array([self.tag in turn.tags for turn in ledger.turns], dtype=np.bool_)
        keep: Bools = np.bincount(ledger.owner, void, minlength=len(ledger.trajectories)) == 0
        return ledger.only(keep) if self.mode == "drop_before" else ledger.mask_turns(keep[ledger.owner])


@dataclass(frozen=True, slots=True)
class AccuracyBetween:
    """Drops groups whose share of successes is outside [low, high]."""

    low: float = 0.1
    high: float = 0.9
    requires = frozenset[str]()

    def __call__(self, ledger: Ledger, totals: Totals) -> Ledger:
        won = np.array([t.success for t in ledger.trajectories], dtype=np.float64)
        share = np.bincount(ledger.group, won) / np.maximum(np.bincount(ledger.group), 1)
        return ledger.only(((share >= self.low) & (share <= self.high))[ledger.group])


@dataclass(frozen=True, slots=True)
class DropTruncated:
    """Drops trajectories that were cut off at the context or token limit."""

    requires = frozenset[str]()

    def __call__(self, ledger: Ledger, totals: Totals) -> Ledger:
        return ledger.only(np.array([t.stop_reason != "length" for t in ledger.trajectories], dtype=np.bool_))


def recipe(
    mode: Literal["mask_after", "drop_before"] = "mask_after",
    accuracy: list[float] | None = None,
    oversample: float = 1.0,
    drop_truncated: bool = False,
    drop_equal_groups: bool = True,
    ddof: int = 1,
    clip: float = 0.2,
    clip_high: float = 0.28,
    dual_clip: float | None = 3.0,
    entropy_bonus: float = 0.0,
    aggregate: Literal["token", "turn", "trajectory"] = "token",
    invalid_penalty: float = 0.0,
    truncate_mismatch: float | None = None,
    mismatch: MismatchRule | None = None,
    invalid_rule: InvalidRule = "invalid",
    success_reward: float | None = None,
) -> Recipe:
    """SimpleTIR. `accuracy` is [low, high], such as [0.1, 0.9]; see `options` for the settings that recipes share.

    Raises:
        ConfigError: for bounds that hold no group.
    """
    if accuracy is not None and (len(accuracy) != 2 or not 0 <= accuracy[0] < accuracy[1] <= 1):
        raise ConfigError(f"accuracy = {accuracy} is no interval of shares: give [low, high], such as [0.1, 0.9]")
    low, high = accuracy if accuracy is not None else (0.0, 1.0)
    filters: tuple[CreditPart, ...] = (DropTruncated(),) if drop_truncated else ()
    filters += (AccuracyBetween(low, high),) if accuracy is not None else ()
    filters += (DropEqualGroups(1e-3),) if drop_equal_groups else ()
    return Recipe(
        name="simpletir",
        sampler=Dynamic(low, high, oversample, solved_or_env(success_reward)) if drop_equal_groups else Uniform(),
        filters=(*filters, VoidTurns(mode)),
        shapers=invalid(invalid_penalty, invalid_rule),
        rewards=reward_weights(invalid_penalty, success_reward),
        advantage=PeerAdvantage(ddof=ddof),
        ratio=Ratio("token"),
        surrogate=Clip(clip, clip_high, dual_clip),
        aggregate=Mean(aggregate),
        regularisers=penalties(0.0, "k3", entropy_bonus),
        mismatch=correction(truncate_mismatch, mismatch),
    )
