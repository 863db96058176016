"""The learner: trains a language model on the rows of a batch with a recipe's loss.

It does not depend on an algorithm: what a recipe needs beyond the policy's log-probabilities is in
`Recipe.requirements`. Only this module and `gradient` use accelerate.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from turnwise.algorithms import Recipe
from turnwise.errors import ConfigError
from turnwise.records import Floats, Row
from turnwise.training.config import CriticSection, Optimiser
from turnwise.training.forward import Critic, Policy
from turnwise.training.gradient import Gradient
from turnwise.training.optimiser import OptimizerGroup, schedule
from turnwise.training.packing import Pack, pack, plan

CRITIC_REQUIREMENTS = frozenset({"value", "precomputed:value"})
"""Requirements of recipes with a critic."""
SUMMED_METRICS = ("tokens", "optimiser_steps", "skipped_steps")
"""Metrics that are added over optimizer steps; the others are averaged."""
UNWEIGHTED_METRICS = (
    "policy_loss", "grad_norm", "critic_grad_norm", "probe_norm", "engine_gap", "lr_scale",
)  # fmt: skip
"""Averaged metrics that are not means over the token weights."""


@dataclass(frozen=True, slots=True)
class StepProgress:
    """Position of an update in its run: step `step` (from 0) of `steps`."""

    step: int = 0
    steps: int = 1


class Learner:
    """Trains a causal language model in place; an engine may share it.

    Args:
        model: a transformers causal language model, on the device it is to be trained on.
        settings: of the optimizer.
        temperature: the sampling temperature; logits are divided by it, as the engine's are.
        autocast: compute matrix products in bfloat16.
        gradient_checkpointing: compute activations again in the backward pass.
        seed: of the order of mini-batches.
        reference: keep the current weights for `logprobs(reference=True)`; with adapters these are
            the model's without them.
        critic: settings of a value model, for recipes that need one.

    Raises:
        ConfigError: when no weight is trainable.
    """

    def __init__(
        self, model: nn.Module, settings: Optimiser | None = None, *, temperature: float = 1.0,
        autocast: bool = False, gradient_checkpointing: bool = False, seed: int = 0,
        reference: bool = False, critic: CriticSection | None = None,
    ) -> None:  # fmt: skip
        self.model = model
        self.settings = settings or Optimiser()
        self.device = next(model.parameters()).device
        self.accelerator = Accelerator(cpu=self.device.type == "cpu", device_placement=False)
        self.seed = seed
        if gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        disable_dropout(model)
        self.reference = self._reference(temperature, autocast) if reference else None
        self.critic = Critic(model, critic.kind) if critic is not None else None
        self.policy: Any = self.accelerator.prepare_model(
            Policy(model, temperature, autocast, self.critic)
        )
        self.gradient = Gradient(model, self.policy, self.accelerator)
        self.optimizers = OptimizerGroup(model, self.settings)
        self.critic_optimizers: OptimizerGroup | None = None
        self.pretrain_steps = 0
        if self.critic is not None and critic is not None:
            self.critic_optimizers = OptimizerGroup(self.critic, critic.optimiser)
            self.pretrain_steps = critic.pretrain_steps

    @property
    def processes(self) -> int:
        """Number of processes that train together."""
        return self.gradient.processes

    def all_sum(self, array: Floats) -> Floats:
        """Add a float64 array over all processes."""
        return self.gradient.all_sum(array)

    # Training
    # ----------------------------------------------------------------------------------------------

    def update(
        self, rows: Sequence[Row], recipe: Recipe, progress: StepProgress | None = None,
        factor: float = 1.0, scalars: dict[str, float] | None = None,
        on_optimizer_step: Callable[[], None] | None = None,
    ) -> dict[str, float]:  # fmt: skip
        """Train on the rows of one batch.

        Args:
            rows: of the whole batch, the same on every process, with the streams `logprob`,
                `advantage`, `weight`, those that the recipe wrote, and `ref_logp` where it requires
                that.
            progress: for the learning-rate schedule.
            factor: multiplies the learning rates (set by a controller).
            scalars: become `Batch.scalars` (set by a controller).
            on_optimizer_step: called after each optimizer step.

        Returns:
            The recipe's metrics, averaged over optimizer steps; `grad_norm`, `learning_rate`
            (AdamW's), `tokens` (trained on, prompts included), `optimiser_steps`, `skipped_steps`
            (gradient not finite), and `engine_gap`: the mean absolute difference between the
            log-probabilities of the engine and those of the learner before the update.

        Raises:
            ConfigError: for a recipe that requires a critic where there is none.
        """
        if recipe.requirements & CRITIC_REQUIREMENTS and self.critic is None:
            raise ConfigError(
                f"recipe {recipe.name!r} requires a critic, which this learner does not have: "
                "make it with critic=CriticSection(...)"
            )
        progress = progress or StepProgress()
        rows, share = self._trainable(rows, recipe)
        # With a single optimizer step the old policy is the current one; `as_batch` detaches it.
        several_steps = self.settings.mini_batches * self.settings.epochs > 1
        if several_steps and self.settings.old_logprobs == "learner":
            rows = self._with_old_logprobs(rows)
        sums: dict[str, float] = {}
        self.model.train()
        mini_batches = self._mini_batches(rows, progress.step)
        # A mini-batch holds a part of the token weights; scale its loss as if it held all of them.
        scale = float(len(mini_batches) // self.settings.epochs)
        for chosen in mini_batches:
            own = [rows[i] for i in chosen]
            step = self._step(own, recipe, progress, factor, scalars or {}, scale)
            for name, value in step.items():
                sums[name] = sums.get(name, 0.0) + value
            if on_optimizer_step is not None:
                on_optimizer_step()
        self.model.eval()
        metrics = {"tokens": 0.0, "optimiser_steps": 0.0, **_averaged(sums, share)}
        rate = schedule(self.settings, progress.step, progress.steps) * factor
        return {**metrics, "learning_rate": self.settings.lr * rate}

    def _trainable(self, rows: Sequence[Row], recipe: Recipe) -> tuple[Sequence[Row], float]:
        """Return the rows that can have a gradient, and their share of the token weights.

        A trajectory whose advantages are all 0 (its whole group earned the same) adds nothing to a
        surrogate, so it is skipped where the loss has no other term.
        """
        if (
            not self.settings.skip_zero_advantage
            or recipe.regularisers
            or recipe.critic
            or "measure" in recipe.requirements
        ):
            return rows, 1.0
        chosen = {row.trajectory for row in rows if row.streams["advantage"].any()}
        kept = [row for row in rows if row.trajectory in chosen]
        total, held = (
            sum(float(np.abs(row.streams["weight"]).sum()) for row in some) for some in (rows, kept)
        )
        share = self.all_sum(np.array([held, total]))
        return kept, float(share[0] / share[1]) if share[0] else 1.0

    def _mini_batches(self, rows: Sequence[Row], step: int) -> list[list[int]]:
        """Return the row indices of each optimizer step. Trajectories are shuffled, not divided."""
        of: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            of.setdefault(row.trajectory, []).append(i)
        number = min(self.settings.mini_batches, len(of))
        chosen: list[list[int]] = []
        for epoch in range(self.settings.epochs):
            uids = list(of)
            if number > 1:  # else the order would change rounding and nothing else
                np.random.default_rng([self.seed, step, epoch]).shuffle(uids)
            chosen += [[i for uid in uids[k::number] for i in of[uid]] for k in range(number)]
        return chosen

    def _step(
        self, rows: Sequence[Row], recipe: Recipe, progress: StepProgress, factor: float,
        scalars: dict[str, float], scale: float,
    ) -> dict[str, float]:  # fmt: skip
        """Take one optimizer step on the loss multiplied by `scale`; return its metrics."""
        packs = self._packs(rows, "span:trajectory" in recipe.requirements)
        for _ in range(recipe.rounds):
            scalars = {**scalars, **self.gradient.measure(packs, recipe, scalars)}
        found: dict[str, float] = {}
        if "probe" in recipe.requirements:
            found["probe_norm"] = self._probe_norm(packs, recipe, scalars, scale)
            scalars = {**scalars, **found}
        metrics = self.gradient.add(packs, recipe, scalars, scale)
        lr_scale = recipe.lr_scale(scalars)
        if lr_scale is not None:
            found["lr_scale"] = lr_scale
        return {**metrics, **found, **self._move(progress, factor * found.get("lr_scale", 1.0))}

    def _move(self, progress: StepProgress, factor: float) -> dict[str, float]:
        """Update the weights; in the first `pretrain_steps` steps those of the critic alone."""
        rate = schedule(self.settings, progress.step, progress.steps) * factor
        norm = self.optimizers.step(0.0 if progress.step < self.pretrain_steps else rate)
        skipped = float(not np.isfinite(norm))
        metrics = {"grad_norm": norm, "optimiser_steps": 1.0, "skipped_steps": skipped}
        if self.critic_optimizers is not None:
            rate = schedule(self.critic_optimizers.settings, progress.step, progress.steps)
            metrics["critic_grad_norm"] = self.critic_optimizers.step(rate)
        return metrics

    def _probe_norm(
        self, packs: Sequence[Pack], recipe: Recipe, scalars: dict[str, float], scale: float
    ) -> float:
        """Return the norm of the gradient of the recipe's probe, and drop that gradient."""
        self.gradient.add_probe(packs, recipe, scalars, scale)
        norm = self.optimizers.norm()
        self.optimizers.clear()
        if self.critic_optimizers is not None:
            self.critic_optimizers.clear()
        return norm

    def _packs(self, rows: Sequence[Row], together: bool) -> list[Pack]:
        """Return the micro-batches of this process."""
        planned = plan(rows, self.settings.micro_tokens, together, self.processes)
        own = planned[self.accelerator.process_index :: self.processes]
        return [pack(rows, chosen, self.device) for chosen in own]

    # Without gradient
    # ----------------------------------------------------------------------------------------------

    def logprobs(
        self, rows: Sequence[Row], entropies: bool = False, reference: bool = False
    ) -> tuple[list[Floats], list[Floats]]:
        """Compute log-probabilities, and entropies when asked (otherwise []).

        Returns:
            For every row, [T] with values at policy tokens and 0 elsewhere.

        Raises:
            ConfigError: for the reference of a learner that keeps none.
        """
        if reference and self.reference is None:
            raise ConfigError("this learner has no reference model: make it with reference=True")
        logp = [np.zeros(len(row.ids)) for row in rows]
        entropy = [np.zeros(len(row.ids)) for row in rows] if entropies else []
        self.model.eval()
        # Not divided among processes: every process has all rows and needs all results.
        policy, adapters_off = self.policy, nullcontext()
        if reference:
            policy = self.reference
            adapters_off = getattr(self.model, "disable_adapter", nullcontext)()
        with torch.no_grad(), adapters_off:
            for chosen in plan(rows, self.settings.micro_tokens):
                piece = pack(rows, chosen, self.device)
                scores = policy(piece, entropies)
                _scatter(rows, piece, scores.logp, logp)
                if entropies:
                    _scatter(rows, piece, scores.entropy, entropy)
        return logp, entropy

    def values(self, rows: Sequence[Row]) -> list[Floats]:
        """Compute the critic's values: for every row, [T] with 0 at tokens not of the policy.

        Raises:
            ConfigError: without a critic.
        """
        if self.critic is None:
            raise ConfigError("this learner has no critic: make it with critic=CriticSection(...)")
        found = [np.zeros(len(row.ids)) for row in rows]
        self.model.eval()
        with torch.no_grad():
            for chosen in plan(rows, self.settings.micro_tokens):
                piece = pack(rows, chosen, self.device)
                _scatter(rows, piece, self.policy(piece, False, True).value, found)
        return found

    def _reference(self, temperature: float, autocast: bool) -> Policy:
        model = self.model
        if not hasattr(model, "disable_adapter"):
            model = copy.deepcopy(model).requires_grad_(False).eval()
        return Policy(model, temperature, autocast)

    def _with_old_logprobs(self, rows: Sequence[Row]) -> list[Row]:
        old, _ = self.logprobs(rows)
        return [
            replace(row, streams={**row.streams, "old_logp": values})
            for row, values in zip(rows, old, strict=True)
        ]

    # State
    # ----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs besides the weights of the policy."""
        own: dict[str, Any] = {"optimisers": self.optimizers.state()}
        if self.critic is not None and self.critic_optimizers is not None:
            own["critic"] = self.critic.state_dict()
            own["critic_optimisers"] = self.critic_optimizers.state()
        return own

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.optimizers.load(state["optimisers"])
        if self.critic is not None and self.critic_optimizers is not None:
            self.critic.load_state_dict(state["critic"])
            self.critic_optimizers.load(state["critic_optimisers"])


def disable_dropout(model: nn.Module) -> None:
    """Set dropout to 0: ratios compare the learner's probabilities with the engine's."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0


def _averaged(sums: dict[str, float], share: float) -> dict[str, float]:
    """Average metrics over optimizer steps, and those over token weights over `share` of them."""
    steps = max(1.0, sums.get("optimiser_steps", 1.0))
    metrics = {name: v if name in SUMMED_METRICS else v / steps for name, v in sums.items()}
    plain = (*SUMMED_METRICS, *UNWEIGHTED_METRICS)
    return {name: value if name in plain else value / share for name, value in metrics.items()}


def _scatter(
    rows: Sequence[Row], piece: Pack, values: torch.Tensor | None, into: list[Floats]
) -> None:
    """Write the values [N] of a pack to the policy tokens of its rows."""
    assert values is not None
    counts = [int(rows[i].mask.sum()) for i in piece.rows]
    for i, part in zip(piece.rows, values.float().cpu().split(counts), strict=True):
        into[i][rows[i].mask] = part.numpy()
