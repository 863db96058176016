"""RLVMR: verifiable rewards for meta-reasoning.

Z. Zhang et al., "RLVMR: Reinforcement Learning with Verifiable Meta-Reasoning Rewards for Robust
Long-Horizon Agents", arXiv 2507.22844.

The reply names its kind of thought before its action: <planning>, <explore>, <reflection> or
<monitor>.

    planning     + r if the episode is solved
    explore      + r if no valid action of the episode so far was the same
    reflection   + r if the previous action was invalid and this one is different
    monitor        0
    none         - 0.1
    paper   A_t = alpha (R - mean_q) / std_q + (1 - alpha) (m_t - mean_tag) / std_tag
            alpha 0.5, mean_tag over the batch
    code    A_t = (R - mean_q) + w (m_t - mean_{q,tag})
            w 1, no deviation

Fidelity:
    Both readings are certain and differ: `reading="code"` (the default, which made the released
    results) and `"paper"`.
    Our reading: the kind is a tag of the turn, or else the first of the four that the reply opens.
    m_t includes the format penalty. In the code a lone row keeps its raw value; here it has nothing
    to be compared with and has 0 (`lone="raw"` for the code's).
    Left out: the SFT on annotated demonstrations, which is a stage before this one (`warm_start`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch, Ints, numbered
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.records import Floats, Trajectory, Turn

THOUGHT_KINDS = ("planning", "explore", "reflection", "monitor")
_OPENING = re.compile(f"<({'|'.join(THOUGHT_KINDS)})>")


def kind(turn: Turn) -> str:
    """Return the kind of thought of a turn, or "" where it names none."""
    tagged = next((tag for tag in turn.tags if tag in THOUGHT_KINDS), "")
    found = None if tagged else _OPENING.search(turn.completion)
    return found.group(1) if found else tagged


def meta_rewards(trajectory: Trajectory, amount: float, penalty: float) -> list[float]:
    """Return m_t of each turn; turns without a model have 0."""
    found: list[float] = []
    done: set[str] = set()
    before: Turn | None = None
    for turn in trajectory.turns:
        reflects = before is not None and not before.valid and turn.action != before.action
        earned = {
            "planning": trajectory.success,
            "explore": turn.action not in done,
            "reflection": reflects,
            "monitor": False,
        }
        named = kind(turn)
        reward = amount * earned[named] if named else -penalty
        found.append(reward if turn.completion_ids else 0.0)
        if turn.valid:
            done.add(turn.action)
        before = turn
    return found


@dataclass(frozen=True, slots=True)
class MetaReward:
    """Add the reward component `meta`."""

    amount: float = 1.0
    penalty: float = 0.1
    requirements = frozenset[str]()
    provides = frozenset({"reward:meta"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        column = [m for t in batch.trajectories for m in meta_rewards(t, self.amount, self.penalty)]
        return replace(batch, rewards={**batch.rewards, "meta": np.array(column, dtype=np.float64)})


def outcome(batch: CreditBatch) -> Floats:
    """Return [S] the return of the turn's trajectory without the meta-reasoning rewards."""
    rest = {name: weight for name, weight in batch.reward_weights.items() if name != "meta"}
    return replace(batch, reward_weights=rest).returns[batch.owner]


def meta(batch: CreditBatch) -> Floats:
    """Return [S] the turn's meta-reasoning reward."""
    return np.asarray(batch.rewards["meta"])


def same_kind(batch: CreditBatch) -> Ints:
    """Return [S] labels: turns of a group with the same kind of thought."""
    groups = batch.group[batch.owner].tolist()
    return numbered((g, kind(turn)) for g, turn in zip(groups, batch.turns, strict=True))


@dataclass(frozen=True, slots=True)
class ByKind:
    """The outcome's advantage, plus that of the meta rewards among turns of the same kind."""

    reading: Literal["code", "paper"] = "code"
    weight: float = 1.0
    lone: Literal["zero", "raw"] = "zero"
    ddof: int = 1
    epsilon: float = 1e-6
    requirements = frozenset({"reward:meta"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        whole = PeerAdvantage(
            scale="none", value=outcome, lone=self.lone, ddof=self.ddof, epsilon=self.epsilon
        )
        if self.reading == "code":
            among_kind = replace(whole, unit="turn", value=meta, peers=same_kind)
            both = whole.per_turn(batch) + self.weight * among_kind.per_turn(batch)
        else:
            scaled = replace(whole, scale="std").per_turn(batch)
            both = self.weight * scaled + (1 - self.weight) * self._over_batch(batch, reducer)
        return batch.write(advantage=batch.spread(both))

    def _over_batch(self, batch: CreditBatch, reducer: Reducer) -> Floats:
        """Return [S] rewards normalised among all turns of a kind; 0 where they are equal."""
        kinds, value = np.array([kind(turn) for turn in batch.turns], dtype=object), meta(batch)
        result = np.zeros(len(value))
        # All kinds, also absent ones: every process asks for the same statistics.
        for named in ("", *THOUGHT_KINDS):
            own = (kinds == named) & (batch.length > 0)
            mean, deviation = reducer.mean(value[own]), reducer.std(value[own], self.ddof)
            if deviation > 1e-9:
                result[own] = (value[own] - mean) / (deviation + self.epsilon)
        return result


def recipe(
    *,
    reading: Literal["code", "paper"] = "code",
    weight: float | None = None,
    amount: float = 1.0,
    penalty: float = 0.1,
    ddof: int = 1,
    lone: Literal["zero", "raw"] = "zero",
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build RLVMR. `weight` is the code's w (default 1) or, with `reading="paper"`, alpha (0.5)."""
    if weight is None:
        weight = 0.5 if reading == "paper" else 1.0
    return common.build(
        "rlvmr",
        shapers=(*common.shapers, MetaReward(amount, penalty)),
        rewards={**common.rewards, "meta": 1.0},
        advantage=ByKind(reading, weight, lone, ddof),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high, dual_clip),
    )
