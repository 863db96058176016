"""Checkpoints restore everything, and damaged ones are errors."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.made_training import batch_of_rows, qwen
from turnwise.algorithms import recipe
from turnwise.errors import DataError
from turnwise.training import checkpoint
from turnwise.training.checkpoint import TrainState
from turnwise.training.config import Optimiser
from turnwise.training.learner import Learner


def trained(seed: int = 0) -> Learner:
    learner = Learner(qwen(seed), Optimiser(name="muon"))
    learner.update(batch_of_rows([9, 14]), recipe("grpo"))
    return learner


def test_round_trip_of_weights_optimiser_and_random_states(tmp_path: Path) -> None:
    learner = trained()
    saved = checkpoint.save(
        tmp_path, learner, TrainState(7, {3: (2, 0.5), "task": (1, 1.0)}), keep=2
    )
    drawn = (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random())
    other = Learner(qwen(9), Optimiser(name="muon"))
    assert checkpoint.load(saved, other) == TrainState(7, {3: (2, 0.5), "task": (1, 1.0)})
    assert (torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()) == drawn
    for one in (learner, other):
        one.update(batch_of_rows([20, 8]), recipe("grpo"))
    assert all(
        torch.equal(a, b)
        for a, b in zip(learner.model.parameters(), other.model.parameters(), strict=True)
    )


def test_what_a_controller_and_a_sampler_remember_is_kept(tmp_path: Path) -> None:
    progress = TrainState(2, {"task": (8.2, 0.56)}, {"epo_sum:0": 1.5, "epo_count:0": 3.0})
    assert (
        checkpoint.load(checkpoint.save(tmp_path, trained(), progress, keep=1), trained(1))
        == progress
    )


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    learner = trained()
    for step in (1, 2, 10):
        checkpoint.save(tmp_path, learner, TrainState(step, {}), keep=2)
    assert [path.name for path in checkpoint.complete(tmp_path)] == ["step-000002", "step-000010"]


def test_what_is_half_written_is_not_found(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, trained(), TrainState(1, {}), keep=2)
    (tmp_path / ".step-000002.part").mkdir()
    (tmp_path / ".step-000002.part" / "progress.json").write_text("{}", encoding="utf8")
    (tmp_path / "step-000003").mkdir()
    assert [path.name for path in checkpoint.complete(tmp_path)] == ["step-000001"]


def test_another_model_is_refused(tmp_path: Path) -> None:
    saved = checkpoint.save(tmp_path, trained(), TrainState(1, {}), keep=1)
    other = Learner(qwen(hidden_size=32), Optimiser(name="muon"))
    with pytest.raises(DataError, match="checkpoint of another model") as found:
        checkpoint.load(saved, other)
    assert "Qwen3ForCausalLM with" in str(found.value) and "\n" not in str(found.value)


def test_damage_and_versions_are_named(tmp_path: Path) -> None:
    learner = trained()
    saved = checkpoint.save(tmp_path, learner, TrainState(1, {}), keep=1)
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


@pytest.mark.parametrize("name", ["optimiser.pt", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["garbage", "cut", "overwritten", "absent"])
def test_any_damage_is_one_sentence(tmp_path: Path, name: str, damage: str) -> None:
    learner = trained()
    file = checkpoint.save(tmp_path, learner, TrainState(1, {}), keep=1) / name
    whole = file.read_bytes()
    if damage == "absent":
        file.unlink()
    else:
        cut = {
            "garbage": b"garbage bytes",
            "cut": whole[: len(whole) // 3],
            "overwritten": b"\xff" * 400 + whole[400:],
        }
        file.write_bytes(cut[damage])
    with pytest.raises(DataError, match="is damaged") as found:
        checkpoint.load(file.parent, learner)
    assert "\n" not in str(found.value) and len(str(found.value)) < 400


def test_a_progress_file_of_something_else(tmp_path: Path) -> None:
    learner = trained()
    saved = checkpoint.save(tmp_path, learner, TrainState(1, {}), keep=1)
    (saved / "progress.json").write_text("[]", encoding="utf8")
    with pytest.raises(DataError, match="is damaged"):
        checkpoint.load(saved, learner)


def test_frozen_weights_are_neither_saved_nor_asked_for(tmp_path: Path) -> None:
    model = qwen()
    model.model.layers[0].requires_grad_(False)
    saved = checkpoint.save(tmp_path, Learner(model), TrainState(1, {}), keep=1)
    other = qwen(3)
    other.model.layers[0].requires_grad_(False)
    own = other.model.layers[0].mlp.up_proj.weight.clone()
    checkpoint.load(saved, Learner(other))
    assert torch.equal(other.model.layers[0].mlp.up_proj.weight, own)
    assert torch.equal(
        other.model.layers[1].mlp.up_proj.weight, model.model.layers[1].mlp.up_proj.weight
    )
    with pytest.raises(DataError, match="another model"):
        checkpoint.load(saved, Learner(qwen()))


def test_a_checkpoint_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    learner = trained()
    for history in ({1: (1, 0.0)}, {1: (2, 1.0)}):
        saved = checkpoint.save(tmp_path, learner, TrainState(5, history), keep=2)
    assert checkpoint.load(saved, learner).history == {1: (2, 1.0)}
    assert [path.name for path in tmp_path.iterdir()] == ["step-000005"]
