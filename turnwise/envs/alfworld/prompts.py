"""Append-only dialogues for ALFWorld, each with and without the admissible commands.

`alfworld/act@1` is the Act-only baseline of the ReAct paper (Yao et al. 2023, arXiv 2210.03629,
section 4), after a system message of two words and without the game's greeting, so that a tiny
model can learn it. `alfworld/react@1` asks for a thought first. `alfworld/act-listed@1` and
`alfworld/react-listed@1` end each observation with the admissible commands.
"""

from __future__ import annotations

from collections.abc import Callable

from turnwise.envs.dialogue_prompts import DialoguePrompt, with_commands
from turnwise.envs.prompt import Prompt, Step

GREETING = "-= Welcome to TextWorld, ALFRED! =-\n\n"

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
"""The command that puts an object down: in ALFWorld 0.4, and in data release 2.1.1."""
ONE_COMMAND = "the reply is not one line with a command such as go to shelf 1"


class ALFWorldDialogue(DialoguePrompt):
    """Observations without the greeting, and without `help` among the listed commands."""

    __slots__ = ()

    def system_for(self, first: Step) -> str:
        return self.system.format(put=put_command(first))

    def show(self, step: Step, turn: int) -> str:
        text = step.observation.removeprefix(GREETING)
        commands = step.info.get("admissible") or []
        return with_commands(text, [c for c in commands if c != "help"]) if self.listed else text


def put_command(first: Step) -> str:
    """Return how this game puts objects down; both ways where its commands are not known.

    Only the wording of ALFWorld 0.4, which moves them, has a command `help`.
    """
    commands = first.info.get("admissible") or []
    return PUTS["help" not in commands] if commands else " or ".join(PUTS)


def _act(name: str, listed: bool = False) -> Prompt:
    return ALFWorldDialogue(name, "Do it.", malformed=ONE_COMMAND, listed=listed)


def _react(name: str, listed: bool = False) -> Prompt:
    return ALFWorldDialogue(
        name, REACT_SYSTEM, thoughts=True, malformed="nothing stands after Action:", listed=listed
    )


PROMPTS: dict[str, Callable[[], Prompt]] = {
    "alfworld/act@1": lambda: _act("alfworld/act@1"),
    "alfworld/act-listed@1": lambda: _act("alfworld/act-listed@1", listed=True),
    "alfworld/react@1": lambda: _react("alfworld/react@1"),
    "alfworld/react-listed@1": lambda: _react("alfworld/react-listed@1", listed=True),
}
"""Factories of the prompts in this module, by name."""
