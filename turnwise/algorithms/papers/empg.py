"""EMPG: entropy-modulated policy gradients.

J. Wang et al., "Harnessing Uncertainty: Entropy-Modulated Policy Gradients for Long-Horizon LLM
Agents", arXiv 2509.09265.

    h_t    mean entropy of the tokens of step t under the policy that generated them,
           min-max normalised over the batch
    g(t) = exp(-k h_t) / mean over the batch's steps of exp(-k h)    self-calibrating scale (eq. 10)
    f(t) = exp(-k' h_t)                                              future clarity (eq. 11)
    A_t  = A_i g(t) + zeta f(t + 1), less its mean over the batch    (eqs. 7 and 8)

The last step of a trajectory has no bonus.

Fidelity:
    Certain: the equations and their order, from the authors' pseudocode; epsilon 1e-8.
    Our reading: a step is a turn, its tokens are those the policy generated, and the batch is the
    whole rollout batch, so that nothing depends on mini-batches. zeta is 0.05 after the grid search
    of a replication (ARLArena), which also found no gain over GRPO on ALFWorld; the pseudocode's
    default is 0.1.
    Note: a group of equal returns has advantages of 0 before, and of the size of zeta after.
    `equal_groups="bonus"` is that formula; `"zero"` removes such groups first, and is the default
    on DAPO, which drops them anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.options import CommonOptions, refuses
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.aggregate import Mean
from turnwise.algorithms.parts.filters import DropEqualGroups
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.sampler import Dynamic, Uniform
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer


@dataclass(frozen=True, slots=True)
class EntropyModulation:
    """Scale each step by its certainty, reward a clear next step, and centre over all steps."""

    k: float = 1.0
    k_future: float = 1.0
    zeta: float = 0.05
    epsilon: float = 1e-8
    requirements = frozenset({"rollout:entropy"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        step = batch.length > 0
        entropy = batch.turn_mean(batch.recorded("entropy"))[step]
        low, high = reducer.minimum(entropy), reducer.maximum(entropy)
        normal = (entropy - low) / (high - low + self.epsilon)
        scale = np.exp(-self.k * normal)
        given = batch.turn_mean(batch.tokens["advantage"])[step]
        own = given * scale / (reducer.mean(scale) or 1.0)
        # The bonus of a step comes from the next one, if that is of the same trajectory.
        followed = batch.owner[step][:-1] == batch.owner[step][1:]
        own[:-1] += np.where(followed, self.zeta * np.exp(-self.k_future * normal[1:]), 0.0)
        wide = np.zeros(len(batch.turns))
        wide[step] = own - reducer.mean(own)
        return batch.write(advantage=batch.spread(wide))


@refuses(
    aggregate="it has an `aggregate` of its own, whose default follows `base`",
    drop_equal_groups="`equal_groups` decides about them",
)
def recipe(
    *,
    base: Literal["grpo", "dapo"] = "grpo",
    k: float = 1.0,
    k_future: float = 1.0,
    zeta: float = 0.05,
    equal_groups: Literal["bonus", "zero"] | None = None,
    ddof: int = 1,
    clip: float = 0.2,
    clip_high: float | None = None,
    aggregate: Literal["token", "turn", "trajectory"] | None = None,
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build EMPG on GRPO, or on DAPO: clip-higher, dynamic sampling and a mean over tokens."""
    dapo = base == "dapo"
    drop = (equal_groups or ("zero" if dapo else "bonus")) == "zero"
    if dapo and clip_high is None:
        clip_high = 0.28
    return common.build(
        "empg",
        sampler=Dynamic(compared=common.compared) if dapo else Uniform(),
        filters=(DropEqualGroups(),) if drop else (),
        advantage=PeerAdvantage(ddof=ddof),
        reweighters=(EntropyModulation(k, k_future, zeta),),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high),
        aggregate=Mean(aggregate or ("token" if dapo else "trajectory")),
    )
