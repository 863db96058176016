"""A toy environment that keeps every promise: walk to the end of a corridor whose floor is
slippery.
"""

from __future__ import annotations

from collections.abc import Sequence

from turnwise.envs.base import Outcome, TaskId, TurnEnv
from turnwise.errors import TaskError

SPLITS: dict[str, tuple[TaskId, ...]] = {"train": (2, 3, 4), "test": (5, 6)}


class Corridor(TurnEnv[tuple[int, Outcome]]):
    """Task `n` is a corridor of n steps; `forward` moves one or, by chance, two."""

    place = 0

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(SPLITS)

    def tasks(self, split: str) -> Sequence[TaskId]:
        if split not in SPLITS:
            raise TaskError(f"there is no split {split!r}")
        return SPLITS[split]

    @property
    def data_hash(self) -> str:
        return "corridor"

    def _begin(self, task: TaskId) -> Outcome:
        if not any(task in tasks for tasks in SPLITS.values()):
            raise TaskError(f"there is no corridor {task!r}")
        self.length = int(task)
        self.place = 0
        return self._look()

    def _act(self, action: str) -> Outcome:
        if action != "forward" or self.place >= self.length:
            return self._look(valid=False)
        self.place = min(self.length, self.place + int(self.np_random.integers(1, 3)))
        return self._look(
            reward=float(self.place == self.length), terminated=self.place == self.length
        )

    def _look(self, valid: bool = True, reward: float = 0.0, terminated: bool = False) -> Outcome:
        done = self.place == self.length
        return Outcome(
            observation=f"{self.length - self.place} steps to go",
            instruction="walk to the end",
            admissible=[] if done else ["forward"],
            state=f"{self.length}/{self.place}",
            reward=reward,
            terminated=terminated,
            valid=valid,
            success=done,
            score=float(done),
            rewards={"walked": self.place / self.length},
            tags=["kind=corridor"],
        )

    def _save(self) -> tuple[int, Outcome] | None:
        assert self._last is not None
        return self.place, self._last

    def _load(self, state: tuple[int, Outcome]) -> None:
        assert self._task is not None
        self.length = int(self._task)
        self.place, self._last = state

    def expert_action(self) -> str | None:
        return "forward" if self.place < self.length else None


class ReplayedCorridor(Corridor):
    """The same without a saved state: snapshots fall back on replay."""

    def _save(self) -> None:
        return None
