"""The two planes of an algorithm, as data.

The credit plane reads groups of trajectories and writes `Streams`: for each trajectory, turn and
completion token a number. It has no gradients and no micro-batches; its statistics are those of the
whole batch it is given. The loss plane
reads a `Batch`: the policy tokens of some rows laid end to end, with the current log-probabilities.
Weights are final when they leave the credit plane (they sum to one over the global batch), so a
loss is a plain weighted sum and does not depend on how tokens were cut into rows, micro-batches or
processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from turnwise.records import PerTurn

if TYPE_CHECKING:
    import torch

Streams: TypeAlias = dict[str, dict[str, PerTurn]]
"""trajectory uid -> stream name -> turn -> one value per completion token.

Every recipe writes `advantage` and `weight`. Trajectories that a filter dropped are absent. The
values fit `turnwise.records.rows(trajectory, streams[trajectory.uid])`.
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """N policy tokens of a micro-batch, end to end. All tensors have shape [N]; padding and prompt
    tokens are not here.
    """

    logp: torch.Tensor
    """Current log-probability (nats), with gradient."""
    old_logp: torch.Tensor
    """Log-probability under the weights at the start of the update, no gradient."""
    rollout_logp: torch.Tensor
    """Log-probability the engine recorded, no gradient."""
    turn: torch.Tensor
    """int64: a number that is unique for each (trajectory, turn) of the micro-batch."""
    trajectory: torch.Tensor
    """int64: a number that is unique for each trajectory of the micro-batch."""
    streams: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """What the credit plane wrote, by name: `advantage`, `weight`, …"""
    ref_logp: torch.Tensor | None = None
    """Log-probability under the reference weights, when a part of the recipe requires it."""
    entropy: torch.Tensor | None = None
    """Full-vocabulary entropy (nats) of the current distribution, with gradient, when a part
    requires it.
    """
    value: torch.Tensor | None = None
    """The critic's current value of each token, with gradient, when a part requires it."""
    scalars: Mapping[str, float] = field(default_factory=dict)
    """Numbers that hold for the whole mini-batch: a controller's coefficients, and what
    `Recipe.measure` summed.
    """


REQUIREMENTS: dict[str, str] = {
    "entropy": "Batch.entropy: full-vocabulary entropy of the current distribution",
    "ref_logp": "Batch.ref_logp: log-probabilities under the reference weights",
    "value": "Batch.value: the critic's current value of each token, with gradient",
    "measure": "Recipe.measure on every micro-batch of a mini-batch, Recipe.rounds times, without gradient, before its losses",
    "probe": "Batch.scalars['probe_norm']: the norm of the gradient of Recipe.probe over a mini-batch, by a backward of its own",
    "span:turn": "all tokens of a turn in one micro-batch",
    "span:trajectory": "all rows of a trajectory in one micro-batch, in the order of its turns",
    "rollout:entropy": "Turn.entropies recorded by the engine",
    "precomputed:ref_logp": "credit(..., precomputed) with the stream `ref_logp`",
    "precomputed:old_logp": "credit(..., precomputed) with the stream `old_logp`",
    "precomputed:task_mean": "credit(..., precomputed) with the stream `task_mean`: the mean return that the sampler remembers, or NaN",
    "metrics:turn_entropy": "a controller's metrics hold `entropy_sum:K` and `entropy_count:K`: the recorded entropy at turn K",
    "precomputed:value": "credit(..., precomputed) with the critic's values as the stream `value`",
    "fork": "environments that can be forked in the middle of an episode",
}
"""Name -> what the trainer must do. `stream:NAME` is also allowed: a token stream that another part
of the recipe writes.
"""

SPANS: dict[str, frozenset[str]] = {
    "token": frozenset(),
    "turn": frozenset({"span:turn"}),
    "trajectory": frozenset({"span:trajectory"}),
}
"""What pooling over a level needs."""
