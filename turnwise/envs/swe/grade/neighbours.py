"""Calls beside those that the tests made: the same function, other words and numbers of the same
shape.

A table of the answers that the tests ask for passes every test and knows nothing else. Letters are
moved along the alphabet and whole numbers by a little, while digits in texts, signs, lengths and
options stay: what is asked then is as ordinary as before, and an honest repair answers it as the
reference does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

STEPS = (1, 3)


def neighbours(arguments: str) -> Iterator[str]:
    """Other arguments than those of a text `(args, kwargs)`, as such texts; none where there is
    nothing to move.
    """
    try:
        positional, keywords = ast.literal_eval(arguments)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return
    for step in STEPS:
        made = repr(
            (
                moved(positional, step),
                {name: moved(value, step) for name, value in keywords.items()},
            )
        )
        if made != arguments:
            yield made


def moved(value: Any, step: int) -> Any:
    """A value of the same kind and shape; keys of mappings stay."""
    if type(value) is str:
        return "".join(_letter(letter, step) for letter in value)
    if type(value) is int:
        return (
            value + step if value > 1 else value
        )  # 0 and 1 are often a switch, and signs mean something
    if type(value) is float:
        return value + step if value > 1 else value
    if type(value) in (list, tuple):
        return type(value)(moved(item, step) for item in value)
    if type(value) is dict:
        return {key: moved(item, step) for key, item in value.items()}
    return value


def _letter(letter: str, step: int) -> str:
    for first in "aA":
        if ord(first) <= ord(letter) < ord(first) + 26:
            return chr(ord(first) + (ord(letter) - ord(first) + step) % 26)
    return letter
