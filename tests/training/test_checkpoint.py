"""A checkpoint brings everything back, and says what is wrong with one that cannot."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from made_training import batch_of_rows, qwen

from turnwise.algorithms import recipe
from turnwise.errors import DataError
from turnwise.training import checkpoint
from turnwise.training.checkpoint import Progress
from turnwise.training.config import Optimiser
from turnwise.training.learner import Learner


def trained(seed: int = 0) -> Learner:
    learner = Learner(qwen(seed), Optimiser(name="muon"))
    learner.update(batch_of_rows([9, 14]), recipe("grpo"))
    return learner


def test_round_trip_of_weights_optimiser_and_random_states(tmp_path: Path) -> None:
    learner = trained()
    saved = checkpoint.save(tmp_path, learner, Progress(7, {3: (2, 0.5), "task": (1, 1.0)}), keep=2)
    drawn = (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random())
    other = Learner(qwen(9), Optimiser(name="muon"))
    assert checkpoint.load(saved, other) == Progress(7, {3: (2, 0.5), "task": (1, 1.0)})
    assert (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()) == drawn
    for one in (learner, other):
        one.update(batch_of_rows([20, 8]), recipe("grpo"))
    assert all(torch.equal(a, b) for a, b in zip(learner.model.parameters(), other.model.parameters(), strict=True))


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    learner = trained()
    for step in (1, 2, 10):
        checkpoint.save(tmp_path, learner, Progress(step, {}), keep=2)
    assert [path.name for path in checkpoint.found(tmp_path)] == ["step-000002", "step-000010"]


def test_what_is_half_written_is_not_found(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, trained(), Progress(1, {}), keep=2)
    (tmp_path / ".step-000002.part").mkdir()
    (tmp_path / ".step-000002.part" / "progress.json").write_text("{}", encoding="utf8")
    (tmp_path / "step-000003").mkdir()
    assert [path.name for path in checkpoint.found(tmp_path)] == ["step-000001"]


def test_another_model_is_refused(tmp_path: Path) -> None:
    saved = checkpoint.save(tmp_path, trained(), Progress(1, {}), keep=1)
    other = Learner(qwen(hidden_size=32), Optimiser(name="muon"))
    with pytest.raises(DataError, match="checkpoint of another model") as found:
        checkpoint.load(saved, other)
    assert "Qwen3ForCausalLM with" in str(found.value) and "\n" not in str(found.value)


def test_damage_and_versions_are_named(tmp_path: Path) -> None:
    learner = trained()
    saved = checkpoint.save(tmp_path, learner, Progress(1, {}), keep=1)
    whole = (saved / "weights.safetensors").read_bytes()
    (saved / "weights.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="is damaged"):
        checkpoint.load(saved, learner)
    (saved / "weights.safetensors").write_bytes(whole)
    (saved / "optimiser.pt").write_bytes(b"")
    with pytest.raises(DataError, match="is damaged"):
        checkpoint.load(saved, learner)
    facts = json.loads((saved / "progress.json").read_text())
    (saved / "progress.json").write_text(json.dumps({**facts, "version": 99}))
    with pytest.raises(DataError, match="version 99"):
        checkpoint.load(saved, learner)
