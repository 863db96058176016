"""The credit plane's view of a batch: a flat table of turns and one of tokens.

A part of the credit plane is a function from a batch to a batch: a filter clears `mask`, a shaper
adds a column to `rewards`, an advantage or a reweighter writes `tokens["advantage"]`, an aggregate
writes `tokens["weight"]`. Because the tables are flat, each is a few lines of numpy, linear in the
number of turns; and because they hold trajectories and turns but no rows, no part can depend on how
a trajectory is cut into rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress, pairwise
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from turnwise.algorithms.reducer import Reducer
from turnwise.algorithms.streams import Streams
from turnwise.errors import DataError
from turnwise.records import SUCCESS, Floats, Group, Trajectory, Turn

Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class CreditBatch:
    """B trajectories without errors, their S turns and the turns' N completion tokens."""

    trajectories: tuple[Trajectory, ...]
    group: Ints
    """[B] the group each trajectory belongs to. A group is never split over processes."""
    turns: tuple[Turn, ...]
    owner: Ints
    """[S] index in `trajectories` of the trajectory each turn belongs to; never decreases."""
    index: Ints
    """[S] index of the turn in its trajectory."""
    length: Ints
    """[S] completion tokens of the turn; 0 for scripted agents, whose rewards still count."""
    rewards: Mapping[str, Floats]
    """[S] components of the turns' rewards by name; a component that a turn lacks is 0. `success`
    is always there: 1 in the last turn of a trajectory that solved its task."""
    reward_weights: Mapping[str, float]
    """Weight of each component in the reward; components that are not named have none."""
    mask: Bools
    """[N] True on the tokens that are trained. Masked tokens stay in the statistics of the
    advantage."""
    tokens: Mapping[str, Floats] = field(default_factory=dict)
    """[N] the streams written so far."""
    precomputed: Streams = field(default_factory=dict)
    """Streams computed before the credit plane ran (`value`, `ref_logp`, …), by trajectory."""

    @property
    def reward(self) -> Floats:
        """[S] The weighted sum of the components that count."""
        total = np.zeros(len(self.turns))
        for name, weight in self.reward_weights.items():
            total += weight * self.rewards.get(name, 0.0)
        return total

    @property
    def returns(self) -> Floats:
        """[B] The undiscounted return of each trajectory."""
        sums = np.bincount(self.owner, self.reward, minlength=len(self.trajectories))
        return sums.astype(np.float64)

    def to_go(self, gamma: float = 1.0) -> Floats:
        """Return [S] the discounted sum of rewards from each turn to the trajectory's end."""
        values = self.reward  # a new array, so it may be written to
        for k in range(len(values) - 2, -1, -1):
            if self.owner[k] == self.owner[k + 1]:
                values[k] += gamma * values[k + 1]
        return values

    @property
    def turn_of(self) -> Ints:
        """[N] The turn each token belongs to."""
        return np.repeat(np.arange(len(self.turns)), self.length)

    def spread(self, per_turn: Floats) -> Floats:
        """Give every token its turn's value, [S] -> [N]."""
        return np.repeat(per_turn, self.length)

    def turn_mean(self, per_token: Floats, empty: float = 0.0) -> Floats:
        """Return [S] the mean over the tokens of each turn; `empty` for a turn without tokens."""
        sums = np.bincount(self.turn_of, per_token, minlength=len(self.turns))
        return np.where(self.length > 0, sums / np.maximum(self.length, 1), empty)

    def recorded(self, name: str) -> Floats:
        """Return [N] what was recorded or precomputed for each token.

        Args:
            name: `logprob` or `entropy` as recorded by the engine, or a precomputed stream.

        Raises:
            DataError: when some turn lacks it.
        """
        columns: list[Sequence[float] | Floats] = []
        for turn, owner, k in zip(self.turns, self.owner, self.index, strict=True):
            values: Sequence[float] | Floats | None
            uid = self.trajectories[owner].uid
            if name in ("logprob", "entropy"):
                values = turn.logprobs if name == "logprob" else turn.entropies
            else:
                values = self.precomputed.get(uid, {}).get(name, [None] * (k + 1))[k]
            if turn.completion_ids and values is None:
                raise DataError(
                    f"turn {k} of trajectory {uid} has no {name!r}, which the recipe reads: "
                    "record it in the rollouts"
                )
            columns.append(() if values is None else values)
        if not columns:
            return np.zeros(0)
        return np.concatenate([np.asarray(c, dtype=np.float64) for c in columns])

    def write(self, **streams: Floats) -> CreditBatch:
        """Return a batch with these [N] token streams added or replaced."""
        return replace(self, tokens={**self.tokens, **streams})

    def mask_turns(self, keep: Bools) -> CreditBatch:
        """Return a batch that trains only turns where `keep` [S] is True.

        The statistics of the advantage stay as they are.
        """
        return replace(self, mask=self.mask & np.repeat(keep, self.length))

    def mask_tokens(self, keep: Bools) -> CreditBatch:
        """Return a batch that trains only tokens where `keep` [N] is True."""
        return replace(self, mask=self.mask & keep)

    def only(self, chosen: Bools) -> CreditBatch:
        """Return a batch of the trajectories where `chosen` [B] is True.

        The others leave the statistics too.
        """
        turns = chosen[self.owner]
        tokens = np.repeat(turns, self.length)
        renumbered = np.cumsum(chosen) - 1
        return replace(
            self,
            trajectories=tuple(compress(self.trajectories, chosen)),
            group=self.group[chosen],
            turns=tuple(compress(self.turns, turns)),
            owner=renumbered[self.owner[turns]],
            index=self.index[turns],
            length=self.length[turns],
            rewards={name: values[turns] for name, values in self.rewards.items()},
            mask=self.mask[tokens],
            tokens={name: values[tokens] for name, values in self.tokens.items()},
        )

    def streams(self) -> Streams:
        """Return the written streams by trajectory, turn and token.

        Trajectories without a trained token are left out.
        """
        ends = np.concatenate([[0], np.cumsum(self.length)])
        first = np.searchsorted(self.owner, np.arange(len(self.trajectories) + 1))
        out: Streams = {}
        for b, trajectory in enumerate(self.trajectories):
            cuts = ends[first[b] : first[b + 1] + 1]
            if not self.mask[cuts[0] : cuts[-1]].any():  # nothing of it is trained
                continue
            out[trajectory.uid] = {
                name: [values[i:j] for i, j in pairwise(cuts)]
                for name, values in self.tokens.items()
            }
        return out


