"""Training a team: one model for all roles, or a model, an optimiser and a learner for each.

With a shared model nothing is new: rows of all roles train it. `LearnerTeam` is the other case. It
has the methods of a `Learner` and hands each row to the learner of the role that wrote it, so that
the loop, the warm start and checkpoints do not know it from one. In an update every model gets its
own role's rows, their weights divided by their sum: the loss of each is a mean of its own, as in
Dr. MAS (L. Feng et al., arXiv 2602.08847), where each model takes its own clipped update.
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
from turnwise.training.learner import Learner, StepProgress

TOTALS = ("tokens", "optimiser_steps", "skipped_steps")
"""Metrics that add up over the models; of the others the mean over the models is told."""


def team_of(section: TeamSection) -> Team | None:
    """The team a config asks for; None for a single agent. Raises `ConfigError` for an unknown name
    or option.
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
        self, rows: Sequence[Row], recipe: Recipe, when: StepProgress | None = None, factor: float = 1.0,
        scalars: dict[str, float] | None = None, after: Callable[[], None] | None = None,
    ) -> dict[str, float]:  # fmt: skip
        """Train each model on its own role's rows.

        Returns:
            The metrics of each role's learner as `role/name`; as `name`, over the roles that were
            trained, the total where it is one of `TOTALS`, else the mean.

        Raises:
            ConfigError: for a row of nobody in the team; and as `Learner.update`.
        """
        of = self._places(rows)
        found: dict[str, dict[str, float]] = {}
        for role, learner in self.learners.items():
            own = [rows[i] for i in of[role]]
            total = sum(
                float(row.streams["weight"].sum()) for row in own
            )  # of the whole batch: every process is given all rows
            if total > 0:
                scaled = [
                    replace(row, streams={**row.streams, "weight": row.streams["weight"] / total})
                    for row in own
                ]
                found[role] = learner.update(scaled, recipe, when, factor, scalars, after)
        metrics = {
            f"{role}/{name}": value
            for role, own_metrics in found.items()
            for name, value in own_metrics.items()
        }
        for name in sorted({name for own_metrics in found.values() for name in own_metrics}):
            values = [own_metrics[name] for own_metrics in found.values() if name in own_metrics]
            metrics[name] = float(sum(values) if name in TOTALS else np.mean(values))
        return {"tokens": 0.0, "optimiser_steps": 0.0, **metrics}

    def logprobs(
        self, rows: Sequence[Row], entropies: bool = False, reference: bool = False
    ) -> tuple[list[Floats], list[Floats]]:
        """Log-probabilities and entropies of every row, each by its own role's model."""
        logp, wide = [np.zeros(0)] * len(rows), [np.zeros(0)] * len(rows)
        for role, places in self._places(rows).items():
            own, own_wide = self.learners[role].logprobs(
                [rows[i] for i in places], entropies, reference
            )
            for k, i in enumerate(places):
                logp[i] = own[k]
                if entropies:
                    wide[i] = own_wide[k]
        return logp, wide if entropies else []

    def values(self, rows: Sequence[Row]) -> list[Floats]:
        """Values of every row, each by its own role's critic."""
        found = [np.zeros(0)] * len(rows)
        for role, places in self._places(rows).items():
            for i, value in zip(
                places, self.learners[role].values([rows[i] for i in places]), strict=True
            ):
                found[i] = value
        return found

    def state(self) -> dict[str, Any]:
        """Everything a resumed run needs beside the weights, by role."""
        return {role: learner.state() for role, learner in self.learners.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        for role, learner in self.learners.items():
            learner.load(state[role])

    def _places(self, rows: Sequence[Row]) -> dict[str, list[int]]:
        of: dict[str, list[int]] = {role: [] for role in self.learners}
        for i, row in enumerate(rows):
            if row.agent not in of:
                raise ConfigError(
                    f"a row was written by {row.agent!r}, who is not of this team: it has {', '.join(of)}"
                )
            of[row.agent].append(i)
        return of


AnyLearner: TypeAlias = Learner | LearnerTeam
"""What the loop trains with."""
