"""Gradients of a recipe's loss over the packs of one optimizer step, on one process or several.

Token weights sum to one over the global batch when they leave the credit plane, so the losses of
micro-batches are added: the gradient is that of the whole batch however its rows were divided. DDP
averages gradients over processes, so losses are multiplied by the number of processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn

from turnwise.algorithms import Batch, Recipe
from turnwise.records import Floats
from turnwise.training.attention import row_attention
from turnwise.training.forward import TokenScores
from turnwise.training.packing import Pack


class Gradient:
    """Adds up gradients in a policy's weights.

    Args:
        model: the language model.
        policy: the `Policy` of that model, as `accelerator` prepared it.
    """

    def __init__(self, model: nn.Module, policy: Any, accelerator: Accelerator) -> None:
        self.model = model
        self.policy = policy
        self.accelerator = accelerator
        self.processes = int(accelerator.num_processes)

    def add(
        self, packs: Sequence[Pack], recipe: Recipe, scalars: dict[str, float], scale: float
    ) -> dict[str, float]:
        """Add the gradient of the recipe's loss over these packs, multiplied by `scale`.

        Returns:
            The recipe's metrics, summed over tokens and multiplied by `scale`; `tokens`, the number
            trained on; and `engine_gap`, the mean over policy tokens of the absolute difference
            between the old and the engine's log-probabilities. All of them over all processes.
        """
        sums: dict[str, float] = {}
        averaged_scale = scale * self.processes  # DDP divides by the number of processes
        for k, piece in enumerate(packs):
            with self._passes(last=k == len(packs) - 1):
                loss, metrics, gap = self._loss(piece, recipe, scalars)
                self.accelerator.backward(loss * averaged_scale)
            for name, value in metrics.items():
                weighted = float(value) * averaged_scale / self.processes
                sums[name] = sums.get(name, 0.0) + weighted
            sums["engine_gap"] = sums.get("engine_gap", 0.0) + gap
        tokens = float(sum(len(piece.ids) for piece in packs if piece.rows))
        policy_tokens = float(sum(len(piece.target) for piece in packs))
        names = self._all_names(sums)
        values = [*(sums.get(name, 0.0) for name in names), tokens, policy_tokens]
        totals = self.all_sum(np.array(values))
        found = dict(zip(names, map(float, totals[:-2]), strict=True))
        found["engine_gap"] /= max(1.0, float(totals[-1]))
        return {**found, "tokens": float(totals[-2])}

    def add_probe(
        self, packs: Sequence[Pack], recipe: Recipe, scalars: dict[str, float], scale: float
    ) -> None:
        """Add the gradient of the recipe's probe over these packs, multiplied by `scale`."""
        for k, piece in enumerate(packs):
            with self._passes(last=k == len(packs) - 1):
                scores = self._scores(piece, recipe)
                # DDP expects every output of a forward pass to be part of the loss.
                loss = scores.logp.sum() * 0.0
                if scores.value is not None:
                    loss = loss + scores.value.sum() * 0.0
                if len(piece.target):
                    loss = recipe.probe(as_batch(piece, scores, scalars)) + loss
                self.accelerator.backward(loss * (scale * self.processes))

    def measure(
        self, packs: Sequence[Pack], recipe: Recipe, scalars: dict[str, float]
    ) -> dict[str, float]:
        """Return the sums of `Recipe.measure` over these packs and all processes."""
        sums: dict[str, float] = {}
        with torch.no_grad():
            for piece in packs:
                scores = self._scores(piece, recipe)
                if len(piece.target):
                    for name, value in recipe.measure(as_batch(piece, scores, scalars)).items():
                        sums[name] = sums.get(name, 0.0) + float(value)
        names = self._all_names(sums)
        totals = self.all_sum(np.array([sums.get(name, 0.0) for name in names]))
        return dict(zip(names, map(float, totals), strict=True))

    def all_sum(self, array: Floats) -> Floats:
        """Add a float64 array over all processes."""
        if self.processes == 1:
            return array
        device = next(self.model.parameters()).device
        total: torch.Tensor = self.accelerator.reduce(torch.from_numpy(array).to(device), "sum")
        return np.asarray(total.cpu().numpy())

    def _all_names(self, sums: Mapping[str, float]) -> list[str]:
        """Return the names of all processes' sums; a process without rows has none of its own."""
        return sorted(set(gather_object(list(sums)))) if self.processes > 1 else sorted(sums)

    @contextmanager
    def _passes(self, last: bool) -> Iterator[None]:
        """Set up one forward and backward pass; gradients are averaged over processes if `last`."""
        sync = last or self.processes == 1
        # Row attention stays on in the backward pass, which may compute activations again.
        unsynced = nullcontext() if sync else self.accelerator.no_sync(self.policy)
        with unsynced, row_attention(self.model):
            yield

    def _loss(
        self, piece: Pack, recipe: Recipe, scalars: dict[str, float]
    ) -> tuple[torch.Tensor, dict[str, Any], float]:
        """Return loss, metrics, and the sum of |old - engine| log-probabilities of a pack."""
        scores = self._scores(piece, recipe)
        if not len(piece.target):
            # An empty pack: a loss of 0 whose backward pass still joins DDP's communication.
            nothing = scores.logp.sum() + (scores.value.sum() if scores.value is not None else 0.0)
            return nothing, {}, 0.0
        batch = as_batch(piece, scores, scalars)
        return *recipe.loss(batch), float((batch.old_logp - batch.rollout_logp).abs().sum())

    def _scores(self, piece: Pack, recipe: Recipe) -> TokenScores:
        entropies, values = (name in recipe.requirements for name in ("entropy", "value"))
        return cast(TokenScores, self.policy(piece, entropies, values))


def as_batch(piece: Pack, scores: TokenScores, scalars: dict[str, float]) -> Batch:
    """Return a pack and its scores as the `Batch` that the loss plane reads.

    Rows have no `old_logp` in an update of one optimizer step: the old policy is then the current
    one.
    """
    streams, logp = dict(piece.streams), scores.logp
    rollout = streams.pop("logprob", None)
    return Batch(
        logp=logp,
        old_logp=streams.pop("old_logp", logp.detach()),
        rollout_logp=rollout if rollout is not None else logp.detach(),
        turn=piece.turn,
        trajectory=piece.trajectory,
        streams=streams,
        ref_logp=streams.get("ref_logp"),
        entropy=scores.entropy,
        value=scores.value,
        scalars=scalars,
    )
