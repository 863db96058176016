from __future__ import annotations

import json
import math
import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnwise.errors import DataError
from turnwise.retrieval import bm25
from turnwise.retrieval.analyzer import analyze
from turnwise.retrieval.bm25 import BM25Index

WORDS = "red blue tea the kettles kettle 1.7l cup cups of steel \u7d05\u8336"
TEXTS = st.lists(
    st.lists(st.sampled_from(WORDS.split()), max_size=60).map(" ".join), min_size=1, max_size=25
)
QUERIES = st.lists(
    st.sampled_from(
        ["red", "blue", "tea", "kettle", "1.7l", "cup", "steel", "\u7d05", "unknown", "red"]
    ),
    max_size=8,
)


def naive(ids: list[str], texts: list[str], query: str, k: int) -> list[str]:
    """Rank by BM25 with Lucene's length norm, one document and one term at a time."""
    f32 = np.float32
    docs = [analyze(text) for text in texts]
    average = f32(sum(map(len, docs)) / len(docs)) or f32(1)
    scored = []
    for name, words in zip(ids, docs, strict=True):
        total = 0.0
        inverse = f32(1) / (
            f32(0.9) * ((f32(1) - f32(0.4)) + f32(0.4) * f32(lucene_length(len(words))) / average)
        )
        for term, times in Counter(analyze(query)).items():
            df = sum(term in other for other in docs)
            if term in words:
                weight = f32(times) * f32(math.log(1 + (len(docs) - df + 0.5) / (df + 0.5)))
                total += float(weight - weight / (f32(1) + f32(words.count(term)) * inverse))
        if f32(total) > 0:
            scored.append((-f32(total), name))
    return [name for _, name in sorted(scored)[:k]]


def lucene_length(n: int) -> int:
    """Return SmallFloat's byte4ToInt(intToByte4(n)): 24 exact values, then four leading bits."""
    if n < 24:
        return n
    rest = n - 24
    if rest < 8:
        return n
    return 24 + math.floor(rest / 2 ** (int(math.log2(rest)) - 3)) * 2 ** (int(math.log2(rest)) - 3)


@settings(deadline=None)
@given(TEXTS, QUERIES, st.integers(1, 30), st.booleans(), st.randoms())
def test_ranks_as_the_naive_reference(
    texts: list[str], query: list[str], k: int, prune: bool, rng: random.Random
) -> None:
    ids = [f"B{rng.randrange(36**4):06d}{number:03d}" for number in range(len(texts))]
    index = BM25Index.build(ids, texts)
    if prune:
        index.max_exhaustive_postings = index.min_skipped_postings = 0
    assert index.search(" ".join(query), k) == naive(ids, texts, " ".join(query), k)


@settings(max_examples=15, deadline=None)
@given(TEXTS, QUERIES)
def test_saved_and_mapped(texts: list[str], query: list[str]) -> None:
    ids = [f"D{number}" for number in range(len(texts))]
    index = BM25Index.build(ids, texts)
    with TemporaryDirectory() as place:
        index.save(place)
        loaded = BM25Index.load(place)
        assert loaded.search(" ".join(query)) == index.search(" ".join(query))
        assert np.array_equal(loaded.scores(" ".join(query)), index.scores(" ".join(query)))
        loaded.save(place)  # onto the files it is mapped from
        assert BM25Index.load(place).search(" ".join(query)) == index.search(" ".join(query))


def test_pruning_agrees_to_the_last_bit_on_a_larger_collection() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{k}" for k in range(3000)]
    texts = [
        " ".join(words[r % 3000] for r in rng.zipf(1.3, size=rng.integers(5, 60)))
        for _ in range(4000)
    ]
    index = BM25Index.build([f"B{k * 7919 % 10_007:06d}" for k in range(4000)], texts)
    for _ in range(150):
        query = " ".join(words[r % 3000] for r in rng.zipf(1.2, size=rng.integers(1, 12)))
        index.max_exhaustive_postings = bm25.MAX_EXHAUSTIVE_POSTINGS
        whole = index.search(query)
        index.max_exhaustive_postings, index.min_skipped_postings = 0, 100
        assert index.search(query) == whole, query


def test_ties_are_broken_by_id_whatever_the_order_of_the_texts() -> None:
    index = BM25Index.build(["C", "A", "D", "B"], ["tea cup"] * 4)
    assert index.search("tea") == ["A", "B", "C", "D"]
    assert index.search("tea", k=2) == ["A", "B"]


def test_what_matches_nothing() -> None:
    index = BM25Index.build(["A", "B"], ["tea cup", "the"])
    assert index.search("") == index.search("the of") == index.search("coffee") == []
    assert index.search("tea") == ["A"]


def test_rare_terms_weigh_more_and_repeats_in_the_query_count() -> None:
    index = BM25Index.build(["A", "B", "C"], ["red tea", "red cup", "red pot"])
    assert index.search("red cup")[0] == "B"
    once, twice = index.scores("cup red"), index.scores("cup red red")
    assert twice[0] > once[0] > 0


@pytest.mark.parametrize(
    ("length", "norm"),
    [(0, 0), (23, 23), (24, 24), (39, 39), (40, 40), (41, 40), (42, 42), (107, 104), (531, 504)],
)
def test_lengths_lose_precision_as_in_lucene(length: int, norm: int) -> None:
    assert bm25._quantise(length) == norm == lucene_length(length)


def test_nothing_to_index() -> None:
    with pytest.raises(DataError, match="0 texts"):
        BM25Index.build([], [])
    with pytest.raises(DataError, match="1 texts under 2 ids"):
        BM25Index.build(["A", "B"], ["tea"])


def test_a_torn_or_foreign_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is an incomplete search index"):
        BM25Index.load(tmp_path)
    BM25Index.build(["A", "B"], ["tea", "red tea"]).save(tmp_path)
    head = json.loads((tmp_path / "index.json").read_text())
    (tmp_path / "index.json").write_text(json.dumps(head | {"version": -1}))
    with pytest.raises(DataError, match="another version"):
        BM25Index.load(tmp_path)
    (tmp_path / "index.json").write_text(json.dumps(head))
    (tmp_path / "docs.npy").write_bytes((tmp_path / "docs.npy").read_bytes()[:130])
    with pytest.raises(DataError, match="is an incomplete search index"):
        BM25Index.load(tmp_path)
