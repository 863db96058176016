"""Append-only dialogues for WebShop: the Act-only and the ReAct agent.

`webshop/act@1` is the Act-only baseline of the ReAct paper (Yao et al. 2023, arXiv 2210.03629,
section 3): the reply is the action, after a system message of two words and with the instruction
on the first page alone, so that a tiny model can learn it. `webshop/react@1` asks for a thought
first and leaves every page as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from turnwise.envs.dialogue_prompts import DialoguePrompt
from turnwise.envs.prompt import Prompt, Step

CALL = re.compile(r"[A-Za-z]+\[.+\]")

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


class WebShopAct(DialoguePrompt):
    """Pages without the instruction, but for the first."""

    __slots__ = ()

    def show(self, step: Step, turn: int) -> str:
        repeated = f"Instruction: [SEP] {step.info.get('instruction', '')} [SEP] "
        return step.observation.replace(repeated, "", 1) if turn else step.observation


PROMPTS: dict[str, Callable[[], Prompt]] = {
    "webshop/act@1": lambda: WebShopAct(
        "webshop/act@1", "Buy it.", form=CALL,
        malformed="the reply is not one action such as search[words] or click[part]",
    ),
    "webshop/react@1": lambda: DialoguePrompt(
        "webshop/react@1", REACT_SYSTEM, thoughts=True, form=CALL,
        malformed="the action is not of the form search[words] or click[part]",
    ),
}  # fmt: skip
"""Factories of the prompts in this module, by name."""
