"""What a user may get wrong in a file of environments, prompts, engines and recipes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import turnwise
from tests.cli.own_things import Echo, FixedEngine, Guess
from turnwise.agents.engines.base import Capabilities, EngineContext
from turnwise.envs.dialogue_prompts import DialoguePrompt
from turnwise.envs.wrappers import wrap

if TYPE_CHECKING:
    from nowhere import Nothing  # type: ignore[import-not-found]

# Environments
# -----------------------------------------------------------------------------------------------


class OtherSplits(Guess):
    """Its splits have names of its own, and it looks them up without care."""

    eval_split = "holdout"

    @property
    def splits(self) -> tuple[str, ...]:
        return ("fit", "holdout")

    def tasks(self, split: str) -> Sequence[int]:
        return {"fit": range(8), "holdout": range(8, 10)}[split]


class NoSuchEvalSplit(OtherSplits):
    eval_split = "test"


class NoSplits(Guess):
    splits = ()  # type: ignore[assignment]


class NumberAsHash(Guess):
    data_hash = 5  # type: ignore[assignment]


class NoTasks(turnwise.TurnEnv[None]):
    """It lacks tasks and data_hash."""

    splits = ("train", "test")

    def _begin(self, task: int | str) -> turnwise.Outcome:
        return turnwise.Outcome("", "", [], "")

    def _act(self, action: str) -> turnwise.Outcome:
        return turnwise.Outcome("", "", [], "", terminated=True)


class TasksAsSet(Guess):
    def tasks(self, split: str) -> Any:
        return {1, 2}


class TasksRaise(Guess):
    def tasks(self, split: str) -> Any:
        raise OSError("no data")


class ReturnsTuple(Guess):
    def _act(self, action: str) -> Any:
        return "No.", 0.0, False


class Raises(Guess):
    def __init__(self) -> None:
        raise ValueError("no such thing\nas this")


class Exits(Guess):
    def __init__(self) -> None:
        raise SystemExit(3)


class NeedsSize(Guess):
    def __init__(self, size: int) -> None:
        super().__init__(size)


class NotReady(Guess):
    def __init__(self) -> None:
        self.tries = 3


class OldEcho(Echo):
    def reset(self) -> Any:  # type: ignore[override]
        return "Say red."


class ObservationAlone(Echo):
    def reset(self, **given: Any) -> Any:
        return "Say red."


class FourAnswers(Echo):
    def step(self, action: str) -> Any:
        return "Done.", 1.0, True, {}


def old_echo() -> Any:
    return wrap(OldEcho, 10)


def observation_alone() -> Any:
    return wrap(ObservationAlone, 10, max_turns=1)


def four_answers() -> Any:
    return wrap(FourAnswers, 10, max_turns=1)


def wrapped_unknown() -> Any:
    return wrap("own/NoSuch-v0", 10)


# Prompts, engines, recipes, trackers
# -----------------------------------------------------------------------------------------------


class RaisingPrompt(DialoguePrompt):
    """A prompt that cannot render an episode."""

    def messages(self, history: Any) -> Any:
        raise ValueError("no words")


def raising_prompt() -> RaisingPrompt:
    return RaisingPrompt("own/raising@1", "")


class NoContextEngine(FixedEngine):
    def __init__(self) -> None:
        super().__init__([1])


class CapabilitiesByName(FixedEngine):
    capabilities = ("entropies",)  # type: ignore[assignment]

    def __init__(self, context: EngineContext) -> None:
        super().__init__([1])


class NoEntropies(FixedEngine):
    """An engine that claims no capability."""

    capabilities = Capabilities()

    def __init__(self, context: EngineContext) -> None:
        super().__init__([5])


def failing_engine(context: EngineContext) -> object:
    raise ValueError("no engine today")


def plain_recipe(scale: float = 1.0) -> Any:
    """A recipe without `common`; no mistake."""
    return turnwise.recipe("grpo")


def unknown_hint(scale: Nothing = None) -> Any:
    """A recipe whose annotation is for type checkers; no mistake."""
    return turnwise.recipe("grpo")


partial_recipe = functools.partial(plain_recipe, scale=2.0)


def no_recipe() -> Any:
    return 5


def raising_recipe() -> Any:
    raise ValueError("no recipe today")


def needs_scale(scale: float) -> Any:
    return turnwise.recipe("grpo")


class NoLog:
    """A tracker that cannot log."""

    def __init__(self, folder: Any, config: Any, start: int) -> None:
        return None
