"""SFT: maximum likelihood of recorded actions.

    J = mean over tokens of log pi(y_t)

This is the policy gradient with advantage 1, so SFT warm starts and rejection sampling use the same
loop, rows and weights as RL.

Fidelity:
    Certain: cross-entropy on the agent's tokens; observations are never targets. `successes_only`
    is rejection sampling (RFT).
"""

from __future__ import annotations

from turnwise.algorithms.options import CommonOptions, refuses
from turnwise.algorithms.parts.advantage import Constant
from turnwise.algorithms.parts.filters import OnlySuccesses
from turnwise.algorithms.parts.surrogate import LogLikelihood
from turnwise.algorithms.recipes import Recipe


@refuses(
    drop_equal_groups="demonstrations are not compared with each other",
    invalid_penalty="no reward is used",
    invalid_rule="no reward is used",
    success_reward="no reward is used",
    truncate_mismatch="there is no ratio to correct",
    mismatch="there is no ratio to correct",
)
def recipe(
    *, successes_only: bool = False, common: CommonOptions = CommonOptions(aggregate="token")
) -> Recipe:
    """Build SFT; `policy_loss` is the cross-entropy in nats per token."""
    return common.build(
        "sft",
        filters=(OnlySuccesses(),) if successes_only else (),
        advantage=Constant(1.0),
        surrogate=LogLikelihood(),
    )
