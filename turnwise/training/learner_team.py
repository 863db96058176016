"""Training a team: one model for all roles, or a model, optimizer and learner for each.

A shared model is trained on the rows of all roles by a plain `Learner`. `LearnerTeam` is the other
case: it has the methods of a `Learner` and passes each row to the learner of the role that wrote
it, so the loop, the SFT warm start and checkpoints need not distinguish the two. In an update each
model gets its own role's rows, their weights divided by their sum: each loss is a mean of its own,
as in Dr. MAS (L. Feng et al., arXiv 2602.08847), where each model takes its own clipped update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from torch import nn

from turnwise.agents.teams import make_team
from turnwise.agents.teams.team import Team
from turnwise.algorithms import Recipe
from turnwise.errors import ConfigError
from turnwise.records import Floats, Row
from turnwise.training.config import TeamSection
from turnwise.training.learner import SUMMED_METRICS, Learner, StepProgress


def team_of(section: TeamSection) -> Team | None:
    """Make the team of a config; None for a single agent.

    Raises:
        ConfigError: for an unknown team or option.
    """
    return make_team(section.name, section.style, **section.options) if section.name else None


class LearnerTeam:
    """A learner for each role; see `Learner` for what the methods do.

    Args:
        model: the roles' models by name.
        make: makes a role's learner from its model.
    """

    def __init__(self, model: nn.ModuleDict, make: Callable[[nn.Module], Learner]) -> None:
        self.model = model
        self.learners = {role: make(own) for role, own in model.items()}

    def all_sum(self, array: Floats) -> Floats:
        """Add a float64 array over all processes."""
        return next(iter(self.learners.values())).all_sum(array)

    def update(
        self, rows: Sequence[Row], recipe: Recipe, progress: StepProgress | None = None,
        factor: float = 1.0, scalars: dict[str, float] | None = None,
        on_optimizer_step: Callable[[], None] | None = None,
    ) -> dict[str, float]:  # fmt: skip
        """Train each model on its own role's rows.

        Returns:
            The metrics of each role's learner as `role/name`, and as `name` over the roles that
            were trained: the sum for `SUMMED_METRICS`, the mean for others.

        Raises:
            ConfigError: for a row of no role of the team; and as `Learner.update`.
        """
        of = self._rows_by_role(rows)
        found: dict[str, dict[str, float]] = {}
        for role, learner in self.learners.items():
            own = [rows[i] for i in of[role]]
            # Every process has all rows, so this is the sum over the whole batch.
            total = sum(float(row.streams["weight"].sum()) for row in own)
            if total > 0:
                scaled = [
                    replace(row, streams={**row.streams, "weight": row.streams["weight"] / total})
                    for row in own
                ]
                found[role] = learner.update(
                    scaled, recipe, progress, factor, scalars, on_optimizer_step
                )
        metrics = {
            f"{role}/{name}": value
            for role, own_metrics in found.items()
            for name, value in own_metrics.items()
        }
        for name in sorted({name for own_metrics in found.values() for name in own_metrics}):
            values = [own_metrics[name] for own_metrics in found.values() if name in own_metrics]
            metrics[name] = float(sum(values) if name in SUMMED_METRICS else np.mean(values))
        return {"tokens": 0.0, "optimiser_steps": 0.0, **metrics}

    def logprobs(
        self, rows: Sequence[Row], entropies: bool = False, reference: bool = False
    ) -> tuple[list[Floats], list[Floats]]:
        """Compute log-probabilities and entropies of every row with its own role's model."""
        logp, entropy = [np.zeros(0)] * len(rows), [np.zeros(0)] * len(rows)
        for role, places in self._rows_by_role(rows).items():
            own, own_entropy = self.learners[role].logprobs(
                [rows[i] for i in places], entropies, reference
            )
            for k, i in enumerate(places):
                logp[i] = own[k]
                if entropies:
                    entropy[i] = own_entropy[k]
        return logp, entropy if entropies else []

    def values(self, rows: Sequence[Row]) -> list[Floats]:
        """Compute the values of every row with its own role's critic."""
        found = [np.zeros(0)] * len(rows)
        for role, places in self._rows_by_role(rows).items():
            own = self.learners[role].values([rows[i] for i in places])
            for i, value in zip(places, own, strict=True):
                found[i] = value
        return found

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs besides the weights, by role."""
        return {role: learner.state() for role, learner in self.learners.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        for role, learner in self.learners.items():
            learner.load(state[role])

    def _rows_by_role(self, rows: Sequence[Row]) -> dict[str, list[int]]:
        of: dict[str, list[int]] = {role: [] for role in self.learners}
        for i, row in enumerate(rows):
            if row.agent not in of:
                raise ConfigError(
                    f"a row was written by {row.agent!r}, which is not a role of this team: "
                    f"it has {', '.join(of)}"
                )
            of[row.agent].append(i)
        return of


AnyLearner: TypeAlias = Learner | LearnerTeam
"""Learner that the loop trains with: of one model, or of the models of a team."""


def learner_of(model: nn.Module, make_learner: Callable[[nn.Module], Learner]) -> AnyLearner:
    """Return the learner of a model, or of the models of a team."""
    if isinstance(model, nn.ModuleDict):
        return LearnerTeam(model, make_learner)
    return make_learner(model)


def models_by_role(model: nn.Module) -> dict[str, Any]:
    """Return the models of a team by role; a single model under the empty name."""
    return dict(model.items()) if isinstance(model, nn.ModuleDict) else {"": model}
