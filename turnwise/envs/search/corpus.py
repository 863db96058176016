"""Passages, questions about them, and the search over the passages.

Search is BM25 as in Lucene and Anserini (k1 = 0.9, b = 0.4, English analysis, ties broken by id):
`turnwise.retrieval.bm25`. A title is indexed together with its text.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from turnwise.errors import DataError
from turnwise.retrieval.bm25 import BM25Index

MAX_CACHED_QUERIES = 1 << 12


@dataclass(frozen=True, slots=True)
class Passage:
    """A document of the corpus."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its reference answers."""

    id: str
    question: str
    answers: tuple[str, ...]
    """Accepted answers; the expert gives the first."""
    plan: tuple[str, ...] = ()
    """Queries that find every passage needed, one for each hop, in order; empty if unknown."""
    support: tuple[str, ...] = ()
    """Ids of the passages needed, one for each query of the plan; empty if unknown."""
    tags: tuple[str, ...] = ()


class Corpus:
    """Passages and their index, shared by all environments over them.

    Args:
        passages: at least one, with distinct ids.
        title_weight: how many times a title is indexed before its text.

    Raises:
        DataError: if there is no passage, or two have the same id.
    """

    def __init__(self, passages: Sequence[Passage], title_weight: int = 1) -> None:
        self.passages = tuple(passages)
        ids = [passage.id for passage in self.passages]
        if not ids:
            raise DataError("a corpus needs at least one passage")
        if len(set(ids)) < len(ids):
            twice = Counter(ids).most_common(1)[0][0]
            raise DataError(
                f"two passages have the id {twice!r}: give every passage a different id, or leave "
                "all ids out"
            )
        texts = (
            "\n".join([*[passage.title] * title_weight, passage.text]) for passage in self.passages
        )
        self._index = BM25Index.build(ids, texts)
        self._cache: dict[tuple[str, int], tuple[Passage, ...]] = {}

    def __len__(self) -> int:
        return len(self.passages)

    def search(self, query: str, k: int) -> tuple[Passage, ...]:
        """Return at most `k` passages that contain a word of the query, best first."""
        key = query, k
        found = self._cache.get(key)
        if found is None:
            found = tuple(self.passages[i] for i in self._index.top(query, k))
            if len(self._cache) >= MAX_CACHED_QUERIES:
                self._cache.clear()
            self._cache[key] = found
        return found

    def first(self, query: str) -> str | None:
        """Return the id of the best passage, uncached; None if no passage has a word of it."""
        best = self._index.top(query, 1)
        return self.passages[best[0]].id if best else None

    def data_hash(self) -> str:
        """Return a hash of all passages."""
        digest = hashlib.blake2b(digest_size=16)
        for passage in self.passages:
            parts = repr((passage.id, passage.title, passage.text))
            digest.update(parts.encode("utf8", "surrogatepass"))
        return digest.hexdigest()
