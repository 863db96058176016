"""Append-only dialogues: every observation is a user message and every earlier turn stays.

Both agents of the ReAct paper (Yao et al. 2023, arXiv 2210.03629) are here. In the Act-only
baseline the reply is the action and nothing else, so that a tiny model can learn it. In ReAct a
line `Thought: …` comes before a line `Action: …`, and the first action line counts.

`text/act@1` and `text/react@1` fit any text environment, so that your own can be evaluated and
trained before it has a prompt. The prompts of an environment are instances with
its words; one that shows its observations differently overrides `show`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from turnwise.envs.prompt import Action, Message, Prompt, Step

ACTION_LINE = re.compile(r"^[ \t]*action[ \t]*:[ \t]*(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)
ONE_LINE = re.compile(r".+")
ANY_TEXT = re.compile(r".+", re.DOTALL)

ANY_REACT_SYSTEM = """\
You act in an environment made of text. The user's first message says what you have to do; each \
message shows what you observe now and, where they are known, the actions you can take. In an \
action, <words> in angle brackets stand for text of your own.

Answer each message with exactly two lines:
Thought: what you know, and what to do next
Action: one action"""


@dataclass(frozen=True, slots=True)
class DialoguePrompt:
    """A system message, then each observation and reply in turn."""

    name: str
    system: str = ""
    """Left out when empty."""
    thoughts: bool = False
    """True for ReAct's two lines; False where the whole reply is the action."""
    form: re.Pattern[str] = ONE_LINE
    """Pattern that a valid action matches as a whole."""
    malformed: str = "the reply is not one line"
    """The reason given for an action that does not match."""
    listed: bool = False
    """Whether each observation ends with the admissible actions."""

    def messages(self, history: Sequence[Step]) -> list[Message]:
        system = self.system_for(history[0])
        messages: list[Message] = [{"role": "system", "content": system}] if system else []
        for turn, step in enumerate(history):
            messages.append({"role": "user", "content": self.show(step, turn)})
            if step.reply is not None:
                messages.append({"role": "assistant", "content": step.reply})
        return messages

    def system_for(self, first: Step) -> str:
        """Return the system message of an episode that begins with `first`."""
        return self.system

    def show(self, step: Step, turn: int) -> str:
        """Return the user message for the observation of turn `turn`, counted from 0."""
        return step.observation

    def parse(self, text: str) -> Action:
        if not self.thoughts:
            action = text.strip()
            fits = self.form.fullmatch(action) is not None
            return Action(action, fits, "" if fits else self.malformed)
        found = ACTION_LINE.search(text)
        if found is None:
            return Action("", False, "the reply has no line that begins with Action:")
        if not self.form.fullmatch(found[1]):
            return Action("", False, self.malformed)
        return Action(found[1], True)

    def reply(self, action: str, thought: str = "") -> str:
        if not self.thoughts:
            return action
        return f"Thought: {thought or 'This is the next step.'}\nAction: {action}"


def with_commands(observation: str, commands: Sequence[str]) -> str:
    """Return the observation, an empty line and the admissible commands, one a line."""
    return "\n".join([observation, "", "Admissible commands:", *commands])


class AnyTextPrompt(DialoguePrompt):
    """The instruction once, each observation, and the admissible actions where there are any."""

    __slots__ = ()

    def show(self, step: Step, turn: int) -> str:
        parts = [step.observation]
        instruction = str(step.info.get("instruction", ""))
        if turn == 0 and instruction not in step.observation:
            parts.insert(0, f"Task: {instruction}")
        if step.info.get("admissible"):
            parts.append("\n".join(["Actions:", *step.info["admissible"]]))
        return "\n\n".join(parts)


PROMPTS: dict[str, Callable[[], Prompt]] = {
    "text/act@1": lambda: AnyTextPrompt(
        "text/act@1", form=ANY_TEXT, malformed="the reply is empty"
    ),
    "text/react@1": lambda: AnyTextPrompt(
        "text/react@1", ANY_REACT_SYSTEM, thoughts=True, malformed="nothing stands after Action:"
    ),
}
"""Factories of the prompts in this module, by name."""
