"""Supervised training as a recipe: maximum likelihood of what the recorded agent wrote.

    J = mean over tokens of log pi(y_t)

The policy gradient with advantage 1, so warm starts and rejection sampling run through the same
loop, rows and weights.

Fidelity:
    Certain: cross-entropy on the agent's tokens; observations are never targets. `successes_only`
    is rejection sampling (RFT).
"""

from __future__ import annotations

from typing import Literal

from turnwise.algorithms.options import penalties
from turnwise.algorithms.parts.advantage import Constant
from turnwise.algorithms.parts.aggregate import Mean
from turnwise.algorithms.parts.filters import OnlySuccesses
from turnwise.algorithms.parts.surrogate import LogLikelihood
from turnwise.algorithms.recipes import Recipe


def recipe(
    successes_only: bool = False,
    kl: float = 0.0,
    kl_estimator: Literal["k1", "k2", "k3"] = "k3",
    entropy_bonus: float = 0.0,
    aggregate: Literal["token", "turn", "trajectory"] = "token",
) -> Recipe:
    """Supervised training; `policy_loss` is the cross-entropy in nats a token."""
    return Recipe(
        name="sft",
        filters=(OnlySuccesses(),) if successes_only else (),
        advantage=Constant(1.0),
        surrogate=LogLikelihood(),
        aggregate=Mean(aggregate),
        regularisers=penalties(kl, kl_estimator, entropy_bonus),
    )
