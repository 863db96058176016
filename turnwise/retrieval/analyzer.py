"""Text analysis as in Lucene's English analyzer.

A text is split into words, possessive endings are removed, and what remains is lower-cased,
filtered for stop words and stemmed. Words follow Unicode's word breaking (UAX #29) in Lucene's
variant: a segment without a letter or digit is dropped; a single ideograph, a run of a South East
Asian script and an emoji sequence are each one word. The grammar below is written over the
character classes of `turnwise.retrieval.wordbreak`; the longest match is taken.

Source: Lucene 9's `StandardTokenizer`, `EnglishPossessiveFilter`, `LowerCaseFilter`, `StopFilter`
and `PorterStemFilter`, Anserini's default chain.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from turnwise.retrieval.automaton import Automaton
from turnwise.retrieval.stemmer import stem
from turnwise.retrieval.wordbreak import Classes

_STOP_WORDS = """
    a an and are as at be but by for if in into is it no not of on or such that the their then there
    these they this to was will with
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
MAX_WORD_UNITS = 255
"""Maximum length of a word in UTF-16 units; a longer one is cut into pieces."""
_ASCII_WORD = re.compile(
    r"_*[0-9A-Za-z][0-9A-Za-z_]*"
    r"(?:(?:(?<=[A-Za-z])[:.'](?=[A-Za-z])|(?<=[0-9])[,;.'](?=[0-9]))[0-9A-Za-z_]+)*"
)
"""The grammar restricted to ASCII, where Python's leftmost match is also the longest."""
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_CLASSES = Classes()


def _grammar() -> str:
    """Return the word grammar as a pattern over character classes."""
    # Every class carries the marks and joiners that follow it (x). Emoji handle the presentation
    # selectors themselves, so theirs (y) are without.
    x, y = "[xzwvktTs]*", "[xzktTs]*"
    letter, hebrew, digit = f"([AiH]{x})", f"(H{x})", f"([09]{x})"
    kana, under = f"(K{x})", f"(E{x})"
    quoted = f"{hebrew}('{x} | \"{x}{hebrew})"
    number = f"{digit}(({under}* | [,.']{x}){digit})*"
    letters = f"{letter}(({under}* | [M.']{x}){letter})*"
    core = f"({kana}({under}*{kana})* | ({quoted} | {number} | {letters})+)"
    word = f"{under}*{core}({under}+{core})*{under}*"
    emoji = f"((z*[pbi]{y}v?) | (z*b{y})?o{y})"
    emojis = f"{emoji}((z{emoji})* | t+T) | [9#]{y}v?k{y} | R{x}R{x}"
    return f"{word} | {emojis} | ([Ss]{x})+ | J{x}"


@cache
def _automaton() -> Automaton:
    return Automaton(_grammar())


def tokens(text: str) -> list[str]:
    """Return the words of `text` in order, unchanged."""
    found: list[str] = []
    at = 0
    # No word contains a blank, so the slow grammar only scans the stretches between blanks that
    # hold a character beyond ASCII; the regular expression does the rest.
    while not text.isascii() and (beyond := _BEYOND_ASCII.search(text, at)):
        begin, end = text.rfind(" ", at, beyond.start()) + 1, text.find(" ", beyond.end())
        begin, end = max(begin, at), end if end >= 0 else len(text)
        found += _ascii_tokens(text[at:begin])
        found += _scan(text[begin:end])
        at = end
    return found + _ascii_tokens(text[at:]) if at else _ascii_tokens(text)


def _ascii_tokens(text: str) -> list[str]:
    found: list[str] = _ASCII_WORD.findall(text)
    return found if max(map(len, found), default=0) <= MAX_WORD_UNITS else _scan(text)


def _scan(text: str) -> list[str]:
    """Return the words of any text, found with the full grammar."""
    classes, longest = text.translate(_CLASSES), _automaton().longest
    found: list[str] = []
    at = 0
    while at < len(text):
        end = longest(classes, at, min(len(text), at + MAX_WORD_UNITS))
        # Characters outside the basic plane count as two units, so the limit may come earlier.
        if end - at > MAX_WORD_UNITS // 2 and max(text[at:end]) > "\uffff":
            end = longest(classes, at, at + _characters_in_limit(text[at:end]))
        if end > at:
            found.append(text[at:end])
        at = max(end, at + 1)
    return found


def _characters_in_limit(text: str) -> int:
    """Return how many leading characters of `text` fit into `MAX_WORD_UNITS` UTF-16 units."""
    units = 0
    for count, character in enumerate(text):
        units += 1 + (character > "\uffff")
        if units > MAX_WORD_UNITS:
            return count
    return len(text)


def term(token: str) -> str | None:
    """Return the term a token is indexed as, or None for a stop word."""
    if len(token) > 2 and token[-1] in "sS" and token[-2] in "'\u2019\uff07":
        token = token[:-2]
    lower = token.lower() if token.isascii() else _lower(token)
    return None if lower in STOP_WORDS else stem(lower)


def _lower(token: str) -> str:
    """Lower-case character by character, as Java does."""
    # Unlike `str.lower` this knows no final sigma and turns a dotted capital I into one letter.
    return "".join("i" if character == "İ" else character.lower() for character in token)


_cached_term = lru_cache(maxsize=1 << 16)(term)


def analyze(text: str) -> list[str]:
    """Return the search terms of `text` in order, repeats included."""
    return [found for found in map(_cached_term, tokens(text)) if found is not None]
