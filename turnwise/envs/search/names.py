"""Invented words for the names in generated worlds.

A word consists of a few syllables, or of a syllable and a number. A hash of the word assigns it to
a split (80 / 10 / 10 %), so no word of a name in training occurs in a name of a held-out world,
though its syllables do. Within a world all words have different stems, and none is a word that the
passages use for something else, so a search for a name finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Set

from turnwise.envs.seeding import Draw
from turnwise.retrieval.analyzer import analyze

VOWELS = "aeiou"
SHORT_ONSETS = tuple("bdfgklmnprstvz")
ONSETS = (*SHORT_ONSETS, "br", "dr", "kr", "tr", "st", "pl", "gr", "sk")
CODAS = ("", "", "", "l", "n", "r", "m", "k", "th", "rd")
TENTHS = {"train": range(8), "dev": range(8, 9), "test": range(9, 10)}


def tenth(word: str) -> int:
    """Return which tenth of all words, 0 to 9, this one belongs to."""
    return hashlib.blake2b(word.encode(), digest_size=8).digest()[0] * 10 // 256


class Words:
    """New words for one world.

    Args:
        split: the split whose words are drawn.
        short: whether a word is an open syllable and two digits (`ba17`, 7,000 words in all; two
            tokens for any tokenizer that does not merge letters with digits) instead of two or
            three syllables (`Sturilan`).
        reserved: words with which no new word shares a stem.
    """

    def __init__(self, draw: Draw, split: str, short: bool, reserved: Set[str]) -> None:
        self._draw, self._tenths, self._short = draw, TENTHS[split], short
        self._stems = {stem for word in reserved for stem in analyze(word)}

    def new(self) -> str:
        """Return a lower-case word that was not returned before."""
        while True:
            word = self._short_word() if self._short else self._long_word()
            stems = analyze(word)
            # A word that is longer than its stem is left out: the index could not tell it from
            # another word with the same stem.
            if tenth(word) in self._tenths and stems == [word] and word not in self._stems:
                self._stems.add(word)
                return word

    def _short_word(self) -> str:
        syllable = self._draw.pick(SHORT_ONSETS) + self._draw.pick(VOWELS)
        return f"{syllable}{self._draw.below(100):02d}"

    def _long_word(self) -> str:
        count = self._draw.between(2, 3)
        body = "".join(self._draw.pick(ONSETS) + self._draw.pick(VOWELS) for _ in range(count))
        return body + self._draw.pick(CODAS)
