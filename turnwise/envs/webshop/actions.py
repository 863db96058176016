"""Reading an action as the original does: `search[keywords]` or `click[value]`, and anything else
does nothing.

The original matches `(.+)\\[(.+)\\]` at the start of the string and lower-cases the argument. The
match is greedy, so the argument runs to the last `]` and text after it is ignored; no newline may
stand before that; the name is neither lower-cased nor stripped, so `Search[x]` does nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_PATTERN = re.compile(r"(.+)\[(.+)\]")
SEARCH_TEMPLATE = "search[<your query>]"
"""Stands for free text in a list of admissible actions."""


class Call(NamedTuple):
    """An action's name and its argument in lower case."""

    name: str
    argument: str


def parse(action: str) -> Call | None:
    """The call that `action` makes, or None where it makes none."""
    match = _PATTERN.match(action)
    return Call(match[1], match[2].lower()) if match else None


def as_action(clickable: str) -> str:
    """A clickable as a whole action: the search box is a template, everything else a click."""
    return SEARCH_TEMPLATE if clickable == "search" else f"click[{clickable}]"
