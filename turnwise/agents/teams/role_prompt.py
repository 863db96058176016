"""Prompts of the members of a team: one user message, rebuilt at every turn.

It has four parts: the role's instruction, the task, the results from the environment, and the
teammates' messages of this round. It is not append-only, because a role's next turn follows
messages that it did not write (Dr. MAS, arXiv 2602.08847, also treats each step as a sample of its
own). `terse` is for tiny models: only the text of the episode, then the role's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from turnwise.envs.prompt import Action, Message, Step


class ReplyForm(Protocol):
    """Form of the replies of a role: written and parsed."""

    def parse(self, text: str) -> Action: ...

    def reply(self, action: str, thought: str = "") -> str: ...


@dataclass(frozen=True, slots=True)
class PlainForm:
    """The reply is the action, and must match `pattern` as a whole."""

    pattern: str

    def parse(self, text: str) -> Action:
        action = text.strip()
        valid = re.fullmatch(self.pattern, action, re.DOTALL) is not None
        return Action(action, valid, "" if valid else "the reply is not what this role may say")

    def reply(self, action: str, thought: str = "") -> str:
        return action


@dataclass(frozen=True, slots=True)
class TaggedForm:
    """Reasoning, then `<tag>…</tag>`; the content of the last tag is the action.

    With `action`, the content is wrapped in `action[…]`. A reply without a tag is passed on as it
    is, and is not valid.
    """

    tag: str
    action: str = ""

    def parse(self, text: str) -> Action:
        found = re.findall(rf"<{self.tag}>(.*?)</{self.tag}>", text, re.DOTALL)
        if not found:
            return Action(text.strip(), False, f"the reply has no <{self.tag}>…</{self.tag}>")
        body = found[-1].strip()
        action = f"{self.action}[{body}]" if self.action else body
        return Action(action, bool(body), "" if body else f"<{self.tag}> is empty")

    def reply(self, action: str, thought: str = "") -> str:
        body = action.removeprefix(f"{self.action}[").removesuffix("]") if self.action else action
        tagged = f"<{self.tag}>{body}</{self.tag}>"
        return f"{thought}\n{tagged}" if thought else tagged


def show_step(before: Step, step: Step) -> str:
    """Return an action of the team, and the observation that followed."""
    return f"{before.action}\n{step.observation.strip()}"


@dataclass(frozen=True, slots=True)
class RolePrompt:
    """The prompt of one role.

    Args:
        role: its name in the orchestration.
        instruction: the system message; left out when `terse`.
        form: how it replies.
        show: writes an earlier action, in `before`, and its result, in `step`.
    """

    name: str
    role: str
    instruction: str
    form: ReplyForm
    terse: bool = False
    show: Callable[[Step, Step], str] = show_step

    def messages(self, history: Sequence[Step]) -> list[Message]:
        """Return the prompt for the last step of `history`."""
        task = history[0].observation.strip()
        past = [self.show(b, s) for b, s in pairwise(history) if s.info.get("fresh")]
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
        """Return the action in a reply."""
        return self.form.parse(text)

    def reply(self, action: str, thought: str = "") -> str:
        """Return the reply that parses as `action`."""
        return self.form.reply(action, thought)
