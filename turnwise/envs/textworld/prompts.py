"""Append-only dialogues for TextWorld: the Act-only and the ReAct agent, each with and without the
admissible commands.

Every observation is a user message and every earlier turn stays, so an episode is one growing text;
the game's opening, the first message, says what is to be done. `textworld/act@1` is the Act-only
baseline of the ReAct paper (Yao et al. 2023, arXiv 2210.03629): the reply is the command and
nothing else, after a system message of two words, so that a tiny model can learn it.
`textworld/react@1` asks for a thought first and, as the Practitioner's Guide to multi-turn agentic
RL does (arXiv 2510.01132), lists no commands. `textworld/act-listed@1` and
`textworld/react-listed@1` end each observation with those admissible then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from turnwise.envs.prompt import Action, Message, Prompt, Step

ACTION_LINE = re.compile(r"^[ \t]*action[ \t]*:[ \t]*(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)

REACT_SYSTEM = """\
You are playing a text adventure. The user's first message says what you have to do and where you are; each further one says \
what came of your last command. You see only the room you are in, and the inside of containers that are open.

Commands the game understands, with the names as it shows them:
go north, go south, go east, go west, look, inventory, examine THING
take THING, take THING from PLACE, drop THING, put THING on SUPPORTER, insert THING into CONTAINER
open DOOR or CONTAINER, close DOOR or CONTAINER, unlock DOOR or CONTAINER with KEY, lock DOOR or CONTAINER with KEY
eat FOOD, cook FOOD with APPLIANCE, slice FOOD with KNIFE, dice FOOD with KNIFE, chop FOOD with KNIFE, prepare meal

Answer each message with exactly two lines:
Thought: what you know, and what to do next
Action: one command"""


def dialogue(system: str, history: Sequence[Step], listed: bool) -> list[Message]:
    """The system message, then each observation (with the admissible commands where they are
    listed) and reply in turn.
    """
    messages: list[Message] = [{"role": "system", "content": system}]
    for step in history:
        text = step.observation
        if listed:
            text = "\n".join(
                [text, "", "Admissible commands:", *(step.info.get("admissible") or [])]
            )
        messages.append({"role": "user", "content": text})
        if step.reply is not None:
            messages.append({"role": "assistant", "content": step.reply})
    return messages


@dataclass(frozen=True, slots=True)
class TextWorldAct:
    """`textworld/act@1`, `textworld/act-listed@1`: the reply is the command."""

    name: str = "textworld/act@1"
    listed: bool = False

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return dialogue("Win it.", history, self.listed)

    def parse(self, text: str) -> Action:
        action = text.strip()
        if action and "\n" not in action:
            return Action(action, True)
        return Action(action, False, "the reply is not one line with a command such as open door")

    def reply(self, action: str, thought: str = "") -> str:
        return action


@dataclass(frozen=True, slots=True)
class TextWorldReact:
    """`textworld/react@1`, `textworld/react-listed@1`: a line `Thought: …` and a line `Action: …`;
    the first action counts.
    """

    name: str = "textworld/react@1"
    listed: bool = False

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return dialogue(REACT_SYSTEM, history, self.listed)

    def parse(self, text: str) -> Action:
        found = ACTION_LINE.search(text)
        if found is None:
            return Action("", False, "the reply has no line that begins with Action:")
        if not found.group(1):
            return Action("", False, "nothing stands after Action:")
        return Action(found.group(1), True)

    def reply(self, action: str, thought: str = "") -> str:
        return f"Thought: {thought or 'This is the next step.'}\nAction: {action}"


PROMPTS: dict[str, Callable[[], Prompt]] = {
    "textworld/act@1": TextWorldAct,
    "textworld/act-listed@1": lambda: TextWorldAct("textworld/act-listed@1", listed=True),
    "textworld/react@1": TextWorldReact,
    "textworld/react-listed@1": lambda: TextWorldReact("textworld/react-listed@1", listed=True),
}
"""The prompts of this file by name."""
