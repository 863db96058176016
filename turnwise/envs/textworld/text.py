"""Parser of what the interpreter prints: events, score, and the text for the agent.

With tracing on, a TextWorld game prints `[taking the key]` … `[taking the key - succeeded]` around
what happens, and score and turns in tags. `raw` is the text that TextWorld's own environments show;
`tidy` is the same without the title's letters, the prompt with its status line and the closing
menu, which are meant for people at terminals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SETUP_COMMANDS = ("tw-extra-infos moves", "tw-extra-infos score", "tw-trace-actions")
"""Sent before an episode, as TextWorld does."""
REFUSED = "That's not a verb I recognise."
"""The game's own words, used as the answer to commands that are not for players."""
_NOT_FOR_PLAYERS = re.compile(
    r"\b(save|restore|restart|quit|q|script|transcript|noscript|unscript|version|verify|recording"
    r"|replay|undo|tw-[a-z-]+)\b"
)
_TAG = re.compile(r"\[[^]]+\]\n?")
_SUCCEEDED = " - succeeded"
_STATUS = re.compile(r"\s*>?[ ]{8,}-= [^\n]* =-\s*-?\d+/\d+\s*\Z")
_TITLE = re.compile(r"\A(?:[ \t]*[_|$\\/<> \t]*\n)+")
_MENU = re.compile(
    r"\s*Would you like to RESTART, RESTORE a saved game, QUIT or UNDO the last command\?\s*>?\s*\Z"
)
_MARGIN = re.compile(r"\A {8,}")
_GAPS = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")


@dataclass(frozen=True, slots=True)
class Answer:
    """The parsed answer to one command."""

    raw: str
    events: tuple[str, ...]
    """Actions that succeeded, in order, such as `going north`, without those inside others."""
    score: int | None
    """None if the game did not print it, because it is as before."""
    won: bool
    lost: bool


def command_of(action: str) -> str:
    """Return an action in the form the interpreter accepts: one line, single blanks, ASCII."""
    return " ".join(action.split()).encode("ascii", "replace").decode()


def refused(command: str) -> bool:
    """Return whether a command addresses the interpreter and not the game.

    `save` writes a file, and `version` shows the day of compilation.
    """
    return _NOT_FOR_PLAYERS.search(command.lower()) is not None


def read(printed: str) -> Answer:
    """Parse what the interpreter printed."""
    text, score = printed, None
    for tag in ("moves", "score"):
        found = re.search(rf"<{tag}>\n(.*)</{tag}>", text, re.DOTALL)
        if found is not None:
            text = text.replace(found.group(0), "")
            if tag == "score":
                score = int(found.group(1).split()[0])
    events = []
    for tag in _TAG.findall(text):
        text = text.replace(tag, "")
        event, succeeded, _ = tag.strip()[1:-1].partition(_SUCCEEDED)
        if succeeded and "(" not in event and ")" not in event:
            events.append(event)
    won, lost = "*** The End ***" in text, "*** You lost! ***" in text
    return Answer(text, tuple(events), score, won, lost)


def tidy(raw: str) -> str:
    """Return the text without its decoration for terminals."""
    text = _STATUS.sub("", raw)
    text = _MENU.sub("", text)
    text = _TITLE.sub("", text.lstrip("\n"))
    lines = (_MARGIN.sub("", line.rstrip()) for line in text.split("\n"))
    return _GAPS.sub("\n\n", "\n".join(lines)).strip()
