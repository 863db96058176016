"""REINFORCE++: token returns, whitened over the whole batch instead of within a group.

J. Hu, J. K. Liu, W. Shen, "REINFORCE++: An Efficient RLHF Algorithm with Robustness to Both Prompt
and Reward Models", arXiv 2501.03262.

    r_t = 1{t is the last token} R - kl * (log pi_old - log pi_ref)_t
    A_t = whiten( sum_{k >= t} gamma^(k - t) r_k )
    A_i = whiten( R_i - mean of the group's R )          the baseline variant

with PPO's clipped surrogate.

Fidelity:
    Certain: KL inside the reward (k1), returns per token, whitening over the batch, both variants.
    The KL of the baseline variant is a penalty in the loss (k2), as its authors have it.
    Our reading: returns run over the tokens the policy generated; each turn's reward is earned at
    its last token. Whitening uses the sample's variance over trained tokens, as verl's
    `masked_whiten` does. In the baseline variant a group of one keeps its return (`lone="raw"`), as
    in verl.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch, CreditPart
from turnwise.algorithms.options import CommonOptions, refuses
from turnwise.algorithms.parts.advantage import PeerAdvantage, Whiten
from turnwise.algorithms.parts.critic import discounted, token_rewards
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer


@dataclass(frozen=True, slots=True)
class TokenReturn:
    """The discounted return from each token on, of rewards less `kl` times the log-ratio."""

    gamma: float = 1.0
    kl: float = 0.0

    @property
    def requirements(self) -> frozenset[str]:
        return (
            frozenset({"precomputed:old_logp", "precomputed:ref_logp"}) if self.kl else frozenset()
        )

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        reward = token_rewards(batch)
        if self.kl:
            reward = reward - self.kl * (batch.recorded("old_logp") - batch.recorded("ref_logp"))
        zero = np.zeros(len(reward))
        return batch.write(
            advantage=discounted(reward, zero, batch.owner[batch.turn_of], self.gamma, 1.0)
        )


@refuses(kl_estimator="the paper fixes it, k1 in the reward and k2 in the baseline variant")
def recipe(
    *,
    baseline: bool = False,
    gamma: float = 1.0,
    clip: float = 0.2,
    clip_high: float | None = None,
    common: CommonOptions = CommonOptions(aggregate="token"),
) -> Recipe:
    """Build REINFORCE++. `kl` is part of the reward, or of the loss in the variant `baseline`."""
    in_loss = replace(common, kl=common.kl if baseline else 0.0, kl_estimator="k2")
    advantage: CreditPart = TokenReturn(gamma, common.kl)
    if baseline:
        advantage = PeerAdvantage(scale="none", lone="raw")
    return in_loss.build(
        "reinforce_pp",
        advantage=advantage,
        reweighters=(Whiten(),),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high),
    )
