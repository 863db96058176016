"""Two processes make the step that one makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.made_training import qwen
from turnwise.algorithms import recipe_names

HERE = Path(__file__).parent
ATOL = 1e-5
"""Of a weight after two steps of AdamW at 1e-3: a hundredth of what one step may move it."""


def update(out: Path, processes: int, what: str) -> dict[str, Any]:
    launch = (
        ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
        if processes > 1
        else []
    )
    command = [sys.executable, *launch, str(HERE / "two_processes.py"), str(out), what]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}",
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(out, weights_only=True)


def same_step(one: dict[str, Any], two: dict[str, Any], atol: float) -> None:
    """Equal weights and metrics."""
    assert one["weights"].keys() == two["weights"].keys()
    for name, value in one["weights"].items():
        assert torch.allclose(value, two["weights"][name], rtol=0, atol=atol), name
    metrics = [json.loads(each["metrics"]) for each in (one, two)]
    assert metrics[0].keys() == metrics[1].keys()
    for name, value in metrics[0].items():
        assert metrics[1][name] == pytest.approx(value, rel=1e-4, abs=1e-6), name


@pytest.mark.slow
@pytest.mark.parametrize("mini_batches", [1, 2])
def test_two_processes_make_the_same_step(tmp_path: Path, mini_batches: int) -> None:
    one, two = (update(tmp_path / f"{n}.pt", n, str(mini_batches)) for n in (1, 2))
    assert (one["processes"], two["processes"]) == (1, 2)
    same_step(one, two, ATOL)


@pytest.fixture(scope="module")
def updates(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """An update of every recipe on one process and on two; the processes are started once."""
    directory = tmp_path_factory.mktemp("updates")
    one, two = (update(directory / f"{n}.pt", n, "recipes") for n in (1, 2))
    assert (one["processes"], two["processes"]) == (1, 2)
    return one["recipes"], two["recipes"]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*recipe_names(), "dr_mas, a model of each role"])
def test_every_recipe_makes_the_same_step(
    updates: tuple[dict[str, Any], dict[str, Any]], name: str
) -> None:
    one, two = (each[name] for each in updates)
    assert one["trajectories"] == two["trajectories"]
    same_step(one, two, ATOL)
    start = (
        qwen().state_dict()
        if "," not in name
        else {f"solver.{key}": value for key, value in qwen(1).state_dict().items()}
    )
    moved = max(float((one["weights"][key] - value).abs().max()) for key, value in start.items())
    assert moved > 10 * ATOL, "nothing was learned, so nothing was compared"


@pytest.mark.slow
def test_every_recipe_is_there(updates: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert set(updates[0]) == set(updates[1]) == {*recipe_names(), "dr_mas, a model of each role"}
    values = {
        name
        for name, made in updates[0].items()
        if any(key.startswith("critic.") for key in made["weights"])
    }
    assert {"ppo", "turn_ppo", "s_ppo", "st_ppo"} <= values
