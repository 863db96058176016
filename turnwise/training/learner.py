"""The learner: rows and a recipe in, moved weights and metrics out. The only file that knows
accelerate.

Weights of tokens sum to one over the global batch when they leave the credit plane, so
micro-batches are plain sums: their gradients add up to the batch's, however the rows were cut.
Across processes DDP averages gradients, so the loss is multiplied by the number of processes.
Nothing here knows an algorithm; what one needs it says in `requirements`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn

from turnwise.algorithms import Batch, Recipe
from turnwise.errors import ConfigError
from turnwise.records import Floats, Row
from turnwise.training.attention import row_attention
from turnwise.training.config import CriticSection, Optimiser
from turnwise.training.critic import Critic
from turnwise.training.forward import Policy, Scored
from turnwise.training.optimiser import OptimizerGroup, schedule
from turnwise.training.packing import Pack, pack, plan

VALUES = {"value", "precomputed:value"}
"""Needs that ask for a critic."""
SUMS = ("policy_loss", "grad_norm", "critic_grad_norm", "probe_norm", "engine_gap", "pace")
"""Metrics that are no means over the token weights."""


@dataclass(frozen=True, slots=True)
class StepProgress:
    """Where an update stands in its run, for the schedule: step `step` (from 0) of `steps`."""

    step: int = 0
    steps: int = 1


class Learner:
    """Trains a causal language model in place; an engine may share it.

    Args:
        model: a transformers causal language model, on the device it is to be trained on.
        settings: how weights move.
        temperature: the sampling temperature, which the learner's logits are divided by as the
        engine's were.
        autocast: matrix products in bfloat16.
        gradient_checkpointing: compute activations again in the backward pass.
        seed: of the order of mini-batches.
        reference: keep the model as it is now, for `logprobs(reference=True)`; with adapters that
        is the model without them.
        critic: the settings of a value model, for recipes that want one.

    Raises:
        ConfigError: when no weight is trainable.
    """

    def __init__(
        self, model: nn.Module, settings: Optimiser | None = None, *, temperature: float = 1.0, autocast: bool = False,
        gradient_checkpointing: bool = False, seed: int = 0, reference: bool = False,
        critic: CriticSection | None = None,
    ) -> None:  # fmt: skip
        self.model = model
        self.settings = settings or Optimiser()
        self.device = next(model.parameters()).device
        self.accelerator = Accelerator(cpu=self.device.type == "cpu", device_placement=False)
        self.seed = seed
        if gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        without_dropout(model)
        self.reference = self._reference(temperature, autocast) if reference else None
        self.critic = Critic(model, critic.kind) if critic is not None else None
        self.pretrain = critic.pretrain_steps if critic is not None else 0
        self.policy: Any = self.accelerator.prepare_model(
            Policy(model, temperature, autocast, self.critic)
        )
        self.mover = OptimizerGroup(model, self.settings)
        self.critic_mover = (
            OptimizerGroup(self.critic, critic.optimiser)
            if self.critic is not None and critic is not None
            else None
        )

    @property
    def processes(self) -> int:
        return int(self.accelerator.num_processes)

    def all_sum(self, array: Floats) -> Floats:
        """Add a float64 array over all processes."""
        if self.processes == 1:
            return array
        total: torch.Tensor = self.accelerator.reduce(
            torch.from_numpy(array).to(self.device), "sum"
        )
        return np.asarray(total.cpu().numpy())

    def _agreed(self, sums: Mapping[str, float]) -> list[str]:
        """The names that any process has a sum for; one that had no rows has none."""
        return sorted(set(gather_object(list(sums)))) if self.processes > 1 else sorted(sums)

    # Training
    # -----------------------------------------------------------------------------------------------------

    def update(
        self, rows: Sequence[Row], recipe: Recipe, when: StepProgress | None = None, factor: float = 1.0,
        scalars: dict[str, float] | None = None, after: Callable[[], None] | None = None,
    ) -> dict[str, float]:  # fmt: skip
        """Train on the rows of one batch.

        Args:
            rows: of the whole batch, the same on every process, with the streams `logprob`,
                `advantage`, `weight`, whatever else the recipe wrote, and `ref_logp` when it
                requires that.
            when: for the learning rate's schedule.
            factor: multiplies the learning rate (a controller's).
            scalars: put into `Batch.scalars` (a controller's).
            after: called after each optimiser step, for a progress bar.

        Returns:
            The recipe's metrics, averaged over optimiser steps; `grad_norm`, `learning_rate`
            (AdamW's), `tokens` (trained on, prompts included), `optimiser_steps`, `skipped_steps`
            (gradient not finite), and `engine_gap`: the mean absolute difference of the
            log-probabilities of the engine and of the learner before it moved.

        Raises:
            ConfigError: for a recipe that needs what this learner does not have.
        """
        if recipe.requirements & VALUES and self.critic is None:
            raise ConfigError(
                f"recipe {recipe.name!r} requires a critic, which this learner was made without: give critic="
            )
        when = when or StepProgress()
        rows, share = self._worth(rows, recipe)
        parts = self.settings.mini_batches * self.settings.epochs
        rows = (
            self._with_old(rows) if parts > 1 and self.settings.old_logprobs == "learner" else rows
        )
        rate = schedule(self.settings, when.step, when.steps) * factor
        sums: dict[str, float] = {}
        self.model.train()
        pieces = self._mini_batches(rows, when.step)
        # A mini-batch holds a share of the weights; its step should be as long as if it held them
        # all.
        scale = float(len(pieces) // self.settings.epochs)
        for chosen in pieces:
            for name, value in self._step(
                [rows[i] for i in chosen], recipe, when, factor, scalars or {}, scale
            ).items():
                sums[name] = sums.get(name, 0.0) + value
            if after is not None:
                after()
        self.model.eval()
        totals = ("tokens", "optimiser_steps", "skipped_steps")
        steps = max(1.0, sums.get("optimiser_steps", 1.0))
        metrics = {name: value if name in totals else value / steps for name, value in sums.items()}
        # The recipe's means are sums over weights, of which the rows left out had a share.
        metrics = {
            name: value if name in (*totals, *SUMS) else value / share
            for name, value in metrics.items()
        }
        return {
            "tokens": 0.0,
            "optimiser_steps": 0.0,
            **metrics,
            "learning_rate": self.settings.lr * rate,
        }

    def _worth(self, rows: Sequence[Row], recipe: Recipe) -> tuple[Sequence[Row], float]:
        """The rows that can move a weight, and the share of the token weights they hold.

        A trajectory whose every advantage is 0 (all of its group earned the same) adds nothing to
        any surrogate, so where the loss has no other part its forward and backward are spared.
        """
        if (
            not self.settings.skip_zero_advantage
            or recipe.regularisers
            or recipe.critic
            or "measure" in recipe.requirements
        ):
            return rows, 1.0
        worth = {row.trajectory for row in rows if row.streams["advantage"].any()}
        kept = [row for row in rows if row.trajectory in worth]
        total, held = (
            sum(float(np.abs(row.streams["weight"]).sum()) for row in some) for some in (rows, kept)
        )
        share = self.all_sum(np.array([held, total]))
        return kept, float(share[0] / share[1]) if share[0] else 1.0

    def _mini_batches(self, rows: Sequence[Row], step: int) -> list[list[int]]:
        """Row indices of each optimiser step: trajectories are shuffled and divided, never cut."""
        of: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            of.setdefault(row.trajectory, []).append(i)
        number = min(self.settings.mini_batches, len(of))
        chosen: list[list[int]] = []
        for epoch in range(self.settings.epochs):
            uids = list(of)
            if number > 1:
                np.random.default_rng([self.seed, step, epoch]).shuffle(uids)
            chosen += [[i for uid in uids[k::number] for i in of[uid]] for k in range(number)]
        return chosen

    def _step(
        self, rows: Sequence[Row], recipe: Recipe, when: StepProgress, factor: float, scalars: dict[str, float], scale: float
    ) -> dict[str, float]:  # fmt: skip
        """One optimiser step, its loss multiplied by `scale`."""
        packs = self._packs(rows, "span:trajectory" in recipe.requirements)
        scale *= self.processes  # DDP averages gradients
        for _ in range(recipe.rounds):
            scalars = {**scalars, **self._measured(packs, recipe, scalars)}
        if "probe" in recipe.requirements:
            scalars = {**scalars, "probe_norm": self._probed(packs, recipe, scalars, scale)}
        sums: dict[str, float] = {}
        for last, piece in _with_last(packs):
            unsynced = (
                nullcontext()
                if last or self.processes == 1
                else self.accelerator.no_sync(self.policy)
            )
            with (
                unsynced,
                row_attention(self.model),
            ):  # open until the backward pass, which may compute activations again
                loss, metrics, gap = self._loss(piece, recipe, scalars)
                self.accelerator.backward(loss * scale)
            for name, value in metrics.items():
                sums[name] = sums.get(name, 0.0) + float(value) * scale / self.processes
            sums["engine_gap"] = sums.get("engine_gap", 0.0) + gap
        pace = recipe.lr_scale(scalars)
        moved = self._move(when, factor * (1.0 if pace is None else pace)) | (
            {} if pace is None else {"pace": pace}
        )
        if "probe_norm" in scalars:
            moved["probe_norm"] = scalars["probe_norm"]
        keys = self._agreed(sums)
        counts = [
            float(sum(len(p.ids) for p in packs if p.rows)),
            float(sum(len(p.target) for p in packs)),
        ]
        totals = self.all_sum(np.array([*(sums.get(k, 0.0) for k in keys), *counts]))
        result = dict(zip(keys, map(float, totals[:-2]), strict=True))
        result["engine_gap"] /= max(1.0, float(totals[-1]))
        return {**result, **moved, "tokens": float(totals[-2])}

    def _move(self, when: StepProgress, factor: float) -> dict[str, float]:
        """Move the weights; in the steps before `pretrain`, the critic's alone."""
        waits = when.step < self.pretrain
        norm = self.mover.step(
            0.0 if waits else schedule(self.settings, when.step, when.steps) * factor
        )
        moved = {
            "grad_norm": norm,
            "optimiser_steps": 1.0,
            "skipped_steps": float(not np.isfinite(norm)),
        }
        if self.critic_mover is not None:
            moved["critic_grad_norm"] = self.critic_mover.step(
                schedule(self.critic_mover.settings, when.step, when.steps)
            )
        return moved

    def _loss(
        self, piece: Pack, recipe: Recipe, scalars: dict[str, float]
    ) -> tuple[torch.Tensor, dict[str, Any], float]:
        """Loss and metrics of a micro-batch, and the sum of |old - engine| log-probabilities over
        its tokens.
        """
        scored = self._scored(piece, recipe)
        if not len(piece.target):
            return (
                scored.logp.sum() + (scored.value.sum() if scored.value is not None else 0.0),
                {},
                0.0,
            )
        batch = as_batch(piece, scored, scalars)
        return *recipe.loss(batch), float((batch.old_logp - batch.rollout_logp).abs().sum())

    def _scored(self, piece: Pack, recipe: Recipe) -> Scored:
        return cast(
            Scored,
            self.policy(piece, "entropy" in recipe.requirements, "value" in recipe.requirements),
        )

    def _probed(
        self, packs: Sequence[Pack], recipe: Recipe, scalars: dict[str, float], scale: float
    ) -> float:
        """Norm of the gradient of the recipe's probe over a mini-batch; the gradients are forgotten
        again.
        """
        for last, piece in _with_last(packs):
            unsynced = (
                nullcontext()
                if last or self.processes == 1
                else self.accelerator.no_sync(self.policy)
            )
            with unsynced, row_attention(self.model):
                scored = self._scored(piece, recipe)
                empty = scored.logp.sum() * 0.0 + (
                    scored.value.sum() * 0.0 if scored.value is not None else 0.0
                )
                probe = recipe.probe(as_batch(piece, scored, scalars)) if len(piece.target) else 0.0
                self.accelerator.backward((probe + empty) * scale)
        norm = self.mover.norm()
        self.mover.clear()
        if self.critic_mover is not None:
            self.critic_mover.clear()
        return norm

    def _measured(
        self, packs: Sequence[Pack], recipe: Recipe, scalars: dict[str, float]
    ) -> dict[str, float]:
        sums: dict[str, float] = {}
        with torch.no_grad():
            for piece in packs:
                scored = self._scored(piece, recipe)
                for name, value in (
                    recipe.measure(as_batch(piece, scored, scalars)).items()
                    if len(piece.target)
                    else ()
                ):
                    sums[name] = sums.get(name, 0.0) + float(value)
        keys = self._agreed(sums)
        return dict(
            zip(
                keys,
                map(float, self.all_sum(np.array([sums.get(k, 0.0) for k in keys]))),
                strict=True,
            )
        )

    def _packs(self, rows: Sequence[Row], together: bool) -> list[Pack]:
        return [
            pack(rows, chosen, self.device)
            for chosen in plan(rows, self.settings.micro_tokens, together, self.processes)[
                self.accelerator.process_index :: self.processes
            ]
        ]

    # Without gradient
    # ---------------------------------------------------------------------------------------------

    def logprobs(
        self, rows: Sequence[Row], entropies: bool = False, reference: bool = False
    ) -> tuple[list[Floats], list[Floats]]:
        """Log-probabilities of every row's policy tokens, [T] each with 0 elsewhere, and entropies
        likewise (or []).

        Raises:
            ConfigError: for the reference of a learner that keeps none.
        """
        if reference and self.reference is None:
            raise ConfigError("this learner keeps no reference: make it with reference=True")
        logp = [np.zeros(len(row.ids)) for row in rows]
        wide = [np.zeros(len(row.ids)) for row in rows] if entropies else []
        self.model.eval()
        policy, plain = self.policy, nullcontext()
        if reference:
            policy, plain = self.reference, getattr(self.model, "disable_adapter", nullcontext)()
        with torch.no_grad(), plain:
            for chosen in plan(rows, self.settings.micro_tokens):
                piece = pack(rows, chosen, self.device)
                found = policy(piece, entropies)
                _place(rows, piece, found.logp, logp)
                if entropies:
                    _place(rows, piece, found.entropy, wide)
        return logp, wide

    def values(self, rows: Sequence[Row]) -> list[Floats]:
        """The critic's values of every row's policy tokens, [T] each with 0 elsewhere. Raises
        `ConfigError` without a critic.
        """
        if self.critic is None:
            raise ConfigError("this learner has no critic: make it with critic=CriticSection(...)")
        found = [np.zeros(len(row.ids)) for row in rows]
        self.model.eval()
        with torch.no_grad():
            for chosen in plan(rows, self.settings.micro_tokens):
                piece = pack(rows, chosen, self.device)
                _place(rows, piece, self.policy(piece, False, True).value, found)
        return found

    def _reference(self, temperature: float, autocast: bool) -> Policy:
        model = (
            self.model
            if hasattr(self.model, "disable_adapter")
            else copy.deepcopy(self.model).requires_grad_(False).eval()
        )
        return Policy(model, temperature, autocast)

    def _with_old(self, rows: Sequence[Row]) -> list[Row]:
        old, _ = self.logprobs(rows)
        return [
            replace(row, streams={**row.streams, "old_logp": values})
            for row, values in zip(rows, old, strict=True)
        ]

    # State
    # --------------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs beside the weights."""
        own: dict[str, Any] = {"optimisers": self.mover.state()}
        if self.critic is not None and self.critic_mover is not None:
            own |= {
                "critic": self.critic.state_dict(),
                "critic_optimisers": self.critic_mover.state(),
            }
        return own

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        self.mover.load(state["optimisers"])
        if self.critic is not None and self.critic_mover is not None:
            self.critic.load_state_dict(state["critic"])
            self.critic_mover.load(state["critic_optimisers"])


def as_batch(piece: Pack, scored: Scored, scalars: dict[str, float]) -> Batch:
    """A pack and what the forward pass says of it, as the loss plane reads them.

    Rows without `old_logp` are those of an update with one step: the old policy is then the current
    one.
    """
    streams, logp = dict(piece.streams), scored.logp
    rollout = streams.pop("logprob", None)
    return Batch(
        logp=logp, old_logp=streams.pop("old_logp", logp.detach()), rollout_logp=rollout if rollout is not None else logp.detach(),
        turn=piece.turn, trajectory=piece.trajectory, streams=streams, ref_logp=streams.get("ref_logp"), entropy=scored.entropy,
        value=scored.value, scalars=scalars,
    )  # fmt: skip


def without_dropout(model: nn.Module) -> None:
    """Ratios compare the learner's probabilities with the engine's, and neither may be random."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(getattr(module, "attention_dropout", None), float):
            module.attention_dropout = 0.0


def _place(
    rows: Sequence[Row], piece: Pack, values: torch.Tensor | None, into: list[Floats]
) -> None:
    assert values is not None
    counts = [int(rows[i].mask.sum()) for i in piece.rows]
    for i, part in zip(piece.rows, values.float().cpu().split(counts), strict=True):
        into[i][rows[i].mask] = part.numpy()


def _with_last(packs: Sequence[Pack]) -> list[tuple[bool, Pack]]:
    return [(k == len(packs) - 1, piece) for k, piece in enumerate(packs)]
