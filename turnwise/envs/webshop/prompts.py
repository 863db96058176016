"""Append-only dialogues for WebShop: the Act-only and the ReAct agent.

Both show each page as a user message and keep every earlier turn, so an episode is one growing
text. `webshop/act@1` is the Act-only baseline of the ReAct paper (Yao et al. 2023, arXiv
2210.03629, section 3): the reply is the action and nothing else, after a system message of three
words and with the instruction said once, so that a tiny model can learn it. `webshop/react@1` asks
for a thought first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from turnwise.envs.prompt import Action, Message, Prompt, Step

CALL = re.compile(r"[A-Za-z]+\[.+\]")
ACTION_LINE = re.compile(r"^[ \t]*action[ \t]*:[ \t]*(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)

REACT_SYSTEM = """\
You are shopping in a web shop. The user's messages show you one page after another; [SEP] stands between the parts of a page. \
Each page repeats the instruction that says what to buy. Find a product that fits every part of it, choose the options it \
asks for, stay under its price, and buy.

You can do two things:
search[words] looks for products; it works on every page.
click[part] presses a button, opens a product by its code, or chooses an option; write the part as the page shows it.
The purchase is made with click[buy now] and ends the task.

Answer each page with exactly two lines:
Thought: what you see and what to do about it
Action: search[words] or click[part]"""


def dialogue(system: str, history: Sequence[Step], repeat: bool = True) -> list[Message]:
    """The system message, then each observation and reply in turn; the instruction on every page,
    or (`repeat=False`) once.
    """
    messages: list[Message] = [{"role": "system", "content": system}]
    for number, step in enumerate(history):
        said = f"Instruction: [SEP] {step.info.get('instruction', '')} [SEP] "
        page = step.observation if repeat or number == 0 else step.observation.replace(said, "", 1)
        messages.append({"role": "user", "content": page})
        if step.reply is not None:
            messages.append({"role": "assistant", "content": step.reply})
    return messages


@dataclass(frozen=True, slots=True)
class WebShopAct:
    """`webshop/act@1`: the reply is the action."""

    name: ClassVar[str] = "webshop/act@1"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return dialogue("Buy it.", history, repeat=False)

    def parse(self, text: str) -> Action:
        action = text.strip()
        if CALL.fullmatch(action):
            return Action(action, True)
        return Action(
            action, False, "the reply is not one action such as search[words] or click[part]"
        )

    def reply(self, action: str, thought: str = "") -> str:
        return action


@dataclass(frozen=True, slots=True)
class WebShopReact:
    """`webshop/react@1`: a line `Thought: …` and a line `Action: …`; the first action line counts."""

    name: ClassVar[str] = "webshop/react@1"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return dialogue(REACT_SYSTEM, history)

    def parse(self, text: str) -> Action:
        found = ACTION_LINE.search(text)
        if found is None:
            return Action("", False, "the reply has no line that begins with Action:")
        action = found.group(1)
        if not CALL.fullmatch(action):
            return Action("", False, "the action is not of the form search[words] or click[part]")
        return Action(action, True)

    def reply(self, action: str, thought: str = "") -> str:
        return f"Thought: {thought or 'This is the next step.'}\nAction: {action}"


PROMPTS: dict[str, Callable[[], Prompt]] = {
    "webshop/act@1": WebShopAct,
    "webshop/react@1": WebShopReact,
}
"""The prompts of this file by name."""
