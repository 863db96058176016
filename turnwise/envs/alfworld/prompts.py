"""Append-only dialogues for ALFWorld: the Act-only and the ReAct agent, each with and without the
admissible commands.

Every observation is a user message and every earlier turn stays, so an episode is one growing text.
`alfworld/act@1` is the Act-only baseline of the ReAct paper (Yao et al. 2023, arXiv 2210.03629,
section 4): the reply is the command and nothing else, after a system message of two words and
without the game's greeting, so that a tiny model can learn it. `alfworld/react@1` asks for a
thought first. `alfworld/act-listed@1` and `alfworld/react-listed@1` end each observation with the
commands that are admissible then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from turnwise.envs.prompt import Action, Message, Prompt, Step

GREETING = "-= Welcome to TextWorld, ALFRED! =-\n\n"
ACTION_LINE = re.compile(r"^[ \t]*action[ \t]*:[ \t]*(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)

REACT_SYSTEM = """\
You are in a house where a task has to be done. The user's first message names the furniture and the task; each further one \
says what came of your last command. You see what is in or on a piece of furniture only when you go there, and what is in a \
closed one only when you open it. You can hold one thing at a time.

You can say:
go to RECEPTACLE, open RECEPTACLE, close RECEPTACLE, examine RECEPTACLE
take OBJECT from RECEPTACLE
{put}
clean OBJECT with SINKBASIN, heat OBJECT with MICROWAVE, cool OBJECT with FRIDGE, slice OBJECT with KNIFE
use LAMP, examine OBJECT, inventory, look
Names carry their number, as in "go to shelf 1". A command that cannot be carried out is answered with "Nothing happens."

Answer each message with exactly two lines:
Thought: what you know, and what to do next
Action: one command"""
PUTS = ("move OBJECT to RECEPTACLE", "put OBJECT in/on RECEPTACLE")
"""How an object is put down: in ALFWorld 0.4, and in data release 2.1.1."""


def shown(step: Step, listed: bool) -> str:
    """An observation as a message: without the greeting, with the admissible commands where they
    are to be listed.
    """
    text = step.observation.removeprefix(GREETING)
    if not listed:
        return text
    commands = [command for command in step.info.get("admissible") or [] if command != "help"]
    return "\n".join([text, "", "Admissible commands:", *commands])


def dialogue(system: str, history: Sequence[Step], listed: bool) -> list[Message]:
    """The system message, then each observation and reply in turn."""
    messages: list[Message] = [{"role": "system", "content": system}]
    for step in history:
        messages.append({"role": "user", "content": shown(step, listed)})
        if step.reply is not None:
            messages.append({"role": "assistant", "content": step.reply})
    return messages


def puts(first: Step) -> str:
    """How this game wants objects put down: the wording that has `help` moves them. Both ways where
    no commands are known.
    """
    commands = first.info.get("admissible") or []
    return PUTS["help" not in commands] if commands else " or ".join(PUTS)


@dataclass(frozen=True, slots=True)
class ALFWorldAct:
    """`alfworld/act@1`, `alfworld/act-listed@1`: the reply is the command."""

    name: str = "alfworld/act@1"
    listed: bool = False

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return dialogue("Do it.", history, self.listed)

    def parse(self, text: str) -> Action:
        action = text.strip()
        if action and "\n" not in action:
            return Action(action, True)
        return Action(
            action, False, "the reply is not one line with a command such as go to shelf 1"
        )

    def reply(self, action: str, thought: str = "") -> str:
        return action


@dataclass(frozen=True, slots=True)
class ALFWorldReact:
    """`alfworld/react@1`, `alfworld/react-listed@1`: a line `Thought: …` and a line `Action: …`;
    the first action counts.
    """

    name: str = "alfworld/react@1"
    listed: bool = False

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return dialogue(REACT_SYSTEM.format(put=puts(history[0])), history, self.listed)

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
    "alfworld/act@1": ALFWorldAct,
    "alfworld/act-listed@1": lambda: ALFWorldAct("alfworld/act-listed@1", listed=True),
    "alfworld/react@1": ALFWorldReact,
    "alfworld/react-listed@1": lambda: ALFWorldReact("alfworld/react-listed@1", listed=True),
}
"""The prompts of this file by name."""
