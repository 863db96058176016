"""Exact match and token F1 of answers, as in open-domain question answering.

Answers are compared in lower case, without punctuation and articles and with single spaces; of
several reference answers the best match counts.

Source: the evaluation script of SQuAD (Rajpurkar et al. 2016, arXiv 1606.05250), which HotpotQA,
NQ-open and Search-R1 use. As in HotpotQA's version, `yes`, `no` and `noanswer` get no partial
credit.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_NO_PARTIAL_CREDIT = ("yes", "no", "noanswer")


def normalise(text: str) -> str:
    """Return `text` in lower case, without ASCII punctuation and articles, in single spaces."""
    return " ".join(_ARTICLE.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(given: str, answers: Iterable[str]) -> float:
    """Return 1.0 if `given` equals one of the answers after normalisation, else 0.0."""
    normal = normalise(given)
    return float(any(normal == normalise(answer) for answer in answers))


def f1(given: str, answers: Iterable[str]) -> float:
    """Return the best token F1 of `given` against the answers, in [0, 1]."""
    return max((_f1(normalise(given), normalise(answer)) for answer in answers), default=0.0)


def _f1(given: str, answer: str) -> float:
    if given == answer:
        return 1.0
    if given in _NO_PARTIAL_CREDIT or answer in _NO_PARTIAL_CREDIT:
        return 0.0
    given_words, answer_words = given.split(), answer.split()
    same = sum((Counter(given_words) & Counter(answer_words)).values())
    return 2 * same / (len(given_words) + len(answer_words)) if same else 0.0
