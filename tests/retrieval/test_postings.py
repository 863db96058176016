from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnwise.retrieval import postings
from turnwise.retrieval.analyzer import analyze
from turnwise.retrieval.postings import Inverter, Postings

TEXTS = st.lists(
    st.lists(st.sampled_from(["red", "tea", "the", "cups", "cup", "1.7l", "-"]), max_size=12).map(
        " ".join
    ),
    max_size=20,
)


def read(inverted: Postings) -> dict[str, list[tuple[int, int]]]:
    """Return term -> (document, count) in the order of the postings."""
    return {
        term: [
            (int(doc), int(count))
            for doc, count in zip(inverted.docs[begin:end], inverted.counts[begin:end], strict=True)
        ]
        for term, (begin, end) in zip(inverted.terms, pairwise(inverted.starts), strict=True)
    }


def naive(texts: list[str]) -> dict[str, list[tuple[int, int]]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for number, text in enumerate(texts):
        for term, count in Counter(analyze(text)).items():
            found.setdefault(term, []).append((number, count))
    return found


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.integers(1, 30), st.booleans())
def test_blocks_and_disk_make_no_difference(texts: list[str], block: int, on_disk: bool) -> None:
    with TemporaryDirectory() as place:
        inverter = Inverter(Path(place) if on_disk else None, block)
        for text in texts:
            inverter.add(text)
        inverted = inverter.finish()
        assert read(inverted) == naive(texts)
        assert list(inverted.terms) == sorted(inverted.terms)
        assert inverted.lengths.tolist() == [len(analyze(text)) for text in texts]
        inverter.clean()
        assert {path.name for path in Path(place).iterdir()} <= {"docs.npy"}


def test_tokens_beyond_the_cache_are_analysed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings, "MAX_CACHED_TOKENS", 2)
    inverter = Inverter()
    texts = ["red the cups", "cups red tea the", "tea"]
    for text in texts:
        inverter.add(text)
    assert len(inverter.vocabulary) == 2
    assert read(inverter.finish()) == naive(texts)


def test_counts_that_do_not_fit_are_cut() -> None:
    inverter = Inverter()
    inverter.add("tea " * 70_000)
    inverted = inverter.finish()
    assert inverted.counts.tolist() == [65535]
    assert inverted.counts.dtype == np.uint16
    assert inverted.lengths.tolist() == [70_000]
