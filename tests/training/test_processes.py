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

HERE = Path(__file__).parent


def update(out: Path, processes: int, mini_batches: int) -> dict[str, Any]:
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    command = [sys.executable, *launch, str(HERE / "two_processes.py"), str(out), str(mini_batches)]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE}",
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(out, weights_only=True)


@pytest.mark.slow
@pytest.mark.parametrize("mini_batches", [1, 2])
def test_two_processes_make_the_same_step(tmp_path: Path, mini_batches: int) -> None:
    one, two = (update(tmp_path / f"{n}.pt", n, mini_batches) for n in (1, 2))
    assert (one["processes"], two["processes"]) == (1, 2)
    for name, value in one["weights"].items():
        assert torch.allclose(value, two["weights"][name], rtol=0, atol=1e-6), name
    metrics = [json.loads(each["metrics"]) for each in (one, two)]
    assert metrics[0].keys() == metrics[1].keys()
    for name, value in metrics[0].items():
        assert metrics[1][name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
