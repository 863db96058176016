"""One episode played by a person: acting, going back, and recording it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from turnwise.envs.base import Snapshot, TurnEnv
from turnwise.records import TaskId, Trajectory, Turn

_BLANK = re.compile(r"<[^<>]*>")
"""The part of an admissible action that stands for text of the player's own."""


@dataclass
class ManualEpisode:
    """One episode played by a person."""

    env: TurnEnv[Any]
    max_turns: int | None
    observation: str
    info: Mapping[str, Any]
    turns: list[Turn] = field(default_factory=list)
    before: list[Snapshot[Any]] = field(default_factory=list)
    """One snapshot for each turn, for `undo`."""
    ended: str = ""
    """`terminated` or `truncated` once the episode is over."""

    @classmethod
    def start(
        cls, env: TurnEnv[Any], max_turns: int | None, options: Mapping[str, Any], seed: int | None
    ) -> ManualEpisode:
        """Begin an episode. Raises `TaskError` for an unknown task or split."""
        observation, info = env.reset(seed=seed, options=dict(options))
        return cls(env, max_turns, observation, info)

    def act(self, action: str, seconds: float = 0.0) -> None:
        """Apply `action` and record the turn."""
        shown, state = self.observation, self.info["state"]
        self.before.append(self.env.snapshot())
        self.observation, reward, terminated, _, self.info = self.env.step(action)
        self.turns.append(
            Turn(
                agent="human", prompt_ids=(), completion_ids=(), logprobs=(), entropies=None,
                observation=shown, completion=action, action=action, valid=self.info["valid"],
                rewards={"env": reward, **self.info["rewards"]}, state=state,
                next_state=self.info["state"], wall_seconds=seconds,
            )
        )  # fmt: skip
        if terminated:
            self.ended = "terminated"
        elif self.max_turns is not None and len(self.turns) >= self.max_turns:
            self.ended = "truncated"

    def undo(self) -> bool:
        """Go back one turn; return False at the first."""
        if not self.before:
            return False
        self.observation, self.info = self.env.restore(self.before.pop())
        self.turns.pop()
        self.ended = ""
        return True

    def trajectory(self, split: str, seed: int | None) -> Trajectory:
        """Return the episode so far. One that the player left counts as errored."""
        task: TaskId = self.info["task"]
        left = None if self.ended else "the player left before the end"
        return Trajectory(
            task=task, group=str(task), uid=f"human-{uuid.uuid4().hex[:12]}",
            turns=tuple(self.turns), success=bool(self.info["success"]),
            score=float(self.info["score"]), stop_reason=self.ended or "error", error=left,
            split=split, seed=seed, tags=tuple(self.info["tags"]),
        )  # fmt: skip


def action_of(line: str, admissible: Sequence[str]) -> tuple[str, str | None]:
    """Read a typed line: return its action, and the name of a blank that is still open or None.

    `2` is the second admissible action, `1 red shoes` the first with its blank filled in. Other
    text is the action itself.
    """
    number, _, rest = line.partition(" ")
    if not number.isdecimal() or not 1 <= int(number) <= len(admissible):
        return line, None
    chosen = admissible[int(number) - 1]
    blank = _BLANK.search(chosen)
    if blank is None:
        return chosen, None
    if not rest.strip():
        return chosen, blank.group()[1:-1]
    return fill(chosen, rest.strip()), None


def fill(template: str, text: str) -> str:
    """Return a template with its first blank filled in."""
    return _BLANK.sub(lambda _: text, template, count=1)
