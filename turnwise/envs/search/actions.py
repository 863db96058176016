"""What an agent writes: `search[query]` or `answer[text]`, and nothing else."""

from __future__ import annotations

import re
from typing import NamedTuple

ADMISSIBLE = ("search[<query>]", "answer[<text>]")
HELP = "The actions are search[query] and answer[text]."
_CALL = re.compile(r"\s*(search|answer)\[(.*)\]\s*", re.IGNORECASE | re.DOTALL)


class Call(NamedTuple):
    """An action that was understood."""

    name: str
    """`search` or `answer`."""
    argument: str
    """Without blanks around it, and with one blank for any run of them inside."""


def parse(action: str) -> Call | None:
    """The call an action is; None where it is none, or has nothing but blanks between its brackets."""
    found = _CALL.fullmatch(action)
    if found is None:
        return None
    argument = " ".join(found[2].split())
    return Call(found[1].lower(), argument) if argument else None
