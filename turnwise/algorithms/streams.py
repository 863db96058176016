"""The data of the two planes, and what a part may require of the trainer.

The credit plane reads groups of trajectories and writes `Streams`: a number for each trajectory,
turn and completion token. It has no gradients and no micro-batches; its statistics are those of the
whole batch. The loss plane reads a `Batch`: the policy tokens of some rows end to end, with the
current log-probabilities. Weights are final when they leave the credit plane (they sum to one over
the global batch), so a loss is a plain weighted sum that does not depend on how tokens were cut
into rows, micro-batches or processes.
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
    """N policy tokens of a micro-batch, end to end.

    All tensors have shape [N]; padding and prompt tokens are not included.
    """

    logp: torch.Tensor
    """Current log-probability (nats), with gradient."""
    old_logp: torch.Tensor
    """Log-probability under the weights at the start of the update, no gradient."""
    rollout_logp: torch.Tensor
    """Log-probability the engine recorded, no gradient."""
    turn: torch.Tensor
    """int64: a label that is unique for each (trajectory, turn) of the micro-batch."""
    trajectory: torch.Tensor
    """int64: a label that is unique for each trajectory of the micro-batch."""
    streams: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """Streams of the credit plane by name: `advantage`, `weight`, …"""
    ref_logp: torch.Tensor | None = None
    """Log-probability under the reference weights, when a part of the recipe requires it."""
    entropy: torch.Tensor | None = None
    """Full-vocabulary entropy (nats) of the current distribution, with gradient, when a part
    requires it."""
    value: torch.Tensor | None = None
    """The critic's current value of each token, with gradient, when a part requires it."""
    scalars: Mapping[str, float] = field(default_factory=dict)
    """Numbers of the whole mini-batch: a controller's coefficients, and the sums of
    `Recipe.measure`."""


REQUIREMENTS: dict[str, str] = {
    "entropy": "Batch.entropy: full-vocabulary entropy of the current distribution",
    "ref_logp": "Batch.ref_logp: log-probabilities under the reference weights",
    "value": "Batch.value: the critic's current value of each token, with gradient",
    "measure": "Recipe.measure on every micro-batch of a mini-batch before its losses, "
    "Recipe.rounds times, without gradient",
    "probe": "Batch.scalars['probe_norm']: the norm of the gradient of Recipe.probe over a "
    "mini-batch, by an extra backward",
    "span:turn": "all tokens of a turn in one micro-batch",
    "span:trajectory": "all rows of a trajectory in one micro-batch, in the order of its turns",
    "rollout:entropy": "Turn.entropies recorded by the engine",
    "precomputed:ref_logp": "credit(..., precomputed) with the stream `ref_logp`",
    "precomputed:old_logp": "credit(..., precomputed) with the stream `old_logp`",
    "precomputed:value": "credit(..., precomputed) with the critic's values as the stream `value`",
    "precomputed:task_mean": "credit(..., precomputed) with the stream `task_mean`: the mean "
    "return in the sampler's history, or NaN",
    "metrics:turn_entropy": "a controller's metrics hold `entropy_sum:K` and `entropy_count:K`: "
    "the recorded entropy at turn K",
    "fork": "environments that can be forked in the middle of an episode",
}
"""Name -> what the trainer must provide.

A trainer provides what is in `Recipe.requirements` and nothing else: no reference forward, no
entropies, no critic unless some part requires them. A recipe that requires any other name is not
built. Parts may also require `stream:NAME`, a token stream that another part of the recipe writes.
"""

SPANS: dict[str, frozenset[str]] = {
    "token": frozenset(),
    "turn": frozenset({"span:turn"}),
    "trajectory": frozenset({"span:trajectory"}),
}
"""Requirements of pooling over a level."""
