"""Text to search terms, as Lucene's English analysis does it: words, possessives, lower case, stop
words, stems.

Words are those of Unicode's word breaking (UAX #29) in Lucene's variant: what holds no letter or
digit is dropped, an ideograph is a word, a run of a South East Asian script is one, and so is an
emoji sequence. The grammar below is over the letters of `turnwise.retrieval.wordbreak`, and the
longest match counts. Source: Lucene 9's `StandardTokenizer` with `EnglishPossessiveFilter`,
`LowerCaseFilter`, `StopFilter` and `PorterStemFilter`, which is what Anserini uses by default.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from turnwise.retrieval.automaton import Automaton
from turnwise.retrieval.stemmer import stem
from turnwise.retrieval.wordbreak import Classes

_STOPPED = """a an and are as at be but by for if in into is it no not of on or such that the their then there these they
this to was will with"""
STOP_WORDS = frozenset(_STOPPED.split())
LONGEST = 255
"""UTF-16 units; a longer word is cut."""
_ASCII_WORD = re.compile(
    r"_*[0-9A-Za-z][0-9A-Za-z_]*(?:(?:(?<=[A-Za-z])[:.'](?=[A-Za-z])|(?<=[0-9])[,;.'](?=[0-9]))[0-9A-Za-z_]+)*"
)
"""The grammar restricted to ASCII, where the first match is the longest."""
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")
_CLASSES = Classes()


def _grammar() -> str:
    """The word grammar over letters of classes. Every letter carries the marks and joiners (X) that
    follow it.
    """
    x, y = "[xzwvktTs]*", "[xzktTs]*"
    """Marks; and marks without the presentation selectors, which an emoji treats apart."""
    letter, hebrew, digit, kana, under = (
        f"([AiH]{x})",
        f"(H{x})",
        f"([09]{x})",
        f"(K{x})",
        f"(E{x})",
    )
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
    """The words of a text in order, as they stand in it."""
    found: list[str] = []
    at = 0
    # No word goes across a blank, so the grammar itself is asked only about what stands between two
    # and is not ASCII.
    while not text.isascii() and (beyond := _BEYOND_ASCII.search(text, at)):
        begin, end = text.rfind(" ", at, beyond.start()) + 1, text.find(" ", beyond.end())
        begin, end = max(begin, at), end if end >= 0 else len(text)
        found += _ascii_tokens(text[at:begin])
        found += _scan(text[begin:end])
        at = end
    return found + _ascii_tokens(text[at:]) if at else _ascii_tokens(text)


def _ascii_tokens(text: str) -> list[str]:
    found: list[str] = _ASCII_WORD.findall(text)
    return found if max(map(len, found), default=0) <= LONGEST else _scan(text)


def _scan(text: str) -> list[str]:
    """`tokens` by the grammar, for any text."""
    classes, longest = text.translate(_CLASSES), _automaton().longest
    found: list[str] = []
    at = 0
    while at < len(text):
        end = longest(classes, at, min(len(text), at + LONGEST))
        if end - at > LONGEST // 2 and max(text[at:end]) > "\uffff":
            end = longest(classes, at, at + _within(text[at:end]))
        if end > at:
            found.append(text[at:end])
        at = max(end, at + 1)
    return found


def _within(text: str) -> int:
    """How many characters of a text fit into `LONGEST` UTF-16 units."""
    units = 0
    for count, character in enumerate(text):
        units += 1 + (character > "\uffff")
        if units > LONGEST:
            return count
    return len(text)


def term(token: str) -> str | None:
    """What a token is indexed as; None for a stop word."""
    if len(token) > 2 and token[-1] in "sS" and token[-2] in "'\u2019\uff07":
        token = token[:-2]
    lower = token.lower() if token.isascii() else _lower(token)
    return None if lower in STOP_WORDS else stem(lower)


def _lower(token: str) -> str:
    """Lower case character by character, as Java does: no final sigma, and a dotted capital I
    becomes one letter.
    """
    return "".join("i" if character == "İ" else character.lower() for character in token)


_known = lru_cache(maxsize=1 << 16)(term)


def analyze(text: str) -> list[str]:
    """The search terms of a text, in order, repeats included."""
    return [known for known in map(_known, tokens(text)) if known is not None]
