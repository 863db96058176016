"""How a member of a team is told what to do: one message, made anew each turn.

Four parts, in our own words: the role's instruction, the task, what the environment showed, and the
teammates' outputs of this round. Nothing is appended, because a role's next turn comes after
messages it did not write (in Dr. MAS, arXiv 2602.08847, too, each step is a sample of its own).
`terse` is for tiny models: no words but those of the episode, and the role's name at the end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from turnwise.envs.prompt import Action, Message, Step


class Form(Protocol):
    """How a role's replies are read and written."""

    def parse(self, text: str) -> Action: ...

    def reply(self, action: str, thought: str = "") -> str: ...


@dataclass(frozen=True, slots=True)
class Plain:
    """The reply is the action: one that matches `pattern` as a whole."""

    pattern: str

    def parse(self, text: str) -> Action:
        said = text.strip()
        valid = re.fullmatch(self.pattern, said, re.DOTALL) is not None
        return Action(said, valid, "" if valid else "the reply is not what this role may say")

    def reply(self, action: str, thought: str = "") -> str:
        return action


@dataclass(frozen=True, slots=True)
class Tagged:
    """Reasoning, then `<tag>…</tag>`; what the last one holds is the action, or stands within
    `action[…]`.

    A reply without a tag is handed on as it is, and is not valid.
    """

    tag: str
    action: str = ""

    def parse(self, text: str) -> Action:
        found = re.findall(rf"<{self.tag}>(.*?)</{self.tag}>", text, re.DOTALL)
        if not found:
            return Action(text.strip(), False, f"the reply has no <{self.tag}>…</{self.tag}>")
        body = found[-1].strip()
        return Action(
            f"{self.action}[{body}]" if self.action else body,
            bool(body),
            "" if body else f"<{self.tag}> is empty",
        )

    def reply(self, action: str, thought: str = "") -> str:
        body = action.removeprefix(f"{self.action}[").removesuffix("]") if self.action else action
        said = f"<{self.tag}>{body}</{self.tag}>"
        return f"{thought}\n{said}" if thought else said


def told(before: Step, step: Step) -> str:
    """An action of the team and what the environment said to it."""
    return f"{before.action}\n{step.observation.strip()}"


@dataclass(frozen=True, slots=True)
class RolePrompt:
    """The prompt of one role.

    Args:
        role: its name in the play.
        instruction: what it is to do; not said when `terse`.
        form: how it answers.
        shown: how an earlier action, `before`, and its result, `step`, are written.
    """

    name: str
    role: str
    instruction: str
    form: Form
    terse: bool = False
    shown: Callable[[Step, Step], str] = told

    def messages(self, history: Sequence[Step]) -> list[Message]:
        task = history[0].observation.strip()
        past = [self.shown(b, s) for b, s in pairwise(history) if s.info.get("fresh")]
        board = [f"{agent}: {text}" for agent, text in history[-1].info.get("board", ())]
        if self.terse:
            return [{"role": "user", "content": "\n".join([task, *past, *board, f"{self.role}:"])}]
        parts = [f"The task:\n{task}"]
        if past:
            parts.append("What was done so far, and what came of it:\n" + "\n\n".join(past))
        if board:
            parts.append("What your teammates said:\n" + "\n\n".join(board))
        parts.append(f"You are the {self.role}. It is your turn.")
        return [
            {"role": "system", "content": self.instruction},
            {"role": "user", "content": "\n\n".join(parts)},
        ]

    def parse(self, text: str) -> Action:
        return self.form.parse(text)

    def reply(self, action: str, thought: str = "") -> str:
        return self.form.reply(action, thought)
