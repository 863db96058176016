"""What a part of a recipe may ask of the trainer, by name.

A trainer looks at `Recipe.requirements` and does only what is in it: no reference forward, no
entropies, no critic unless some part asks. A name that is not listed here is a mistake that no
trainer could answer, so a recipe with one is not built.
"""

from __future__ import annotations

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
