"""REINFORCE++: token returns, whitened over the whole batch instead of within a group.

J. Hu, J. K. Liu, W. Shen, "REINFORCE++: An Efficient RLHF Algorithm with Robustness to Both Prompt
and Reward Models", arXiv 2501.03262.

    r_t = 1{t is the last token} R - kl * (log pi_old - log pi_ref)_t       A_t = whiten( sum_{k >= t} gamma^(k - t) r_k )
    baseline variant:  A_i = whiten( R_i - mean of the group's R )

with PPO's clipped surrogate.

Fidelity:
    Certain: KL inside the reward (k1), returns per token, whitening over the batch, both variants.
    Our reading: returns run over the tokens the policy wrote; each turn's reward is earned at its
    last token. Whitening uses the sample's variance over trained tokens, as verl's `masked_whiten`
    does. In the baseline variant a group of one keeps its return (`lone="raw"`), as in verl.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch, CreditPart
from turnwise.algorithms.options import (
    InvalidRule,
    MismatchRule,
    correction,
    invalid,
    penalties,
    reward_weights,
)
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.aggregate import Mean
from turnwise.algorithms.parts.gae import discounted, token_rewards
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.parts.whiten import Whiten
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer


@dataclass(frozen=True, slots=True)
class TokenReturn:
    """The discounted return from each token on, less `kl` times the log-ratio to the reference from
    there on.
    """

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


def recipe(
    baseline: bool = False,
    gamma: float = 1.0,
    kl: float = 0.0,
    clip: float = 0.2,
    clip_high: float | None = None,
    entropy_bonus: float = 0.0,
    aggregate: Literal["token", "turn", "trajectory"] = "token",
    invalid_penalty: float = 0.0,
    truncate_mismatch: float | None = None,
    mismatch: MismatchRule | None = None,
    invalid_rule: InvalidRule = "invalid",
    success_reward: float | None = None,
) -> Recipe:
    """REINFORCE++; `baseline` is its variant with the group's mean, whose `kl` is a penalty in the
    loss (k2, as its authors do).
    """
    own: CreditPart = (
        PeerAdvantage(scale="none", lone="raw") if baseline else TokenReturn(gamma, kl)
    )
    return Recipe(
        name="reinforce_pp",
        shapers=invalid(invalid_penalty, invalid_rule),
        rewards=reward_weights(invalid_penalty, success_reward),
        advantage=own,
        reweighters=(Whiten(),),
        ratio=Ratio("token"),
        surrogate=Clip(clip, clip if clip_high is None else clip_high),
        aggregate=Mean(aggregate),
        regularisers=penalties(kl if baseline else 0.0, "k2", entropy_bonus),
        mismatch=correction(truncate_mismatch, mismatch),
    )
