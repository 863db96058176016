"""A run that is killed at any moment and started again ends with the same weights, to the bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training.made_training import small_config
from turnwise.errors import TurnwiseError
from turnwise.records import read_jsonl
from turnwise.training import loop
from turnwise.training.config import Config
from turnwise.training.gradient import Gradient
from turnwise.training.loop import Interrupted, train
from turnwise.training.run_folder import read_metrics

HERE = Path(__file__).parent
TIMED = ("seconds", "per_second")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def steps_of(folder: Path) -> list[dict[str, float]]:
    """The metrics, without what the clock says."""
    return [
        {k: v for k, v in line.items() if not k.endswith(TIMED)} for line in read_metrics(folder)
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody disturbed."""
    return train(small_config(tmp_path_factory.mktemp("whole")))


def check(folder: Path, whole: Path) -> None:
    wanted, found = weights(whole), weights(folder)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert steps_of(folder) == steps_of(whole)
    for name in ("before", "after", "step-000004"):
        one, two = (list(read_jsonl(f / "trajectories" / f"{name}.jsonl")) for f in (folder, whole))
        assert [[t.completion_ids for t in e.turns] for e in one] == [
            [t.completion_ids for t in e.turns] for e in two
        ]


def killed(config: Config, directory: Path, point: str, number: int) -> None:
    """Start the run in a process that kills itself at that point."""
    path = directory / "config.json"
    path.write_text(json.dumps(config.model_dump(mode="json")), encoding="utf8")
    command = [sys.executable, str(HERE / "killed.py"), str(path), point, str(number)]
    environment = {**os.environ, "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == -signal.SIGKILL, (
        f"{point} {number}: {done.stdout[-500:]} {done.stderr[-2000:]}"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "number"),
    [
        ("warm start", 2),
        ("evaluation", 1),
        ("rollouts", 3),
        ("update", 4),
        ("metrics", 3),
        ("inside a checkpoint", 2),
        ("before the rename", 4),
        ("after the rename", 4),
        ("evaluation", 2),
    ],
)
def test_sigkill_anywhere(tmp_path: Path, whole: Path, point: str, number: int) -> None:
    config = small_config(tmp_path)
    killed(config, tmp_path, point, number)
    check(train(config), whole)


def test_ctrl_c_in_the_middle_of_a_step(
    tmp_path: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice, once in the rollouts and once in an update: each leaves a whole folder and says how to
    go on.
    """
    config = small_config(tmp_path)
    for owner, name, number in ((loop, "collect", 2), (Gradient, "_loss", 2)):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, interrupting(getattr(owner, name), number))
            with pytest.raises(Interrupted, match="the same command resumes") as found:
                train(config)
            assert isinstance(found.value, TurnwiseError) and "\n" not in str(found.value)
    check(train(config), whole)


def interrupting(function: Any, number: int) -> Any:
    calls = [0]

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    return wrapped


def test_training_a_finished_run_again_changes_nothing(whole: Path) -> None:
    before = weights(whole)
    lines = steps_of(whole)
    train(small_config(whole.parent))
    assert steps_of(whole) == lines
    assert all(torch.equal(value, before[name]) for name, value in weights(whole).items())
