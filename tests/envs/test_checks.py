"""The conformance kit passes an environment that keeps its promises, and names each promise that
another one breaks.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.envs.corridor import SPLITS, Corridor, ReplayedCorridor
from turnwise.envs.base import Info, Outcome, TaskId
from turnwise.envs.checks import check_turn_env


@pytest.mark.parametrize("kind", [Corridor, ReplayedCorridor])
def test_good_environments_pass(kind: type[Corridor]) -> None:
    check_turn_env(kind, resets=500)


def test_an_instance_is_as_good_as_a_factory() -> None:
    check_turn_env(Corridor(), resets=200)


class Forgetful(Corridor):
    """The snapshot does not hold the place."""

    def _load(self, state: tuple[int, Outcome]) -> None:
        super()._load(state)
        self.place = 0


class Mute(Corridor):
    """Restoring gives an observation of its own making."""

    def _load(self, state: tuple[int, Outcome]) -> None:
        super()._load(state)
        self._last = self._look()


class Deterministic(Corridor):
    """Says that it draws nothing, and draws."""

    stochastic = False


class Shared(Corridor):
    """A fork walks with the legs of the original."""

    def __init__(self) -> None:
        super().__init__()
        self.legs = {"place": 0}

    @property
    def place(self) -> int:  # type: ignore[override]
        return self.legs["place"]

    @place.setter
    def place(self, value: int) -> None:
        if hasattr(self, "legs"):
            self.legs["place"] = value


class Moody(Corridor):
    """Shows how many episodes all instances have begun."""

    begun = itertools.count()

    def _begin(self, task: TaskId) -> Outcome:
        return replace(super()._begin(task), observation=f"episode {next(Moody.begun)}")


class Remembering(Corridor):
    """What is shown depends on the task before."""

    before: TaskId = 0

    def _begin(self, task: TaskId) -> Outcome:
        before, self.before = self.before, task
        return replace(super()._begin(task), observation=f"before: {before}")


class Exposed(Corridor):
    """Hands out its own list of admissible actions."""

    def _info(self, last: Outcome) -> Info:
        return super()._info(last) | {"admissible": last.admissible}  # type: ignore[return-value]


class MissingKey(Corridor):
    def _info(self, last: Outcome) -> Info:
        info = super()._info(last)
        del info["tags"]  # type: ignore[misc]
        return info


class ExtraKey(Corridor):
    def _info(self, last: Outcome) -> Info:
        return super()._info(last) | {"extra": 1}  # type: ignore[return-value]


class IntegerScore(Corridor):
    def _look(self, *args: Any, **kwargs: Any) -> Outcome:
        return replace(super()._look(*args, **kwargs), score=1)


class HugeScore(Corridor):
    def _look(self, *args: Any, **kwargs: Any) -> Outcome:
        return replace(super()._look(*args, **kwargs), score=7.5)


class NoState(Corridor):
    def _look(self, *args: Any, **kwargs: Any) -> Outcome:
        return replace(super()._look(*args, **kwargs), state="")


class TupleTags(Corridor):
    def _look(self, *args: Any, **kwargs: Any) -> Outcome:
        rewards: Any = {"walked": np.float32(0)}
        return replace(super()._look(*args, **kwargs), rewards=rewards)


class NumpyReward(Corridor):
    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        observation, reward, *rest = super().step(action)
        return observation, np.float64(reward), *rest  # type: ignore[return-value]


class NumpyBool(Corridor):
    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, *rest = super().step(action)
        return observation, reward, np.bool_(terminated), *rest  # type: ignore[return-value]


class OwnLimit(Corridor):
    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        *first, _, info = super().step(action)
        return *first, len(self._actions) > 2, info  # type: ignore[return-value]


class Fragile(Corridor):
    def _act(self, action: str) -> Outcome:
        if action != "forward":
            raise ValueError(f"what is {action!r}?")
        return super()._act(action)


class Overlapping(Corridor):
    def tasks(self, split: str) -> Sequence[TaskId]:
        return (*super().tasks(split), 2) if split == "test" else super().tasks(split)


class EmptySplit(Corridor):
    def tasks(self, split: str) -> Sequence[TaskId]:
        return [] if split == "test" else super().tasks(split)


class Shuffled(Corridor):
    order = itertools.cycle([1, -1])

    def tasks(self, split: str) -> Sequence[TaskId]:
        return super().tasks(split)[:: next(Shuffled.order)]


class Twice(Corridor):
    def tasks(self, split: str) -> Sequence[TaskId]:
        return [*super().tasks(split), super().tasks(split)[0]]


class AnySplit(Corridor):
    def tasks(self, split: str) -> Sequence[TaskId]:
        return SPLITS.get(split, SPLITS["train"])


class AnyTask(Corridor):
    def _begin(self, task: TaskId) -> Outcome:
        return super()._begin(2 if isinstance(task, str) else task)


class NewHash(Corridor):
    @property
    def data_hash(self) -> str:
        return str(id(self))


class Unpicklable(Corridor):
    def __init__(self) -> None:
        super().__init__()
        self.door = lambda: None


class Amnesiac(Corridor):
    """A pickle of it starts from the front door."""

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"place": 0}


class Hoarder(Corridor):
    """Keeps something of every episode."""

    kept: list[bytes]

    def __init__(self) -> None:
        super().__init__()
        self.kept = []

    def _begin(self, task: TaskId) -> Outcome:
        self.kept.append(bytes(64))
        return super()._begin(task)


class Boaster(Corridor):
    """Its expert reaches the end, for half of the score."""

    def _look(self, *args: Any, **kwargs: Any) -> Outcome:
        found = super()._look(*args, **kwargs)
        return replace(found, score=found.score / 2)


class Idler(Corridor):
    def expert_action(self) -> str | None:
        return "wait"


class Endless(Corridor):
    """Its expert walks on the spot."""

    def _act(self, action: str) -> Outcome:
        return self._look(valid=action == "forward")


class Quitter(Corridor):
    def expert_action(self) -> str | None:
        return "forward" if self.place == 0 else None


class NotText(Corridor):
    """Gymnasium's checker is asked too: the observation is not in the space."""

    def _look(self, *args: Any, **kwargs: Any) -> Outcome:
        return replace(super()._look(*args, **kwargs), observation=7)  # type: ignore[arg-type]


