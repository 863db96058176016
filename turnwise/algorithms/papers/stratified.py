"""Stratified GRPO: compare a trajectory with those of the same structure.

"Stratified GRPO: Handling Structural Heterogeneity in Reinforcement Learning of LLM Search Agents",
arXiv 2510.06214.

    A_SAN = (R - mean_{q,k}) / (std_{q,k} + eps)        k: the stratum, the number of searches made
    A     = alpha A_SAN + (1 - alpha) (R - mean_q) / (std_q + eps)

A baseline over the whole group adds the same offset, mean_{q,k} - mean_q, to every trajectory of a
stratum.

Fidelity:
    Certain: both advantages and their blend. The paper's alpha is unknown to us; 1 is a
    re-implementation's default.
    Our reading: the number of searches is the number of turns whose action matches `counted` (a
    regular expression, such as "^search"); the default, "", counts all turns of the policy. A
    trajectory that is alone in its stratum takes the global term.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch, Ints, numbered
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Strata:
    """[S] Labels: trajectories of a group with the same number of counted turns."""

    counted: str = ""

    def __call__(self, batch: CreditBatch) -> Ints:
        matches = [re.search(self.counted, turn.action) is not None for turn in batch.turns]
        counts = (np.array(matches, dtype=np.bool_) & (batch.length > 0)).astype(np.float64)
        number = np.bincount(batch.owner, counts, minlength=len(batch.trajectories))
        group = batch.group[batch.owner]
        return numbered(zip(group.tolist(), number[batch.owner].tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class Blend:
    """alpha times the advantage within the stratum plus 1 - alpha times that within the group."""

    alpha: float = 1.0
    strata: Strata = field(default_factory=Strata)
    whole: PeerAdvantage = field(default_factory=PeerAdvantage)
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        stratum = self.strata(batch)
        among_all = self.whole.per_turn(batch)
        among_own = replace(self.whole, peers=self.strata).per_turn(batch)
        # One column for each (stratum, trajectory): a single one has nothing to be compared with.
        pairs = np.unique(np.stack([stratum, batch.owner]), axis=1)
        alone = np.bincount(pairs[0])[stratum] == 1 if len(stratum) else np.zeros(0, dtype=np.bool_)
        blended = self.alpha * among_own + (1 - self.alpha) * among_all
        return batch.write(advantage=batch.spread(np.where(alone, among_all, blended)))


def recipe(
    *,
    alpha: float = 1.0,
    counted: str = "",
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    scale: Literal["std", "none"] = "std",
    ddof: int = 1,
    lone: Literal["zero", "raw"] = "zero",
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build Stratified GRPO. `counted` is the regular expression of the actions that are counted.

    Raises:
        ConfigError: when `counted` is not a regular expression.
    """
    try:
        re.compile(counted)
    except re.error as problem:
        raise ConfigError(
            f"counted = {counted!r} is not a regular expression ({problem}): give one such as "
            "'^search'"
        ) from problem
    whole = PeerAdvantage(scale=scale, ddof=ddof, lone=lone)
    return common.build(
        "stratified",
        advantage=Blend(alpha, Strata(counted), whole),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high, dual_clip),
    )
