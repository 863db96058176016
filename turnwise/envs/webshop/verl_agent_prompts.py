"""The windowed prompt of the verl-agent codebase, and `webshop/verl-agent@1`.

GiGPO and its descendants use it.

One user message, rebuilt each turn: the task, how many steps were taken, the last two observations
and actions, the present observation with its segments in quotes, the admissible actions (the
useless `click[search]` among them). A message of more than 13,000 characters is written without
history. Structure, fields and parsing follow the WebShop specification, section 2;
the wording is ours, so scores are not those of the original text: whoever has that text loads it
with `file:` (see `turnwise.envs.template_prompt`), with this prompt's way of answering.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from turnwise.envs.prompt import Action, Message, Prompt, Step
from turnwise.envs.template_prompt import TemplatePrompt

OPENING, CLOSING = "<action>", "</action>"
CHINESE = re.compile("[\u4e00-\u9fff]")

ROLE = """
You act on your own in the WebShop online store, and you shop well.
You have to: {task_description}.
"""
PAST = """\
You have taken {step_count} step(s) so far. The last {history_length} observations, \
each with the action you took:
{action_history}
This is step {current_step}.
"""
PRESENT = """You observe now: {current_observation}.
The actions admissible here are:
[
{available_actions}
].

Take one action now.
Reason first, step by step, about where you are and which admissible action brings you closest to \
the purchase; \
put the reasoning inside <think> </think>.
Then give the admissible action you choose inside <action> </action>.
"""


@dataclass(frozen=True, slots=True)
class VerlAgent:
    """Parses and writes replies as that codebase does. A subclass has an environment's words."""

    name: str
    first: str
    """The template of the first turn."""
    later: str
    fallback: int
    """Last characters of a reply without an action block that are given to the environment, which
    then does nothing."""
    max_chars: int = 0

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return TemplatePrompt(
            self.name, self, self.first, self.later, history=2, max_chars=self.max_chars
        ).messages(history)

    def parse(self, text: str) -> Action:
        """Return the first action block, lower-cased, whether or not it is admissible."""
        lower = text.lower()
        start, end = lower.find(OPENING), lower.find(CLOSING)
        if start < 0 or end < 0:
            return Action(lower[-self.fallback :], False, "the reply has no <action> … </action>")
        action = lower[start + len(OPENING) : end].strip()
        if "<think>" not in text or "</think>" not in text:
            return Action(action, False, "the reply has no <think> … </think>")
        if CHINESE.search(text):
            return Action(action, False, "the reply has Chinese characters")
        return Action(action, True)

    def reply(self, action: str, thought: str = "") -> str:
        return f"<think>{thought}</think><action>{action}</action>"


@dataclass(frozen=True, slots=True)
class WebShopVerlAgent(VerlAgent):
    """`webshop/verl-agent@1`."""

    name: str = "webshop/verl-agent@1"
    first: str = ROLE + PRESENT
    later: str = ROLE + PAST + PRESENT
    fallback: int = 20
    max_chars: int = 13_000


PROMPTS: dict[str, Callable[[], Prompt]] = {"webshop/verl-agent@1": WebShopVerlAgent}
"""Factories of the prompts in this module, by name."""
