"""Text to search terms, as Lucene's English analysis does it: words, possessives, lower case, stop words, stems."""

from __future__ import annotations

import re
from functools import lru_cache

from turnwise.envs.webshop.stemmer import stem

STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to "
    "was will with".split()
)
_ASCII = re.compile(
    r"_*[0-9A-Za-z][0-9A-Za-z_]*(?:(?:(?<=[A-Za-z])[:.'](?=[A-Za-z])|(?<=[0-9])[,;.'](?=[0-9]))[0-9A-Za-z_]+)*"
)


def tokens(text: str) -> list[str]:
    """The words of a text, as they stand."""
    return _ASCII.findall(text)


def term(token: str) -> str | None:
    """What a token is indexed as; None for a stop word."""
    if len(token) > 2 and token[-1] in "sS" and token[-2] in "'\u2019\uff07":
        token = token[:-2]
    lower = token.lower()
    return None if lower in STOP_WORDS else stem(lower)


_known = lru_cache(maxsize=1 << 16)(term)


def analyze(text: str) -> list[str]:
    """The search terms of a text, in order, repeats included."""
    return [known for known in map(_known, tokens(text)) if known is not None]
