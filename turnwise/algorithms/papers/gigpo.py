"""GiGPO: group-in-group policy optimisation.

L. Feng et al., "Group-in-Group Policy Optimization for LLM Agent Training", arXiv 2505.10978.

    A^E_i   = (R_i - mean R) / F                  over the trajectories of a task
    R_{i,t} = sum_{k >= t} gamma^(k - t) r_{i,k}  the discounted return from a turn on
    A^S     = (R_{i,t} - mean) / F                over the group's turns that start in one state
    A       = A^E + omega A^S                     F: the standard deviation, or 1

Fidelity:
    Certain: the equations, gamma 0.95, omega 1, epsilon 1e-6, and from the authors' code: the
    sample's standard deviation, 0 for a state visited once, a penalty of 0.1 on invalid actions as
    a setting of the run.
    Departure: the authors' code takes the statistics of A^E over turns, so that long trajectories
    count more (`unit="turn"`); the default is the paper's equation, one vote a trajectory. Their
    anchor is the text of the observation (`anchor="observation"`); the default is the environment's
    hash of its full state, which cannot alias. A lone trajectory has advantage 0 (`lone="raw"`: its
    return, as in the code).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from turnwise.algorithms.credit_batch import CreditBatch, Ints, numbered
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.records import Floats


@dataclass(frozen=True, slots=True)
class Discounted:
    """[S] The discounted return from each turn on."""

    gamma: float = 0.95

    def __call__(self, batch: CreditBatch) -> Floats:
        return batch.to_go(self.gamma)


@dataclass(frozen=True, slots=True)
class SameAnchor:
    """[S] Labels: turns of a group that begin in the same state."""

    anchor: Literal["state", "observation"] = "state"

    def __call__(self, batch: CreditBatch) -> Ints:
        groups = batch.group[batch.owner]
        return numbered(
            (int(g), getattr(turn, self.anchor))
            for g, turn in zip(groups, batch.turns, strict=True)
        )


@dataclass(frozen=True, slots=True)
class TwoLevels:
    """The episode's advantage plus omega times the step's."""

    episode: PeerAdvantage
    step: PeerAdvantage
    omega: float = 1.0
    requirements = frozenset[str]()

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        both = self.episode.per_turn(batch) + self.omega * self.step.per_turn(batch)
        return batch.write(advantage=batch.spread(both))


def recipe(
    *,
    gamma: float = 0.95,
    omega: float = 1.0,
    scale: Literal["std", "none"] = "std",
    anchor: Literal["state", "observation"] = "state",
    unit: Literal["trajectory", "turn"] = "trajectory",
    lone: Literal["zero", "raw"] = "zero",
    ddof: int = 1,
    clip: float = 0.2,
    clip_high: float | None = None,
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build GiGPO. `scale` is F at both levels."""
    episode = PeerAdvantage(scale=scale, unit=unit, ddof=ddof, lone=lone)
    # `lone` is not for steps: a state that is visited once always has step advantage 0.
    step = PeerAdvantage(
        scale=scale, unit="turn", value=Discounted(gamma), peers=SameAnchor(anchor), ddof=ddof
    )
    return common.build(
        "gigpo",
        advantage=TwoLevels(episode, step, omega),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high),
    )
