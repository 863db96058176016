"""A value model in the learner: what it reads, what moves it, and that it goes through a
checkpoint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.made_training import batch_of_rows, qwen
from turnwise.algorithms import Batch, Recipe
from turnwise.algorithms.papers.ppo import recipe
from turnwise.algorithms.papers.st_ppo import CorrectedClip
from turnwise.algorithms.parts.surrogate import Clip, Term
from turnwise.records import Row
from turnwise.training.config import CriticSection, Optimiser
from turnwise.training.learner import Learner, StepProgress

PPO = recipe()


def rows_with_returns(lengths: list[int], target: float = 0.7) -> list[Row]:
    made = batch_of_rows(lengths)
    for row in made:
        own = row.mask.astype(float)
        row.streams.update(returns=target * own, value_old=0 * own, value_mask=own)
    return made


@pytest.mark.parametrize("kind", ["head", "model"])
def test_values_are_learned(kind: Any) -> None:
    rows = rows_with_returns([9, 12, 15])
    settings = CriticSection(kind=kind, optimiser=Optimiser(lr=0.05))
    learner = Learner(qwen(), Optimiser(lr=1e-5), critic=settings)
    before = learner.values(rows)
    assert all(
        not v.any() for v in before
    )  # begins at zero, and where no token is the policy's it stays there
    losses = [
        learner.update(rows, replace(PPO, critic=PPO.critic))["value_loss"] for _ in range(60)
    ]
    after = learner.values(rows)
    assert losses[0] == pytest.approx(0.5 * 0.7**2, abs=1e-6) and losses[-1] < 0.1 * losses[0]
    assert np.mean([v[r.mask].mean() for v, r in zip(after, rows, strict=True)]) == pytest.approx(
        0.7, abs=0.2
    )
    assert all(not v[~r.mask].any() for v, r in zip(after, rows, strict=True))


def test_pretraining_moves_the_critic_alone() -> None:
    rows, model = rows_with_returns([9, 12]), qwen()
    policy = {name: p.detach().clone() for name, p in model.named_parameters()}
    learner = Learner(model, Optimiser(lr=0.1), critic=CriticSection(pretrain_steps=2))
    for step in range(3):
        still = all(torch.equal(p, policy[name]) for name, p in model.named_parameters())
        assert still
        metrics = learner.update(rows, PPO, StepProgress(step, 3))
        assert metrics["critic_grad_norm"] > 0
    assert not all(torch.equal(p, policy[name]) for name, p in model.named_parameters())
    assert any(v.any() for v in learner.values(rows))


def test_a_critic_of_its_own_does_not_touch_the_policy() -> None:
    class Nothing:
        requirements = frozenset[str]()

        def __call__(self, batch: Batch, log_ratio: torch.Tensor) -> Term:
            return Term(batch.logp * 0.0)

    rows = rows_with_returns([9, 12])
    only_values: Recipe = replace(PPO, surrogate=Nothing(), ratio=None)
    for kind, touched in (("model", False), ("head", True)):
        model = qwen()
        policy = {name: p.detach().clone() for name, p in model.named_parameters()}
        learner = Learner(model, Optimiser(lr=0.1), critic=CriticSection(kind=kind))
        for step in range(2):  # the first moves the layer off zero
            learner.update(rows, only_values, StepProgress(step, 2))
        assert touched != all(torch.equal(p, policy[name]) for name, p in model.named_parameters())


@pytest.mark.parametrize("kind", ["head", "model"])
def test_state_brings_the_critic_back(kind: Any) -> None:
    rows = rows_with_returns([9, 12])
    settings = CriticSection(kind=kind)
    one, two = (Learner(qwen(), Optimiser(), critic=settings) for _ in range(2))
    one.update(rows, PPO)
    two.model.load_state_dict(one.model.state_dict())
    two.load(one.state())
    for a, b in zip(one.values(rows), two.values(rows), strict=True):
        assert np.array_equal(a, b)
    assert one.update(rows, PPO) == two.update(rows, PPO)


@pytest.mark.parametrize("micro_tokens", [16, 4096])
def test_the_probe_is_the_norm_of_the_clipping_bias(micro_tokens: int) -> None:
    """Against a backward pass written out, at two sizes of micro-batches."""
    rows = rows_with_returns([9, 12, 15])
    for row in rows:
        row.streams["old_logp"] = np.where(row.mask, -2.0, 0.0)
    corrected = replace(PPO, surrogate=CorrectedClip(Clip(0.01, 0.01), delta=1e-3))
    learner = Learner(qwen(), Optimiser(micro_tokens=micro_tokens, lr=1e-9), critic=CriticSection())
    metrics = learner.update(rows, corrected)
    logp, _ = learner.logprobs(rows)
    model = learner.model
    model.zero_grad()
    total = torch.zeros(())
    for row in rows:
        ids = torch.from_numpy(row.ids)[None]
        every = (
            model(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        )
        at = torch.from_numpy(np.flatnonzero(row.mask))
        new = every[at - 1]
        weight, advantage = (
            torch.from_numpy(row.streams[n][row.mask]).float() for n in ("weight", "advantage")
        )
        w = (new + 2.0).exp()
        clipped = (w.clamp(0.99, 1.01) * advantage < w * advantage).float()
        total = total + (weight * w * advantage * clipped).sum()
    total.backward()
    wanted = float(
        torch.nn.utils.get_total_norm([p.grad for p in model.parameters() if p.grad is not None])
    )
    assert metrics["probe_norm"] == pytest.approx(wanted, rel=1e-3) and wanted > 1e-3
    assert metrics["clip_bias_scale"] == pytest.approx(1e-3 / wanted, rel=1e-3)
    assert len(logp) == 3
