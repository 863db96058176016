"""Two toy environments that teams can play: `search[…]` and `answer[…]`, and blocks of code with
boxed answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from turnwise.envs.base import Outcome, TaskId, TurnEnv
from turnwise.envs.tool_math.turns import fenced, first_code
from turnwise.errors import TaskError


class Places(TurnEnv[tuple[int, bool, Outcome]]):
    """Task n: follow n hints, each found by its number, then name the last."""

    splits = ("train", "test")
    data_hash = "places"
    stochastic = False

    def __init__(self) -> None:
        super().__init__()
        self.found, self.over = 0, False

    def tasks(self, split: str) -> Sequence[TaskId]:
        if split not in self.splits:
            raise TaskError(f"there is no split {split!r}")
        return (1, 2) if split == "train" else (3,)

    def _begin(self, task: TaskId) -> Outcome:
        if task not in (1, 2, 3):
            raise TaskError(f"there is no task {task!r}")
        self.goal, self.found, self.over = int(task), 0, False
        return self._look(f"where do {task} hints lead?")

    def _act(self, action: str) -> Outcome:
        if not self.over and action == f"search[hint {self.found + 1}]":
            self.found += 1
            return self._look(f"hint {self.found} says {self.found + 1}")
        if not self.over and action.startswith("answer["):
            self.over = True
            right = action == f"answer[{self.goal + 1}]" and self.found == self.goal
            return self._look(
                "over", reward=float(right), success=right, rewards={"em": float(right)}
            )
        return self._look("nothing", valid=not self.over and action.startswith("search["))

    def _look(
        self,
        text: str,
        reward: float = 0.0,
        success: bool = False,
        valid: bool = True,
        rewards: dict[str, float] | None = None,
    ) -> Outcome:
        score = (
            1.0 if success or (self.over and self._last is not None and self._last.success) else 0.0
        )
        state = f"{self.goal}/{self.found}/{self.over}/{score}"
        return Outcome(
            text, f"where do {self.goal} hints lead?", ["search[<query>]", "answer[<text>]"], state,
            reward=reward, terminated=self.over, valid=valid, success=score == 1.0, score=score,
            rewards=rewards or {},
            tags=["kind=places", *(["searched"] if text.startswith("hint") else [])],
        )  # fmt: skip

    def expert_action(self) -> str | None:
        if self.over:
            return None
        return (
            f"search[hint {self.found + 1}]"
            if self.found < self.goal
            else f"answer[{self.goal + 1}]"
        )

    def _save(self) -> tuple[int, bool, Outcome]:
        assert self._last is not None
        return self.found, self.over, self._last

    def _load(self, state: tuple[int, bool, Outcome]) -> None:
        assert self._task is not None
        self.goal = int(self._task)
        self.found, self.over, self._last = state


class Stray(Places):
    """Adds a random number to each observation."""

    stochastic = True

    def _act(self, action: str) -> Outcome:
        made = super()._act(action)
        return replace(made, observation=f"{made.observation} ({self.np_random.integers(1000)})")


class Doubles(TurnEnv[tuple[str | None, bool, Outcome]]):
    """Task n: what is twice n? Any block of code prints that; anything boxed is an answer. Saves
    nothing: forks replay.
    """

    splits = ("train",)
    data_hash = "doubles"
    stochastic = False

    def tasks(self, split: str) -> Sequence[TaskId]:
        if split not in self.splits:
            raise TaskError(f"there is no split {split!r}")
        return (1, 2, 3)

    def _begin(self, task: TaskId) -> Outcome:
        if task not in (1, 2, 3):
            raise TaskError(f"there is no task {task!r}")
        self.n, self.printed, self.given = int(task), "", ""
        return self._look(f"twice {task}?")

    def _act(self, action: str) -> Outcome:
        if self.given:
            return self._look("over", valid=False)
        if first_code(action) is not None:
            self.printed = str(2 * self.n)
            return self._look(f"printed {self.printed}", tags=["code"])
        if "\\boxed{" in action:
            self.given = action
            return self._look("over", reward=float(self.right))
        return self._look("void", valid=False)

    @property
    def right(self) -> bool:
        return self.given == f"\\boxed{{{2 * self.n}}}"

    def _look(
        self, text: str, reward: float = 0.0, valid: bool = True, tags: Sequence[str] = ()
    ) -> Outcome:
        return Outcome(
            text, f"twice {self.n}?", [fenced("<code>"), "\\boxed{<answer>}"],
            f"{self.n}/{self.printed}/{self.given}", reward=reward, terminated=bool(self.given),
            valid=valid, success=self.right, score=float(self.right), tags=list(tags),
        )  # fmt: skip

    def expert_action(self) -> str | None:
        if self.given:
            return None
        return f"\\boxed{{{self.printed}}}" if self.printed else fenced(f"print(2 * {self.n})")
