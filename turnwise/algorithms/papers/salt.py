"""SALT: step-level advantage assignment by trajectory graphs.

Li et al., "SALT: Step-level Advantage Assignment for Long-horizon Agents via Trajectory Graph",
arXiv 2510.20022.

    A_i        the advantage of a trajectory within its group (GRPO or RLOO)
    M(e)       the turns of the group whose transition (state, action, next state) is e
    A_{i,t}  = mean of A_j over the turns (j, u) in M(e_{i,t})

A step that successes and failures share is neutral; a step that only one of them takes keeps its
advantage.

Fidelity:
    The paper's body was not read. The abstract is certain (one graph for all rollouts of a task,
    step advantages from outcome rewards only, a plug-in for GRPO and RLOO); that members of an edge
    share the mean of inherited advantages is a later paper's description (GRAFT, arXiv 2609.28963,
    A.3). No numbers of SALT are claimed to be reproduced.
    Our reading: states are the environment's own, so hidden state cannot alias; statistics are per
    trajectory and not per step; an edge used twice by a trajectory has two votes
    (`loops="trajectory"`: one). `history` adds the `history` turns before to the key (0: the
    transition alone, the only published description; -1: the whole past, a tree of prefixes).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch, numbered
from turnwise.algorithms.options import CommonOptions
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.ratio import Ratio
from turnwise.algorithms.parts.surrogate import Clip
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SharedEdges:
    """Average the advantages of turns of a group that make the same transition.

    Linear in the number of turns.
    """

    history: int = 0
    loops: Literal["occurrence", "trajectory"] = "occurrence"
    requirements = frozenset[str]()

    def __post_init__(self) -> None:
        if self.history < -1:
            raise ConfigError(
                f"history = {self.history} is not a number of turns: give 0 or more, or -1 for the "
                "whole past"
            )

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        if not len(batch.turns):
            return batch
        edge = numbered(self._edges(batch))
        inherited = batch.turn_mean(batch.tokens["advantage"])
        votes = (batch.length > 0).astype(np.float64)
        if self.loops == "trajectory":
            # The first turn of each (trajectory, edge) pair votes for it.
            acted = np.flatnonzero(votes)
            pairs = np.stack([batch.owner[acted], edge[acted]])
            first = np.unique(pairs, axis=1, return_index=True)[1]
            votes = np.zeros(len(votes))
            votes[acted[first]] = 1.0
        mean = np.bincount(edge, inherited * votes) / np.maximum(np.bincount(edge, votes), 1.0)
        return batch.write(advantage=batch.spread(mean[edge]))

    def _edges(self, batch: CreditBatch) -> Iterator[Hashable]:
        """Yield the key of each turn's edge."""
        acts = numbered((turn.state, turn.action) for turn in batch.turns).tolist()
        prefixes: dict[tuple[int, int], int] = {}
        prefix, past = 0, tuple[int, ...]()
        for k, turn in enumerate(batch.turns):
            if not batch.index[k]:
                prefix, past = 0, ()
            group = int(batch.group[batch.owner[k]])
            before = prefix if self.history < 0 else past
            yield group, turn.state, turn.action, turn.next_state, before
            if self.history < 0:  # a number for each prefix, so that keys stay short
                prefix = prefixes.setdefault((prefix, acts[k]), len(prefixes) + 1)
            elif self.history:
                past = (*past, acts[k])[-self.history :]


def recipe(
    *,
    base: Literal["grpo", "rloo"] = "grpo",
    history: int = 0,
    loops: Literal["occurrence", "trajectory"] = "occurrence",
    scale: Literal["std", "none"] = "std",
    ddof: int = 1,
    clip: float = 0.2,
    clip_high: float | None = None,
    common: CommonOptions = CommonOptions(),
) -> Recipe:
    """Build SALT on GRPO or on RLOO (which has no scale)."""
    advantage = PeerAdvantage(scale=scale, ddof=ddof)
    if base == "rloo":
        advantage = PeerAdvantage(centre="others", scale="none")
    return common.build(
        "salt",
        advantage=advantage,
        reweighters=(SharedEdges(history, loops),),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high),
    )
