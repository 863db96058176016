"""Write weights and metrics of the learner's updates to a file, on one process or two.

`test_processes.py` starts it:

    python two_processes.py OUT MINI_BATCHES    one update on rows made by hand
    python two_processes.py OUT recipes         one step of every recipe, from credit on, and one
                                                of a team of two models
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import nn

from tests.training.made_training import batch_of_rows, qwen
from turnwise.algorithms import Recipe, Streams, recipe, recipe_names, specimens
from turnwise.records import Group, rows
from turnwise.training.config import CriticSection, Optimiser
from turnwise.training.learner import Learner, StepProgress
from turnwise.training.learner_team import AnyLearner, LearnerTeam
from turnwise.training.precomputed import precomputed_streams, with_reference
from turnwise.training.rollouts import turn_entropies

SETTINGS = Optimiser(lr=1e-3, micro_tokens=40, mini_batches=2)
"""Two mini-batches: in the second the policy has moved, and ratios are not 1."""
TEAM = "dr_mas, a model of each role"
GROUPS = tuple(specimens.random_groups(3))


def one_update(mini_batches: int) -> tuple[Learner, dict[str, Any]]:
    model = qwen()
    learner = Learner(model, Optimiser(lr=1e-3, micro_tokens=40, mini_batches=mini_batches), seed=1)
    metrics = learner.update(
        batch_of_rows([9, 31, 12, 50, 7]), recipe("grpo", entropy_bonus=0.05), StepProgress(0, 4)
    )
    return learner, {"weights": model.state_dict(), "metrics": json.dumps(metrics)}


def credited(of: Recipe, learner: AnyLearner, rank: int, processes: int) -> Streams:
    """Return the streams of every group, each computed by the process that has it."""
    given = precomputed_streams(of, learner, GROUPS)
    own: list[Group] = list(GROUPS) if processes == 1 else [GROUPS[:-2], GROUPS[-2:]][rank]
    found = of.credit(own, learner.all_sum, given)
    return (
        {uid: streams for part in gather_object([found]) for uid, streams in part.items()}
        if processes > 1
        else found
    )


def trained(of: Recipe, learner: AnyLearner, rank: int, processes: int) -> dict[str, Any]:
    """Take a step as the loop does, without the rollouts."""
    streams = credited(of, learner, rank, processes)
    batch = [
        row
        for g in GROUPS
        for t in g.trajectories
        if t.uid in streams
        for row in rows(t, streams[t.uid])
        if row.mask.any()
    ]
    observed: dict[str, float] = {}
    if "metrics:turn_entropy" in of.requirements:
        share = list(GROUPS) if processes == 1 else [GROUPS[:-2], GROUPS[-2:]][rank]
        observed = turn_entropies(share, learner.all_sum, 8)
    control = of.controller(0, 4, observed)
    metrics = learner.update(
        with_reference(of, learner, batch), of, StepProgress(0, 4), control.learning_rate,
        dict(control.scalars)
    )  # fmt: skip
    own = {name: value for name, value in metrics.items() if not name.startswith("engine")}
    weights = dict(learner.model.state_dict())
    if isinstance(learner, Learner) and learner.critic is not None:
        weights |= {f"critic.{name}": value for name, value in learner.critic.state_dict().items()}
    return {"weights": weights, "metrics": json.dumps(own), "trajectories": sorted(streams)}


def learner_for(of: Recipe) -> Learner:
    wanted = bool(of.requirements & {"ref_logp", "precomputed:ref_logp"})
    critic = (
        CriticSection(optimiser=Optimiser(lr=1e-3))
        if of.requirements & {"value", "precomputed:value"}
        else None
    )
    return Learner(qwen(), SETTINGS, seed=1, reference=wanted, critic=critic)


def every_recipe(rank: int, processes: int) -> dict[str, dict[str, Any]]:
    made = {
        name: trained(of, learner_for(of), rank, processes)
        for name in recipe_names()
        for of in [recipe(name)]
    }
    roles = nn.ModuleDict({"solver": qwen(1), "checker": qwen(2)})
    team = LearnerTeam(roles, lambda model: Learner(model, SETTINGS, seed=1))
    return {**made, TEAM: trained(recipe("dr_mas"), team, rank, processes)}


def main() -> None:
    torch.set_num_threads(1)
    if sys.argv[2] == "recipes":
        learner = Learner(qwen(), SETTINGS)
        made: dict[str, Any] = {
            "recipes": every_recipe(learner.accelerator.process_index, learner.processes)
        }
    else:
        learner, made = one_update(int(sys.argv[2]))
    if learner.accelerator.is_main_process:
        torch.save({**made, "processes": learner.processes}, sys.argv[1])
    learner.accelerator.end_training()
    # Closing gloo can wait forever once the other process is gone, and the output is written.
    os._exit(0)


if __name__ == "__main__":
    main()
