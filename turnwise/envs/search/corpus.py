"""Passages that can be searched, and questions about them.

Search is BM25 as Lucene and Anserini do it (k1 = 0.9, b = 0.4, English analysis, ties by id), which
is the shop's own index (`turnwise.retrieval.bm25`): the ranking of both is one piece of code. A
title is indexed with its text.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from turnwise.errors import DataError
from turnwise.retrieval.bm25 import BM25Index

REMEMBERED = 1 << 12
"""Queries of a corpus whose result is kept."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Something to be found."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """Something to be answered."""

    id: str
    question: str
    answers: tuple[str, ...]
    """Each of them is right; the first is the expert's."""
    plan: tuple[str, ...] = ()
    """Searches that bring everything needed, one for each hop, in order; empty where nobody knows.
    """
    support: tuple[str, ...] = ()
    """Ids of the passages needed, one for each search of the plan; empty where nobody knows."""
    tags: tuple[str, ...] = ()


class Corpus:
    """Passages and their index, shared by every environment over them.

    Args:
        title_weight: how often a title is indexed before the text.

    Raises:
        DataError: where there is no passage, or an id stands for two.
    """

    def __init__(self, passages: Sequence[Passage], title_weight: int = 1) -> None:
        self.passages = tuple(passages)
        ids = [passage.id for passage in self.passages]
        if not ids:
            raise DataError("a corpus needs at least one passage")
        if len(set(ids)) < len(ids):
            twice = Counter(ids).most_common(1)[0][0]
            raise DataError(
                f"two passages have the id {twice!r}: give each one of its own, or none at all"
            )
        texts = (
            "\n".join([*[passage.title] * title_weight, passage.text]) for passage in self.passages
        )
        self._index = BM25Index.build(ids, texts)
        self._found: dict[tuple[str, int], tuple[Passage, ...]] = {}

    def __len__(self) -> int:
        return len(self.passages)

    def search(self, query: str, k: int) -> tuple[Passage, ...]:
        """The `k` best passages, the best first; fewer where fewer have a word of the query."""
        key = query, k
        found = self._found.get(key)
        if found is None:
            found = tuple(self.passages[i] for i in self._index.top(query, k))
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            self._found[key] = found
        return found

    def first(self, query: str) -> str | None:
        """The id of the best passage; None where no passage has a word of the query. Not
        remembered.
        """
        best = self._index.top(query, 1)
        return self.passages[best[0]].id if best else None

    def data_hash(self) -> str:
        """Hash of every passage."""
        digest = hashlib.blake2b(digest_size=16)
        for passage in self.passages:
            digest.update(
                repr((passage.id, passage.title, passage.text)).encode("utf8", "surrogatepass")
            )
        return digest.hexdigest()
