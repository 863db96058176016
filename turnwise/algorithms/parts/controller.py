"""Control from step to step: the learning rate's factor and the coefficients of regularisers.

A controller is frozen. State that it derives from earlier steps it returns as `Control.memory`:
named numbers that the trainer keeps, saves with its checkpoints and passes to the next call, so
that a resumed run continues with the same ones. What depends on the policy within a step is
decided later, per mini-batch: see `Recipe.lr_scale`.
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
    """Added to `Batch.scalars`; a regulariser with `scale="name"` multiplies its coefficient by
    it."""
    memory: Mapping[str, float] = field(default_factory=dict)
    """Passed to the controller before the next step, among the metrics. Starts empty."""


class Controller(Protocol):
    """Decides the settings of a step before it is taken.

    It reads the step's number, the metrics of the batch about to be trained on and its memory.
    """

    @property
    def requirements(self) -> frozenset[str]: ...

    def __call__(self, step: int, steps: int, metrics: Mapping[str, float]) -> Control:
        """Return the settings of step `step` (from 0) out of `steps`."""
        ...


@dataclass(frozen=True, slots=True)
class Steady:
    """The same settings at every step."""

    requirements = frozenset[str]()

    def __call__(self, step: int, steps: int, metrics: Mapping[str, float]) -> Control:
        return Control()
