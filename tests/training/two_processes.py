"""One update of the learner, its weights and metrics written to a file. Started by `test_processes.py` on one process or two.

python two_processes.py OUT MINI_BATCHES
"""

from __future__ import annotations

import json
import os
import sys

import torch
from made_training import batch_of_rows, qwen

from turnwise.algorithms import recipe
from turnwise.training.config import Optimiser
from turnwise.training.learner import Learner, Timeline


def main() -> None:
    torch.set_num_threads(1)
    model = qwen()
    learner = Learner(model, Optimiser(lr=1e-6, micro_tokens=40, mini_batches=int(sys.argv[2])), seed=1)
    metrics = learner.update(batch_of_rows([9, 31, 12, 50, 7]), recipe("grpo", entropy_bonus=0.05), Timeline(0, 4))
    if learner.accelerator.is_main_process:
        torch.save({"weights": model.state_dict(), "metrics": json.dumps(metrics), "processes": learner.processes}, sys.argv[1])
    learner.accelerator.end_training()
    os._exit(0)  # taking gloo apart while the other process is already gone can wait for ever; what was asked for is written


if __name__ == "__main__":
    main()