def numbered(keys: Iterable[Hashable]) -> Ints:
    """Number the keys from 0 in order of appearance; equal keys have equal numbers."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


@runtime_checkable
class CreditPart(Protocol):
    """A filter, shaper, advantage, reweighter or aggregate."""

    @property
    def requirements(self) -> frozenset[str]: ...

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch: ...


def credit_batch_of(
    groups: Sequence[Group], reward_weights: Mapping[str, float], precomputed: Streams | None = None
) -> CreditBatch:
    """Build the batch of some groups, without the trajectories that have an `error`.

    Raises:
        DataError: when two trajectories have the same uid, which the streams are keyed by.
    """
    pairs = [
        (g, t) for g, group in enumerate(groups) for t in group.trajectories if t.error is None
    ]
    trajectories = tuple(t for _, t in pairs)
    if len({t.uid for t in trajectories}) != len(trajectories):
        raise DataError(
            "two trajectories of a batch have the same uid: give every trajectory a uid of its own"
        )
    turns = tuple(turn for t in trajectories for turn in t.turns)
    sizes = [len(t.turns) for t in trajectories]
    length = np.array([len(turn.completion_ids) for turn in turns], dtype=np.int64)
    rewards: dict[str, Floats] = {}
    for name in dict.fromkeys(name for turn in turns for name in turn.rewards):
        column = [turn.rewards.get(name, 0.0) for turn in turns]
        rewards[name] = np.array(column, dtype=np.float64)
    last = [
        t.success and k == n - 1 for t, n in zip(trajectories, sizes, strict=True) for k in range(n)
    ]
    return CreditBatch(
        trajectories=trajectories,
        group=np.array([g for g, _ in pairs], dtype=np.int64),
        turns=turns,
        owner=np.repeat(np.arange(len(sizes)), sizes).astype(np.int64),
        index=np.array([k for n in sizes for k in range(n)], dtype=np.int64),
        length=length,
        rewards={**rewards, SUCCESS: np.array(last, dtype=np.float64)},
        reward_weights=dict(reward_weights),
        mask=np.ones(int(length.sum()), dtype=np.bool_),
        precomputed=precomputed or {},
    )
