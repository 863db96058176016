"""Settings that many recipes offer, each 0 or None by default, and the parts they stand for.

kl, kl_estimator     a KL penalty to the reference policy         KL
entropy_bonus        a bonus for entropy                          EntropyBonus
invalid_penalty      reward lost by a turn that did nothing       InvalidPenalty
drop_equal_groups    leave out groups of equal returns            DropEqualGroups
truncate_mismatch    cap on pi_old / pi_rollout                   Mismatch
"""

from __future__ import annotations

from typing import Literal

from turnwise.algorithms.filters import DropEqualGroups
from turnwise.algorithms.ledger import CreditPart
from turnwise.algorithms.mismatch import Mismatch
from turnwise.algorithms.recipe import LossPart
from turnwise.algorithms.regularisers import KL, EntropyBonus
from turnwise.algorithms.shapers import InvalidPenalty


def penalties(kl: float, estimator: Literal["k1", "k2", "k3"], entropy_bonus: float) -> tuple[LossPart, ...]:
    """Regularisers whose coefficient is not 0."""
    divergence: tuple[LossPart, ...] = (KL(kl, estimator),) if kl else ()
    return divergence + ((EntropyBonus(entropy_bonus),) if entropy_bonus else ())


def invalid(amount: float) -> tuple[CreditPart, ...]:
    """The penalty on invalid turns, if there is one."""
    return (InvalidPenalty(amount),) if amount else ()


def reward_weights(invalid_penalty: float) -> dict[str, float]:
    """The environment's reward, and the penalty's component where there is a penalty."""
    return {"env": 1.0, "invalid": 1.0} if invalid_penalty else {"env": 1.0}


def equal_groups(drop: bool) -> tuple[CreditPart, ...]:
    """The filter of groups with equal returns, if wanted."""
    return (DropEqualGroups(),) if drop else ()


def truncation(cap: float | None) -> Mismatch | None:
    """Truncated importance weights between engine and learner, if wanted."""
    return None if cap is None else Mismatch("truncate", high=cap)
