"""A toy environment, a recording engine and toy prompts for the tests of agents."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from turnwise.agents.engines.base import Capabilities, Completion, Sampling
from turnwise.envs.base import Outcome, TurnEnv
from turnwise.envs.prompt import Action, Message, Step
from turnwise.errors import EngineError


class Walk(TurnEnv[tuple[int, int, Outcome]]):
    """Task t takes `go[on]` t times; `go[wrong]` raises, `wait[…]` sleeps, `loop[…]` is invalid."""

    splits = ("train", "test")
    data_hash = "walk"
    made = 0
    closed = 0

    def __init__(
        self, goal: int | None = None, texts: Sequence[str] = (), blocking: bool = False
    ) -> None:
        super().__init__()
        self.goal, self.texts, self.blocking = goal, texts, blocking
        self.task, self.place = 0, 0
        type(self).made += 1

    def tasks(self, split: str) -> Sequence[int]:
        return range(1, 50)

    def _outcome(self, **more: Any) -> Outcome:
        text = (
            self.texts[self.place % len(self.texts)]
            if self.texts
            else f"step {self.place} of {self.task}"
        )
        return Outcome(
            text,
            f"Walk {self.task} Steps",
            ["go[on]", "search[<your query>]"],
            f"{self.task}:{self.place}",
            **more,
        )

    def _begin(self, task: Any) -> Outcome:
        if task == "broken":
            raise ValueError("this task is broken")
        self.task, self.place = int(task), 0
        return self._outcome(tags=[f"task={task}"])

    def _act(self, action: str) -> Outcome:
        if action == "go[wrong]":
            raise RuntimeError("stepped on a mine")
        if action.startswith("wait["):
            time.sleep(float(action[5:-1]))
        if action.startswith("loop["):
            return self._outcome(valid=False, tags=["lost"])
        self.place += 1
        done = self.place >= (self.goal if self.goal is not None else self.task)
        score = min(1.0, self.place / max(1, self.task))
        return self._outcome(
            reward=float(done), terminated=done, success=done, score=score, rewards={"pace": 0.5}
        )

    def expert_action(self) -> str | None:
        return "go[on]"

    def _save(self) -> tuple[int, int, Outcome]:
        assert self._last is not None
        return self.task, self.place, self._last

    def _load(self, state: tuple[int, int, Outcome]) -> None:
        self.task, self.place, self._last = state

    def close(self) -> None:
        type(self).closed += 1


@dataclass
class RecordingEngine:
    """Returns `speak(prompt_ids, sampling, turn)`, and records its requests by session."""

    speak: Callable[[Sequence[int], Sampling, int], Sequence[int]]
    delay: Callable[[str], float] = lambda session: 0.0
    fails: Callable[[str], bool] = lambda session: False
    said: dict[str, list[tuple[tuple[int, ...], Completion]]] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    weights_version: int = 0
    max_context: int | None = None
    capabilities: ClassVar = Capabilities(entropies=True, seeds=True, in_flight_updates=True)

    async def generate(
        self, prompt_ids: Sequence[int], sampling: Sampling, session: str | None = None
    ) -> Completion:
        key = session or ""
        await asyncio.sleep(self.delay(key))
        if self.fails(key):
            raise EngineError("the engine is out of order")
        earlier = self.said.setdefault(key, [])
        turn = len(earlier)
        ids = tuple(self.speak(prompt_ids, sampling, turn))
        logprobs = tuple(-0.1 - 0.001 * turn - 0.01 * k for k in range(len(ids)))
        entropies = logprobs if sampling.entropies else None
        completion = Completion(ids, logprobs, entropies, "stop", self.weights_version)
        earlier.append((tuple(prompt_ids), completion))
        return completion

    async def release(self, session: str) -> None:
        self.released.append(session)

    async def update_weights(self, weights: Mapping[str, Any] | None, version: int) -> None:
        self.weights_version = version

    async def close(self) -> None:
        return None


@dataclass(frozen=True)
class Growing:
    """An append-only dialogue; every reply parses as `go[on]`."""

    name: str = "toy/growing@1"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        messages: list[Message] = [{"role": "system", "content": "Walk."}]
        for step in history:
            messages.append({"role": "user", "content": step.observation})
            if step.reply is not None:
                messages.append({"role": "assistant", "content": step.reply})
        return messages

    def parse(self, text: str) -> Action:
        return Action("go[on]", True)

    def reply(self, action: str, thought: str = "") -> str:
        return action


@dataclass(frozen=True)
class Windowed(Growing):
    """Shows only the current observation and the last reply."""

    name: str = "toy/windowed@1"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        before = f"You said {history[-2].reply} before.\n" if len(history) > 1 else ""
        return [{"role": "user", "content": before + history[-1].observation}]


@dataclass(frozen=True)
class Literal(Growing):
    """The reply is the action."""

    def parse(self, text: str) -> Action:
        return Action(text, "[" in text, "" if "[" in text else "no bracket")
