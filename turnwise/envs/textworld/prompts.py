"""Append-only dialogues for TextWorld, each with and without the admissible commands.

The first message is the game's opening, which says what is to be done. `textworld/act@1` is the
Act-only baseline of the ReAct paper (Yao et al. 2023, arXiv 2210.03629), after a system message of
two words, so that a tiny model can learn it. `textworld/react@1` asks for a thought first and lists
no commands, as the Practitioner's Guide to multi-turn agentic RL does (arXiv 2510.01132).
`textworld/act-listed@1` and `textworld/react-listed@1` end each observation with the admissible
commands.
"""

from __future__ import annotations

from collections.abc import Callable

from turnwise.envs.dialogue_prompts import DialoguePrompt, with_commands
from turnwise.envs.prompt import Prompt, Step

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
ONE_COMMAND = "the reply is not one line with a command such as open door"


class TextWorldDialogue(DialoguePrompt):
    """The observation as it is, with the admissible commands where they are listed."""

    __slots__ = ()

    def show(self, step: Step, turn: int) -> str:
        if not self.listed:
            return step.observation
        return with_commands(step.observation, step.info.get("admissible") or [])


def _act(name: str, listed: bool = False) -> Prompt:
    return TextWorldDialogue(name, "Win it.", malformed=ONE_COMMAND, listed=listed)


def _react(name: str, listed: bool = False) -> Prompt:
    return TextWorldDialogue(
        name, REACT_SYSTEM, thoughts=True, malformed="nothing stands after Action:", listed=listed
    )


PROMPTS: dict[str, Callable[[], Prompt]] = {
    "textworld/act@1": lambda: _act("textworld/act@1"),
    "textworld/act-listed@1": lambda: _act("textworld/act-listed@1", listed=True),
    "textworld/react@1": lambda: _react("textworld/react@1"),
    "textworld/react-listed@1": lambda: _react("textworld/react-listed@1", listed=True),
}
"""Factories of the prompts in this module, by name."""
