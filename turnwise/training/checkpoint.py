"""Checkpoints of a run: one directory each, complete or absent.

`weights.safetensors`, `optimiser.pt` (the learner's state and the random states of torch, numpy and
Python) and `progress.json` (step, sampler history, controller memory, shapes of the model).
Everything else in a step is derived from the run's seed and the number of the step, so a resumed
run makes the same steps again.
"""

from __future__ import annotations

import ast
import json
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from turnwise.errors import DataError
from turnwise.records import TaskId
from turnwise.training.learner_team import AnyLearner
from turnwise.training.run_folder import read_json, write_directory_atomically

VERSION = 1


@dataclass(frozen=True, slots=True)
class TrainState:
    """State of a run after a step, without that of the learner."""

    step: int = 0
    """Steps done."""
    history: dict[TaskId, tuple[float, float]] = field(default_factory=dict)
    """The sampler's record: task -> (rollouts so far, mean return)."""
    memory: dict[str, float] = field(default_factory=dict)
    """Memory of the recipe's controller, carried from step to step."""


def save(folder: Path, learner: AnyLearner, state: TrainState, keep: int) -> Path:
    """Write `folder/step-N`, remove all but the newest `keep`, and return the new directory."""
    target = folder / f"step-{state.step:06d}"

    def fill(directory: Path) -> None:
        save_file(weights(learner.model), directory / "weights.safetensors")
        saved = {"learner": learner.state(), "random": _random_state()}
        torch.save(saved, directory / "optimiser.pt")
        facts = {
            "version": VERSION,
            "step": state.step,
            "model": shape(learner.model),
            "history": list(state.history.items()),
            "memory": state.memory,
        }
        (directory / "progress.json").write_text(json.dumps(facts), encoding="utf8")

    write_directory_atomically(target, fill)
    for old in complete(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def complete(folder: Path) -> list[Path]:
    """Return the complete checkpoints of a folder, oldest first."""
    return sorted(path for path in folder.glob("step-*") if (path / "progress.json").is_file())


def load(path: Path, learner: AnyLearner) -> TrainState:
    """Restore model, optimizer and random states; return the state of the run.

    Raises:
        DataError: for a checkpoint of another model or version, or a damaged one.
    """
    facts = read_json(path / "progress.json")
    _check(path, facts, learner.model)
    try:
        saved = load_file(path / "weights.safetensors")
        state = torch.load(path / "optimiser.pt", map_location="cpu", weights_only=True)
    except (
        OSError, SafetensorError, RuntimeError, EOFError, ValueError, UnpicklingError,
    ) as problem:  # fmt: skip
        why = str(problem).partition("\n")[0][:120]  # torch adds paragraphs of advice
        raise DataError(
            f"{path} is damaged ({why}): delete it to resume from the checkpoint before"
        ) from problem
    with torch.no_grad():
        for name, weight in weights(learner.model, shared=True).items():
            weight.copy_(saved[name])
    learner.load(state["learner"])
    _restore_random(state["random"])
    return TrainState(
        int(facts["step"]),
        {task: (n, float(mean)) for task, (n, mean) in facts["history"]},
        facts.get("memory", {}),
    )


def _check(path: Path, facts: Any, model: nn.Module) -> None:
    """Raise `DataError` where `progress.json` is damaged, or of another version or model."""
    if not isinstance(facts, dict):
        raise DataError(
            f"{path} is damaged (its progress is no table): delete it to resume from the "
            "checkpoint before"
        )
    if facts.get("version") != VERSION:
        raise DataError(
            f"{path} has version {facts.get('version')!r} and this turnwise reads version {VERSION}"
        )
    if facts["model"] != shape(model):
        raise DataError(
            f"{path} is a checkpoint of another model ({_describe(facts['model'])}, and this one "
            f"has {_describe(shape(model))}): use the config it was made with, or choose another "
            "run.name"
        )


def weights(model: nn.Module, shared: bool = False) -> dict[str, torch.Tensor]:
    """Return the trainable weights by name, tied ones once; as copies unless `shared`."""
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    return {
        name: p.data if shared else p.detach().cpu().contiguous().clone()
        for name, p in named.items()
    }


def shape(model: nn.Module) -> dict[str, Any]:
    """Return the class of a model and the shapes of its trainable weights."""
    kind = type(getattr(model, "get_base_model", lambda: model)()).__name__
    return {
        "kind": kind,
        "weights": {name: list(p.shape) for name, p in model.named_parameters() if p.requires_grad},
    }


def _describe(shape: dict[str, Any]) -> str:
    count = sum(int(np.prod(sizes)) for sizes in shape["weights"].values())
    return f"{shape['kind']} with {count:,} trained weights"


def _random_state() -> dict[str, Any]:
    kind, keys, *rest = np.random.get_state()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": [kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
        "python": repr(random.getstate()),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def _restore_random(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    random.setstate(ast.literal_eval(state["python"]))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
