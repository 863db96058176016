"""GiGPO: group-in-group policy optimisation.

L. Feng et al., "Group-in-Group Policy Optimization for LLM Agent Training", arXiv 2505.10978.

    A^E_i   = (R_i - mean R) / F                                           over the trajectories of a task
    R_{i,t} = sum_{k >= t} gamma^(k - t) r_{i,k}                           the discounted return from a turn on
    A^S     = (R_{i,t} - mean) / F                                         over the turns of the group that begin in the same state
    A       = A^E + omega A^S                                              F: the standard deviation, or 1

Fidelity:
    Certain: the equations, gamma 0.95, omega 1, epsilon 1e-6, and from the authors' code: the
    sample's standard deviation, 0 for a state visited once, a penalty of 0.1 on invalid actions as
    a setting of the run.
    Departure: the authors' code takes A^E's statistics over turns, so that long trajectories count
    more (`unit="turn"`); the default is the paper's equation, one vote a trajectory. Their anchor
    is the observation's text (`anchor="observation"`); the default is the environment's hash of its
    full state, which cannot alias. A lone trajectory has advantage 0 (`lone="raw"`: its return, as
    in the code).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from turnwise.algorithms.credit_batch import CreditBatch, Ints, numbered
from turnwise.algorithms.options import (
    InvalidRule,
    MismatchRule,
    correction,
    equal_groups,
    invalid,
    penalties,
    reward_weights,
)
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.aggregate import Mean
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.records import Floats


@dataclass(frozen=True, slots=True)
class Discounted:
    """[S] the discounted return from each turn on."""

    gamma: float = 0.95

    def __call__(self, batch: CreditBatch) -> Floats:
        return batch.to_go(self.gamma)


@dataclass(frozen=True, slots=True)
class SameAnchor:
    """[S] turns of a group that begin in the same state."""

    anchor: Literal["state", "observation"] = "state"

    def __call__(self, batch: CreditBatch) -> Ints:
        groups = batch.group[batch.owner]
        return numbered(
            (int(g), getattr(turn, self.anchor))
            for g, turn in zip(groups, batch.turns, strict=True)
        )


@dataclass(frozen=True, slots=True)
class TwoLevels:
    """The advantage of the episode plus omega times that of the step."""

    episode: PeerAdvantage
    step: PeerAdvantage
    omega: float = 1.0
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        among_episodes = self.episode(batch, reducer).tokens["advantage"]
        among_steps = self.step(batch, reducer).tokens["advantage"]
        return batch.write(advantage=among_episodes + self.omega * among_steps)


def recipe(
    gamma: float = 0.95,
    omega: float = 1.0,
    scale: Literal["std", "none"] = "std",
    anchor: Literal["state", "observation"] = "state",
    unit: Literal["trajectory", "turn"] = "trajectory",
    lone: Literal["zero", "raw"] = "zero",
    ddof: int = 1,
    clip: float = 0.2,
    clip_high: float | None = None,
    kl: float = 0.0,
    kl_estimator: Literal["k1", "k2", "k3"] = "k3",
    entropy_bonus: float = 0.0,
    aggregate: Literal["token", "turn", "trajectory"] = "trajectory",
    drop_equal_groups: bool = False,
    invalid_penalty: float = 0.0,
    truncate_mismatch: float | None = None,
    mismatch: MismatchRule | None = None,
    invalid_rule: InvalidRule = "invalid",
    success_reward: float | None = None,
) -> Recipe:
    """GiGPO; `scale` is F at both levels. See `options` for the settings that recipes share."""
    return Recipe(
        name="gigpo",
        filters=equal_groups(drop_equal_groups),
        shapers=invalid(invalid_penalty, invalid_rule),
        rewards=reward_weights(invalid_penalty, success_reward),
        advantage=TwoLevels(
            episode=PeerAdvantage(scale=scale, unit=unit, ddof=ddof, lone=lone),
            step=PeerAdvantage(
                scale=scale,
                unit="turn",
                ddof=ddof,
                value=Discounted(gamma),
                peers=SameAnchor(anchor),
            ),
            omega=omega,
        ),
        ratio=Ratio("token"),
        surrogate=Clip(clip, clip if clip_high is None else clip_high),
        aggregate=Mean(aggregate),
        regularisers=penalties(kl, kl_estimator, entropy_bonus),
        mismatch=correction(truncate_mismatch, mismatch),
    )