BROKEN: list[tuple[type[Corridor], str]] = [
    (Forgetful, "goes on differently"),
    (Mute, "restore() does not return what stood there"),
    (Deterministic, "goes on differently"),
    (Shared, "goes on differently|changes the original"),
    (Moody, "is not the same"),
    (Remembering, "depends on|is not the same"),
    (Exposed, "restore() does not return what stood there"),
    (MissingKey, "declares"),
    (ExtraKey, "declares"),
    (IntegerScore, "float in [0, 1]"),
    (HugeScore, "float in [0, 1]"),
    (NoState, "not empty"),
    (TupleTags, "from names to floats"),
    (NumpyReward, "Python float"),
    (NumpyBool, "must be a bool"),
    (OwnLimit, "time limits belong to the registration"),
    (Fragile, "malformed action"),
    (Overlapping, "share 1 tasks"),
    (EmptySplit, "has no tasks"),
    (Shuffled, "change from call to call"),
    (Twice, "lists a task twice"),
    (AnySplit, "unknown split does not raise"),
    (AnyTask, "unknown task does not raise"),
    (NewHash, "data_hash"),
    (Unpicklable, "cannot be pickled"),
    (Amnesiac, "pickled at turn"),
    (Hoarder, "memory grew"),
    (Boaster, "expert scores 0.5"),
    (Idler, "is not valid"),
    (Endless, "does not finish"),
    (Quitter, "gives up"),
    (NotText, "must be a string"),
]


@pytest.mark.parametrize(
    ("kind", "sentence"), BROKEN, ids=lambda value: getattr(value, "__name__", "")
)
def test_each_broken_promise_is_named(kind: type[Corridor], sentence: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_turn_env(kind, resets=1000, tasks=3)
    message = str(caught.value)
    assert any(part in message for part in sentence.split("|")), message


def test_an_expert_may_promise_less() -> None:
    check_turn_env(Boaster, resets=200, expert_score=0.5)


def test_only_the_splits_asked_for_are_checked() -> None:
    check_turn_env(EmptySplit, splits=["train"], resets=200)
