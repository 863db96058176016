"""One episode in the hands of a person: acting, going back, and the record of it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from turnwise.envs.base import Snapshot, TurnEnv
from turnwise.records import TaskId, Trajectory, Turn

_HOLE = re.compile(r"<[^<>]*>")
"""What is to be filled in, in an admissible action that is a template."""


@dataclass
class Game:
    """One episode in the hands of a person."""

    env: TurnEnv[Any]
    max_turns: int | None
    observation: str
    info: Mapping[str, Any]
    turns: list[Turn] = field(default_factory=list)
    before: list[Snapshot[Any]] = field(default_factory=list)
    """What `undo` goes back to, one for each turn."""
    ended: str = ""
    """`terminated` or `truncated` once the episode is over."""

    @classmethod
    def start(
        cls, env: TurnEnv[Any], max_turns: int | None, options: Mapping[str, Any], seed: int | None
    ) -> Game:
        """Begin an episode. Raises `TaskError` for an unknown task or split."""
        observation, info = env.reset(seed=seed, options=dict(options))
        return cls(env, max_turns, observation, info)

    def act(self, action: str, seconds: float = 0.0) -> None:
        """Do `action` and record it."""
        shown, state = self.observation, self.info["state"]
        self.before.append(self.env.snapshot())
        self.observation, reward, terminated, _, self.info = self.env.step(action)
        self.turns.append(
            Turn(
                agent="human",
                prompt_ids=(),
                completion_ids=(),
                logprobs=(),
                entropies=None,
                observation=shown,
                completion=action,
                action=action,
                valid=self.info["valid"],
                rewards={"env": reward, **self.info["rewards"]},
                state=state,
                next_state=self.info["state"],
                wall_seconds=seconds,
            )
        )
        if terminated:
            self.ended = "terminated"
        elif self.max_turns is not None and len(self.turns) >= self.max_turns:
            self.ended = "truncated"

    def undo(self) -> bool:
        """Go back one turn; False at the first."""
        if not self.before:
            return False
        self.observation, self.info = self.env.restore(self.before.pop())
        self.turns.pop()
        self.ended = ""
        return True

    def trajectory(self, split: str, seed: int | None) -> Trajectory:
        """What happened so far. An episode that was left counts as broken off."""
        task: TaskId = self.info["task"]
        left = None if self.ended else "the player left before the end"
        return Trajectory(
            task=task, group=str(task), uid=f"human-{uuid.uuid4().hex[:12]}", turns=tuple(self.turns), 
            success=bool(self.info["success"]),
            score=float(self.info["score"]), stop_reason=self.ended or "error", error=left, split=split, seed=seed,
            tags=tuple(self.info["tags"]),
        )  # fmt: skip


def action_of(line: str, admissible: Sequence[str]) -> tuple[str, str | None]:
    """The action a typed line means, and the blank that is still to be filled in (None when there
    is none).

    `2` is the second admissible action, `1 red shoes` the first with its blank filled in; other
    text is the action itself.
    """
    number, _, rest = line.partition(" ")
    if not number.isdecimal() or not 1 <= int(number) <= len(admissible):
        return line, None
    chosen = admissible[int(number) - 1]
    hole = _HOLE.search(chosen)
    if hole is None:
        return chosen, None
    return (
        (_HOLE.sub(lambda _: rest.strip(), chosen, count=1), None)
        if rest.strip()
        else (chosen, hole.group()[1:-1])
    )


def fill(template: str, text: str) -> str:
    """A template with its first blank filled in."""
    return _HOLE.sub(lambda _: text, template, count=1)
