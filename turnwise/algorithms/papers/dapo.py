"""DAPO: GRPO with four changes for long answers.

Q. Yu et al., "DAPO: An Open-Source LLM Reinforcement Learning System at Scale", arXiv 2503.14476.

    clip-higher        clip(w_t, 1 - 0.2, 1 + 0.28)
    dynamic sampling   groups of equal returns are dropped, and others drawn until the batch is full
    token-level loss   every token of the batch has the same weight
    overlong shaping   with L_max and a buffer b: reward 0 up to L_max - b tokens, then falling
                       linearly to -1 at L_max

Fidelity:
    Certain: all four, and no KL. The paper's L_max and b (20,480 and 4,096) belong to its models,
    so here the penalty is off unless `max_length` is given.
    Our reading: the length of an episode is the number of tokens the policy generated in all its
    turns, and the penalty is added to the last turn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.options import CommonOptions, refuses
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.filters import DropEqualGroups
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.sampler import Dynamic, Uniform
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Overlong:
    """Add the component `overlong`: a penalty in [-1, 0] on the last turn of long episodes."""

    max_length: int
    buffer: int
    requirements = frozenset[str]()
    provides = frozenset({"reward:overlong"})

    def __post_init__(self) -> None:
        if not 0 < self.buffer <= self.max_length:
            raise ConfigError(
                f"a buffer of {self.buffer} tokens does not fit in {self.max_length}: "
                "give 0 < buffer <= max_length"
            )

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        tokens = np.bincount(batch.owner, batch.length, minlength=len(batch.trajectories))
        penalty = -np.clip((tokens - (self.max_length - self.buffer)) / self.buffer, 0.0, 1.0)
        column = np.zeros(len(batch.turns))
        if len(column):
            last = np.append(np.diff(batch.owner) != 0, True)
            column[last] = penalty[batch.owner[last]]
        return replace(batch, rewards={**batch.rewards, "overlong": column})


@refuses(drop_equal_groups="`dynamic_sampling` drops them")
def recipe(
    *,
    clip: float = 0.2,
    clip_high: float = 0.28,
    dual_clip: float | None = None,
    dynamic_sampling: bool = True,
    max_length: int | None = None,
    buffer: int = 4096,
    ddof: int = 1,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build DAPO. `max_length` and `buffer` are tokens of an episode; None: no length penalty."""
    overlong = () if max_length is None else (Overlong(max_length, min(buffer, max_length)),)
    return common.build(
        "dapo",
        sampler=Dynamic(compared=common.compared) if dynamic_sampling else Uniform(),
        filters=(DropEqualGroups(),) if dynamic_sampling else (),
        shapers=(*common.shapers, *overlong),
        rewards=common.rewards | ({"overlong": 1.0} if overlong else {}),
        advantage=PeerAdvantage(ddof=ddof),
        ratio=Ratio("token"),
        surrogate=Clip(clip, clip_high, dual_clip),
    )
