"""Is it the answer? Exact match and token F1 after the normalisation of open-domain question
answering.

Lower case, no punctuation, no articles, one blank between words; of several right answers the best
match counts. Source: the evaluation of SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250), which
HotpotQA, NQ-open and Search-R1 use. As in HotpotQA's, `yes`, `no` and `noanswer` share no words
with a longer answer.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_WHOLE = ("yes", "no", "noanswer")


def normalise(text: str) -> str:
    """What is compared: lower case, then no ASCII punctuation, then no articles, then single
    blanks.
    """
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(given: str, answers: Iterable[str]) -> float:
    """1.0 where `given` is one of the answers after normalisation, else 0.0."""
    wanted = normalise(given)
    return float(any(wanted == normalise(answer) for answer in answers))


def f1(given: str, answers: Iterable[str]) -> float:
    """The best token F1 of `given` against the answers, in [0, 1]: the harmonic mean of precision
    and recall over words.
    """
    return max((_f1(normalise(given), normalise(answer)) for answer in answers), default=0.0)


def _f1(given: str, wanted: str) -> float:
    if given == wanted:
        return 1.0
    if given in _WHOLE or wanted in _WHOLE:
        return 0.0
    words, right = given.split(), wanted.split()
    same = sum((Counter(words) & Counter(right)).values())
    return 2 * same / (len(words) + len(right)) if same else 0.0
