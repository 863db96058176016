"""A learner for each role: rows go to the model that wrote them, and nothing else is different from
a learner.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.training.made_training import batch_of_rows, qwen
from turnwise.algorithms import recipe
from turnwise.errors import ConfigError
from turnwise.records import Row
from turnwise.training import checkpoint
from turnwise.training.config import CriticSection, Optimiser, TeamSection
from turnwise.training.learner import Learner, StepProgress
from turnwise.training.learner_team import LearnerTeam, learner_of, models_by_role, team_of

SETTINGS = Optimiser(lr=1e-2, max_grad_norm=1e9)
ROLES = ("solver", "verifier")


def make(model: nn.Module, **more: Any) -> Learner:
    return Learner(model, SETTINGS, **more)


def pair() -> nn.ModuleDict:
    return nn.ModuleDict({"solver": qwen(1), "verifier": qwen(2)})


def rows_of(roles: str) -> list[Row]:
    """A row for each letter, `s` or `v`; weights sum to one over all."""
    by = {"s": "solver", "v": "verifier"}
    made = batch_of_rows([12 + k for k in range(len(roles))])
    return [replace(row, agent=by[role]) for row, role in zip(made, roles, strict=True)]


def normed(rows: list[Row]) -> list[Row]:
    total = sum(float(row.streams["weight"].sum()) for row in rows)
    return [
        replace(row, streams={**row.streams, "weight": row.streams["weight"] / total})
        for row in rows
    ]


def changed(model: nn.Module, before: dict[str, torch.Tensor]) -> bool:
    return any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


def copied(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_each_model_learns_from_its_own_rows_as_if_it_were_alone() -> None:
    team, rows, dr_mas = LearnerTeam(pair(), make), rows_of("svsv"), recipe("dr_mas")
    metrics = team.update(rows, dr_mas, StepProgress(0, 2))
    for role, seed in zip(ROLES, (1, 2), strict=True):
        alone = make(qwen(seed))
        wanted = alone.update(
            normed([row for row in rows if row.agent == role]), dr_mas, StepProgress(0, 2)
        )
        for name, value in alone.model.state_dict().items():
            assert torch.equal(team.learners[role].model.state_dict()[name], value), name
        assert {name: metrics[f"{role}/{name}"] for name in wanted} == wanted


def test_totals_add_up_and_other_metrics_are_means_over_the_roles() -> None:
    metrics = LearnerTeam(pair(), make).update(rows_of("ssv"), recipe("dr_mas"))
    assert (
        metrics["tokens"] == metrics["solver/tokens"] + metrics["verifier/tokens"]
        and metrics["optimiser_steps"] == 2
    )
    for name in ("policy_loss", "grad_norm", "learning_rate"):
        assert metrics[name] == pytest.approx(
            np.mean([metrics[f"{role}/{name}"] for role in ROLES])
        )


def test_who_did_not_act_stays_as_it_is() -> None:
    models = pair()
    before = {role: copied(model) for role, model in models.items()}
    metrics = LearnerTeam(models, make).update(rows_of("ss"), recipe("dr_mas"))
    assert changed(models["solver"], before["solver"]) and not changed(
        models["verifier"], before["verifier"]
    )
    assert not any(name.startswith("verifier/") for name in metrics)
    assert LearnerTeam(models, make).update([], recipe("dr_mas")) == {
        "tokens": 0.0,
        "optimiser_steps": 0.0,
    }


def test_log_probabilities_and_values_come_back_in_the_order_of_the_rows() -> None:
    models, rows = pair(), rows_of("vssv")
    team = LearnerTeam(
        models, lambda model: make(model, reference=True, critic=CriticSection(kind="head"))
    )
    logp, entropies = team.logprobs(rows, entropies=True)
    for k, row in enumerate(rows):
        (wanted,), (wide,) = make(models[row.agent]).logprobs([row], entropies=True)
        np.testing.assert_allclose(logp[k], wanted, atol=1e-5)
        np.testing.assert_allclose(entropies[k], wide, atol=1e-5)
    assert team.logprobs(rows)[1] == []
    np.testing.assert_allclose(
        np.concatenate(team.logprobs(rows, reference=True)[0]), np.concatenate(logp), atol=1e-5
    )
    assert [len(value) for value in team.values(rows)] == [len(row.ids) for row in rows]


def test_a_row_of_no_role_of_the_team_is_an_error() -> None:
    stranger = [replace(rows_of("s")[0], agent="searcher")]
    with pytest.raises(
        ConfigError, match="'searcher', which is not a role of this team: it has solver, verifier"
    ):
        LearnerTeam(pair(), make).update(stranger, recipe("dr_mas"))


def test_a_checkpoint_brings_models_and_optimisers_back(tmp_path: Any) -> None:
    one, rows, dr_mas = LearnerTeam(pair(), make), rows_of("svsv"), recipe("dr_mas")
    one.update(rows, dr_mas, StepProgress(0, 3))
    at = checkpoint.save(tmp_path, one, checkpoint.TrainState(1, {}), keep=1)
    other = LearnerTeam(nn.ModuleDict({"solver": qwen(5), "verifier": qwen(6)}), make)
    assert checkpoint.load(at, other).step == 1
    for team in (one, other):
        team.update(rows, dr_mas, StepProgress(1, 3))
    wanted = one.model.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in other.model.state_dict().items())


def test_a_shared_model_has_a_plain_learner() -> None:
    model = qwen(1)
    learner = learner_of(model, make)
    assert (
        isinstance(learner, Learner)
        and learner.model is model
        and models_by_role(model) == {"": model}
    )
    models = pair()
    assert isinstance(learner_of(models, make), LearnerTeam) and list(
        models_by_role(models)
    ) == list(ROLES)


def test_the_team_of_a_config() -> None:
    assert team_of(TeamSection()) is None
    made = team_of(TeamSection(name="solver_verifier", style="act", options={"answers": 3}))
    assert (
        made is not None
        and made.name == "solver_verifier/act@1"
        and made.orchestration.answers == 3
    )  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="did you mean 'solver_verifier'"):
        team_of(TeamSection(name="solver_verifiers"))
