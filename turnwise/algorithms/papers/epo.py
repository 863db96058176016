"""EPO: entropy regularisation with a penalty for leaving the range of earlier steps.

"EPO: Entropy-regularized Policy Optimization for LLM Agents Reinforcement Learning", arXiv
2509.22576.

    L      = L_policy - lambda (H - beta_k S)        H: mean entropy over the batch's turns
    S      = mean over turns of alpha ( [low h_t - H_t]_+ + [H_t - high h_t]_+ )
             h_t: mean entropy of turn t in earlier steps
    beta_k = 1 - 0.2 (1 - e^(-2 p)) in the first half of training, then 0.8 e^(-3 p)
             p: the share of training that is done

Fidelity:
    Note: paper and code make S a constant alpha outside the band and 0 inside, which is piecewise
    constant and has no gradient; the released loss updates weights as a plain entropy bonus does.
    This is its differentiable form, a hinge.
    Certain (code): lambda 1e-3, low 0, high 2, alpha 0.1 (0.05 on ScienceWorld), the penalty from a
    turn on (`from_turn`; half of the turn limit there), and beta's schedule, which falls; third
    parties describe one that rises. `beta="constant"` is 1.
    Our reading: h_t is kept by turn index over all steps so far, in the controller's memory, from
    the entropies that the engine recorded; it is saved with checkpoints and is the same for all
    mini-batches of a step. In the first step, and at a turn that no episode has reached before,
    there is no h_t and no penalty. H and S have the weights of the policy's loss: every turn alike
    by default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from turnwise.algorithms.credit_batch import CreditBatch
from turnwise.algorithms.options import CommonOptions, refuses
from turnwise.algorithms.parts.advantage import PeerAdvantage
from turnwise.algorithms.parts.controller import Control
from turnwise.algorithms.parts.ratio import Ratio, pool
from turnwise.algorithms.parts.surrogate import Clip, Term
from turnwise.algorithms.recipes import Recipe
from turnwise.algorithms.reducer import Reducer
from turnwise.algorithms.streams import SPANS, Batch


@dataclass(frozen=True, slots=True)
class TurnIndex:
    """Write `turn_index`: the index, from 0, of each token's turn in its trajectory."""

    requirements = frozenset[str]()
    provides = frozenset({"stream:turn_index"})

    def __call__(self, batch: CreditBatch, reducer: Reducer) -> CreditBatch:
        return batch.write(turn_index=batch.spread(batch.index.astype(np.float64)))


@dataclass(frozen=True, slots=True)
class EntropySmoothing:
    """-coefficient (H - beta * alpha * distance of H from [low h, high h]).

    Reads from `Batch.scalars` the number `epo_beta`, and `epo_history:K` for each turn K that has a
    history. Reports `outside`, the share of tokens outside the range.
    """

    coefficient: float = 1e-3
    alpha: float = 0.1
    low: float = 0.0
    high: float = 2.0
    from_turn: int = 0
    level: Literal["turn", "token"] = "turn"

    @property
    def requirements(self) -> frozenset[str]:
        return frozenset({"entropy", "stream:turn_index"}) | SPANS[self.level]

    def __call__(self, batch: Batch) -> Term:
        assert batch.entropy is not None
        entropy = pool(batch.entropy, batch, self.level)
        index = batch.streams["turn_index"].long()
        history, known = entropy.detach() * 0.0, entropy.detach() * 0.0
        for k in index.unique().tolist():
            if k >= self.from_turn and f"epo_history:{k}" in batch.scalars:
                history[index == k] = batch.scalars[f"epo_history:{k}"]
                known[index == k] = 1.0
        below, above = self.low * history - entropy, entropy - self.high * history
        distance = known * (below.relu() + above.relu())
        smooth = batch.scalars.get("epo_beta", 1.0) * self.alpha * distance
        shown = {
            "outside": (distance.detach() > 0).to(entropy.dtype),
            "entropy": batch.entropy.detach(),
        }
        return Term(-self.coefficient * (entropy - smooth), shown)


@dataclass(frozen=True, slots=True)
class EntropyHistory:
    """Keep sums and counts of recorded turn entropies by turn index.

    Each step receives the means of the steps before it, and beta.
    """

    beta: Literal["code", "constant"] = "code"
    requirements = frozenset({"metrics:turn_entropy"})

    def __call__(self, step: int, steps: int, metrics: Mapping[str, float]) -> Control:
        memory = {name: value for name, value in metrics.items() if name.startswith("epo_")}
        scalars = {"epo_beta": schedule(step / steps) if self.beta == "code" else 1.0}
        for name, number in memory.items():
            if name.startswith("epo_count:") and number:
                k = name.removeprefix("epo_count:")
                scalars[f"epo_history:{k}"] = memory[f"epo_sum:{k}"] / number
        # This step's entropies are added after the means were taken.
        for name, value in metrics.items():
            if name.startswith(("entropy_sum:", "entropy_count:")):
                kept = name.replace("entropy_", "epo_")
                memory[kept] = memory.get(kept, 0.0) + value
        return Control(scalars=scalars, memory=memory)


def schedule(share: float) -> float:
    """Return the released code's beta, which falls, after a share of training."""
    return 1 - 0.2 * (1 - math.exp(-2 * share)) if share < 0.5 else 0.8 * math.exp(-3 * share)


@refuses(entropy_bonus="its own `coefficient` is that of the entropy")
def recipe(
    *,
    coefficient: float = 1e-3,
    alpha: float = 0.1,
    low: float = 0.0,
    high: float = 2.0,
    from_turn: int = 0,
    level: Literal["turn", "token"] = "turn",
    beta: Literal["code", "constant"] = "code",
    clip: float = 0.2,
    clip_high: float | None = None,
    dual_clip: float | None = None,
    scale: Literal["std", "none"] = "std",
    ddof: int = 1,
    lone: Literal["zero", "raw"] = "zero",
    common: CommonOptions = CommonOptions(aggregate="turn"),
) -> Recipe:
    """Build EPO on GRPO. `coefficient` is lambda; `low` and `high` are factors of the history h."""
    smoothing = EntropySmoothing(coefficient, alpha, low, high, from_turn, level)
    return common.build(
        "epo",
        advantage=PeerAdvantage(scale=scale, ddof=ddof, lone=lone),
        reweighters=(TurnIndex(),),
        ratio=Ratio("token"),
        surrogate=Clip.of(clip, clip_high, dual_clip),
        regularisers=(*common.regularisers, smoothing),
        controller=EntropyHistory(beta),
    )
