"""What changes from step to step: the learning rate's factor and the coefficients of regularisers.

A controller is frozen. What it learns from the steps behind it, it hands back as `Control.memory`:
a few named numbers that the trainer keeps, saves with its checkpoints and shows it again, so that a
resumed run goes on with the same ones. What depends on the policy as it moves within a step is
decided later, mini-batch by mini-batch: see `Recipe.lr_scale`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Control:
    """Settings of one step."""

    learning_rate: float = 1.0
    """Multiplies the learning rate of the trainer's own schedule."""
    scalars: Mapping[str, float] = field(default_factory=dict)
    """Put into `Batch.scalars`; a regulariser with `scale="name"` multiplies its coefficient by it.
    """
    memory: Mapping[str, float] = field(default_factory=dict)
    """Shown to the controller before the next step, among the metrics. Starts empty."""


class Controller(Protocol):
    """Decides before a step, from the step's number, the metrics of the batch it is about to train
    on and its own memory.
    """

    @property
    def requirements(self) -> frozenset[str]: ...

    def __call__(self, step: int, steps: int, metrics: Mapping[str, float]) -> Control:
        """Settings of step `step` (from 0) out of `steps`."""
        ...


@dataclass(frozen=True, slots=True)
class Steady:
    """Nothing changes."""

    requirements = frozenset[str]()

    def __call__(self, step: int, steps: int, metrics: Mapping[str, float]) -> Control:
        return Control()
