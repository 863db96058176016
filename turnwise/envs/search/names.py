"""Invented words, so that nothing can be known without looking it up, and each split's words are
its own.

A word is a few syllables, or a syllable and a number. A hash of the word says which split it
belongs to (8, 1 and 1 tenths of all), so no name of a held-out world has a word that stood in a
name in training, while its parts did. Within a world no two words have the same stem, and none is a
word of the wording: what is searched is found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Set

from turnwise.envs.seeding import Draw
from turnwise.retrieval.analyzer import analyze

VOWELS = "aeiou"
SHORT = tuple("bdfgklmnprstvz")
LONG = (*SHORT, "br", "dr", "kr", "tr", "st", "pl", "gr", "sk")
CODAS = ("", "", "", "l", "n", "r", "m", "k", "th", "rd")
TENTHS = {"train": range(8), "dev": range(8, 9), "test": range(9, 10)}


def tenth(word: str) -> int:
    """0 to 9: which tenth of all words this one belongs to."""
    return hashlib.blake2b(word.encode(), digest_size=8).digest()[0] * 10 // 256


class Words:
    """New words for one world.

    Args:
        short: an open syllable and two digits (`ba17`), 7,000 words in all, which are two tokens
            for any tokenizer that does not merge letters with digits; otherwise two or three
            syllables of any kind (`Sturilan`).
        reserved: words that none may share a stem with.
    """

    def __init__(self, draw: Draw, split: str, short: bool, reserved: Set[str]) -> None:
        self._draw, self._tenths, self._short = draw, TENTHS[split], short
        self._stems = {stem for word in reserved for stem in analyze(word)}

    def new(self) -> str:
        """A word that was not given before, in lower case."""
        while True:
            word = self._short_word() if self._short else self._long_word()
            stems = analyze(word)
            # Where the stem is shorter than the word, two inflections of one "word" would be the
            # same to the search.
            if tenth(word) in self._tenths and stems == [word] and word not in self._stems:
                self._stems.add(word)
                return word

    def _short_word(self) -> str:
        return f"{self._draw.pick(SHORT)}{self._draw.pick(VOWELS)}{self._draw.below(100):02d}"

    def _long_word(self) -> str:
        count = self._draw.between(2, 3)
        body = "".join(self._draw.pick(LONG) + self._draw.pick(VOWELS) for _ in range(count))
        return body + self._draw.pick(CODAS)
