"""How alike two phrases are, as WebShop's reward measures it: thefuzz's `token_set_ratio`, exactly.

Words common to both phrases are set aside; what is left is compared by the normalised indel
distance (insertions and deletions of characters). A phrase whose words all occur in the other
scores 100. Definition: thefuzz 0.20+ on rapidfuzz, with its default processing. Values equal
theirs, but for strings with letters that one of the two sides' Unicode tables does not know yet.
"""

from __future__ import annotations

import re
from functools import lru_cache

_LATIN1 = dict.fromkeys(range(128, 256))
_NOT_A_WORD = re.compile(r"[\W_]")


def processed(value: object) -> str:
    """Lower case, with what is neither letter nor digit turned into blanks; U+0080-U+00FF are
    dropped.
    """
    kept = (
        str(value).translate(_LATIN1).replace("\u0130", "i")
    )  # the one letter whose lower case is two characters
    return _NOT_A_WORD.sub(" ", kept).lower().strip()


def token_set_ratio(a: object, b: object) -> int:
    """Similarity in 0..100, rounded half to even. 0 where either has no words; values that are not
    strings go through `str`.
    """
    return _ratio(a if isinstance(a, str) else str(a), b if isinstance(b, str) else str(b))


@lru_cache(maxsize=65536)
def _ratio(a: str, b: str) -> int:
    words_a, words_b = set(processed(a).split()), set(processed(b).split())
    if not words_a or not words_b:
        return 0
    common, only_a, only_b = words_a & words_b, words_a - words_b, words_b - words_a
    if common and (not only_a or not only_b):
        return 100
    rest_a, rest_b = " ".join(sorted(only_a)), " ".join(sorted(only_b))
    shared = len(" ".join(common))
    joint = 1 if shared else 0  # the blank between the common words and the rest
    whole_a, whole_b = shared + joint + len(rest_a), shared + joint + len(rest_b)
    best = _similarity(indel_distance(rest_a, rest_b), whole_a + whole_b)
    if shared:
        best = max(
            best,
            _similarity(joint + len(rest_a), shared + whole_a),
            _similarity(joint + len(rest_b), shared + whole_b),
        )
    return round(best)


def _similarity(distance: int, total: int) -> float:
    return 100.0 - 100.0 * distance / total if total else 100.0


def indel_distance(a: str, b: str) -> int:
    """Least number of insertions and deletions that turn `a` into `b`: |a| + |b| - 2 LCS(a, b).

    The longest common subsequence is found with one bit per character of `a` (Hyyrö 2004).
    """
    if not a or not b:
        return len(a) + len(b)
    where: dict[str, int] = {}
    for i, char in enumerate(a):
        where[char] = where.get(char, 0) | (1 << i)
    full = (1 << len(a)) - 1
    row = full
    for char in b:
        hits = row & where.get(char, 0)
        row = ((row + hits) | (row - hits)) & full
    return len(a) + len(b) - 2 * (len(a) - row.bit_count())
