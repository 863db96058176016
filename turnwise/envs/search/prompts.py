"""Prompts for answering questions by search, in three formats.

* `search/act@1`: the reply is `search[query]` or `answer[text]` and nothing else, without a system
  message: for tiny models.
* `search/react@1`: a line `Thought: …` and a line `Action: …` (ReAct, arXiv 2210.03629), as a chat.
* `search/search-r1@1`: one growing text without a chat template, in which the model writes
  `<think>…</think>` and then `<search>…</search>` or `<answer>…</answer>`, and what was found comes
  back as `<information>…</information>`. The tags and the structure are Search-R1's (arXiv
  2503.09516), the instruction is in our words. A reply ends at its first complete search or answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from turnwise.envs.dialogue_prompts import DialoguePrompt
from turnwise.envs.prompt import RAW, Action, Message, Prompt, Step

CALL = re.compile(r"(search|answer)\[.+\]", re.IGNORECASE | re.DOTALL)
TAGGED = re.compile(r"<(search|answer)>(.*?)</\1>", re.DOTALL)

REACT_SYSTEM = """\
Answer the question. You do not know the answer yourself; look it up. Each search shows you a few passages, and it may take \
several searches until you have every fact you need.

You can do two things:
search[words] looks for passages; names find most.
answer[text] gives the answer and ends the task; write the bare name or year.

Answer each message with exactly two lines:
Thought: what you know now and what is missing
Action: search[words] or answer[text]"""
SEARCH_R1_START = """\
Answer the question below. Whenever you get something new, first reason about it between <think> and </think>. If a fact is \
missing, write <search> what to look for </search>; what is found is put between <information> and </information>. Search as often \
as you need to. When you know enough, write nothing but the answer itself between <answer> and </answer>, such as \
<answer> Paris </answer>.
Question: """
SEARCH_R1_WRONG = "That was neither a complete <search> nor a complete <answer>, so nothing was done. Try once more."


@dataclass(frozen=True, slots=True)
class SearchR1:
    """`search/search-r1@1`: the first complete search or answer counts."""

    name: ClassVar[str] = "search/search-r1@1"
    template: ClassVar[str] = RAW
    endings: ClassVar[str] = ">"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        first, *later = history
        messages: list[Message] = [
            {"role": "user", "content": f"{SEARCH_R1_START}{first.observation}\n"}
        ]
        for before, step in zip(history, later, strict=False):
            messages.append({"role": "assistant", "content": before.reply or ""})
            said = (
                f"<information>{step.observation}</information>"
                if step.info.get("valid", True)
                else SEARCH_R1_WRONG
            )
            messages.append({"role": "user", "content": f"\n\n{said}\n\n"})
        return messages

    def ended(self, text: str) -> bool:
        return TAGGED.search(text) is not None

    def parse(self, text: str) -> Action:
        found = TAGGED.search(text)
        if found is None:
            return Action(
                "", False, "the reply has neither a complete <search> nor a complete <answer>"
            )
        argument = found[2].strip()
        if not argument:
            return Action("", False, f"there is nothing between <{found[1]}> and </{found[1]}>")
        return Action(f"{found[1]}[{argument}]", True)

    def reply(self, action: str, thought: str = "") -> str:
        name, _, rest = action.partition("[")
        return f"<think> {thought or 'This is the next step.'} </think>\n<{name}> {rest.removesuffix(']')} </{name}>"


PROMPTS: dict[str, Callable[[], Prompt]] = {
    "search/act@1": lambda: DialoguePrompt(
        "search/act@1", form=CALL, malformed="the reply is not search[words] or answer[text]"
    ),
    "search/react@1": lambda: DialoguePrompt(
        "search/react@1", REACT_SYSTEM, thoughts=True, form=CALL,
        malformed="the action is not of the form search[words] or answer[text]",
    ),
    "search/search-r1@1": SearchR1,
}  # fmt: skip
"""Factories of the prompts in this module, by name."""
