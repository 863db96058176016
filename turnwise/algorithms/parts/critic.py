"""The loss of a value model: squared distance to the returns, clipped around the value it had when
the update began.

    0.5 * max[ (V - R)^2, (clip(V, V_old - c, V_old + c) - R)^2 ]

(J. Schulman et al., PPO's released code; as in verl and TRL.) With the weights of the policy's
tokens, so that it is a mean over the same tokens, whatever the micro-batches.
"""

from __future__ import annotations

from dataclasses import dataclass

from turnwise.algorithms.parts.surrogate import Term
from turnwise.algorithms.streams import Batch


@dataclass(frozen=True, slots=True)
class ValueLoss:
    """Reports `value_loss`, `value` (mean prediction), `returns` (mean target) and
    `value_clip_share`.
    """

    coefficient: float = 1.0
    clip: float | None = 0.5
    """Half-width of the interval around the old value; None does not clip."""
    requirements = frozenset({"value", "stream:returns", "stream:value_old", "stream:value_mask"})

    def __call__(self, batch: Batch) -> Term:
        assert batch.value is not None
        target, old, trained = (
            batch.streams[name] for name in ("returns", "value_old", "value_mask")
        )
        loss = (batch.value - target) ** 2
        hit = loss.new_zeros(len(loss))
        if self.clip is not None:
            bounded = (old + (batch.value - old).clamp(-self.clip, self.clip) - target) ** 2
            hit = (bounded > loss).detach().to(loss.dtype) * trained
            loss = loss.maximum(bounded)
        loss = 0.5 * loss * trained
        shown = {
            "value_loss": loss.detach(),
            "value": batch.value.detach(),
            "returns": target,
            "value_clip_share": hit,
        }
        return Term(self.coefficient * loss, shown)
