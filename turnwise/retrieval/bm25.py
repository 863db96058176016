"""BM25 search that ranks exactly as Lucene does, over an inverted index in numpy.

A query term with weight w = qtf * ln(1 + (N - df + 0.5) / (df + 0.5)) adds w - w / (1 + tf * n) to
the score of a document that contains it tf times, where n = 1 / (k1 * (1 - b + b * length /
average)) and `length` is quantised as in Lucene's one-byte norm. Products are rounded to single
precision, the sum over terms is taken in double and the result is rounded to single again: this is
Lucene's order, so equal scores there are equal here.

Source: Lucene's `BM25Similarity` and `SmallFloat`; k1 = 0.9, b = 0.4 and ties broken by document
id as in Anserini.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from turnwise.errors import DataError
from turnwise.retrieval.analyzer import analyze
from turnwise.retrieval.postings import Inverter, Postings
from turnwise.retrieval.strings import Strings

K1, B = np.float32(0.9), np.float32(0.4)
VERSION = 1
"""Version of the files that `save` writes, and of the text analysis they depend on."""
ONE = np.float32(1)
MAX_EXHAUSTIVE_POSTINGS, MIN_SKIPPED_POSTINGS = 1 << 17, 1 << 14
"""A query with more postings than the first tries to skip terms with more than the second. This
saves time and does not change the result."""
MAX_CACHED_TERMS = 1 << 16
ROUNDING_MARGIN = 1 + 1e-6
"""A factor above every relative error of single precision."""
MAX_EXACT_LENGTH = 24
"""Lucene's norm keeps shorter lengths unchanged, and four significant bits of longer ones."""
POSTINGS_PER_CHUNK = 1 << 24


class _Term(NamedTuple):
    """A query term with postings `begin:end`; it adds at most `weight` to a score."""

    begin: int
    end: int
    weight: np.float32

    def score(self, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the scores this term adds to documents with these values of `tf * n`."""
        part: npt.NDArray[np.float32] = self.weight - self.weight / (ONE + weights)
        return part


class BM25Index:
    """An immutable index over N documents.

    Create one with `build` or `from_postings`. `save` writes it to a directory of arrays, from
    which `load` memory-maps it.
    """

    def __init__(
        self,
        ids: Sequence[str],
        terms: Sequence[str],
        starts: npt.NDArray[np.int64],
        docs: npt.NDArray[np.int32],
        weights: npt.NDArray[np.float32],
        rank: npt.NDArray[np.int32],
    ) -> None:
        self.ids, self.terms, self.starts, self.docs = ids, terms, starts, docs
        self.max_exhaustive_postings = MAX_EXHAUSTIVE_POSTINGS
        self.min_skipped_postings = MIN_SKIPPED_POSTINGS
        self._term_numbers: dict[str, int] = {}
        self.weights = weights
        """[P] tf * n of each posting."""
        self.rank = rank
        """[N] position of each document among the sorted ids, which breaks ties."""

    @classmethod
    def build(cls, ids: Sequence[str], texts: Iterable[str]) -> BM25Index:
        """Index `texts`, one for each id.

        Raises:
            DataError: if there are no texts, or not as many as ids.
        """
        inverter = Inverter()
        for text in texts:
            inverter.add(text)
        return cls.from_postings(ids, inverter.finish())

    @classmethod
    def from_postings(
        cls, ids: Sequence[str], postings: Postings, out: Path | None = None
    ) -> BM25Index:
        """Return the index over an inverted file.

        Args:
            out: directory where the weights are written and memory-mapped; None keeps them in
                memory.
        """
        n, size = len(postings.lengths), len(postings.docs)
        if n != len(ids) or n == 0:
            raise DataError(
                f"cannot index {n} texts under {len(ids)} ids: give one text for each id, "
                "and at least one"
            )
        inverse = _inverse_lengths(postings.lengths)
        weights: npt.NDArray[np.float32] = np.empty(size, dtype=np.float32)
        if out is not None and size:
            weights = np.lib.format.open_memmap(
                out / "weights.npy", mode="w+", dtype=np.float32, shape=(size,)
            )
        for first in range(0, size, POSTINGS_PER_CHUNK):
            part = slice(first, first + POSTINGS_PER_CHUNK)
            weights[part] = postings.counts[part].astype(np.float32) * inverse[postings.docs[part]]
        rank = np.empty(n, dtype=np.int32)
        rank[np.array(sorted(range(n), key=list(ids).__getitem__))] = np.arange(n, dtype=np.int32)
        return cls(ids, postings.terms, postings.starts, postings.docs, weights, rank)

    def search(self, query: str, k: int = 50) -> list[str]:
        """Return the ids of at most `k` documents that contain a query term, best first."""
        return [self.ids[i] for i in self.top(query, k)]

    def top(self, query: str, k: int = 50) -> list[int]:
        """Return the numbers of at most `k` documents that contain a query term, best first."""
        terms = self._terms(query)
        if sum(term.end - term.begin for term in terms) > self.max_exhaustive_postings:
            found = self._candidates(terms, k)
            values = self._scores_of(found, terms)
        else:
            scores = self._scores(terms)
            found = np.flatnonzero(scores > 0).astype(np.int32)
            values = scores[found]
        if len(found) > k:
            kept = values >= np.partition(values, len(values) - k)[len(values) - k]
            found, values = found[kept], values[kept]
        best: list[int] = found[np.lexsort((self.rank[found], -values))[:k]].tolist()
        return best

    def scores(self, query: str) -> npt.NDArray[np.float32]:
        """Return the score of every document, [N]; 0 for those without a query term."""
        return self._scores(self._terms(query))

    def _terms(self, query: str) -> list[_Term]:
        """Return the indexed terms of a query, in order of first occurrence."""
        n, found = len(self.rank), list[_Term]()
        for term, count in Counter(analyze(query)).items():
            number = self._number(term)
            if number < 0:
                continue
            begin, end = int(self.starts[number]), int(self.starts[number + 1])
            idf = math.log(1 + (n - (end - begin) + 0.5) / (end - begin + 0.5))
            found.append(_Term(begin, end, np.float32(count) * np.float32(idf)))
        return found

    def _number(self, term: str) -> int:
        """Return the number of a term, or -1 if no document contains it."""
        number = self._term_numbers.get(term)
        if number is None:
            at = bisect_left(self.terms, term)
            number = at if at < len(self.terms) and self.terms[at] == term else -1
            if len(self._term_numbers) < MAX_CACHED_TERMS:
                self._term_numbers[term] = number
        return number

    def _scores(self, terms: list[_Term]) -> npt.NDArray[np.float32]:
        docs = [self.docs[term.begin : term.end] for term in terms]
        parts = [term.score(self.weights[term.begin : term.end]) for term in terms]
        if not terms:
            return np.zeros(len(self.rank), dtype=np.float32)
        # `bincount` sums in double precision and in the order of the terms, as Lucene does.
        return np.bincount(
            np.concatenate(docs), weights=np.concatenate(parts), minlength=len(self.rank)
        ).astype(np.float32)

    def _candidates(self, terms: list[_Term], k: int) -> npt.NDArray[np.int32]:
        """Return documents that include the `k` best, skipping common terms if possible.

        Scores are summed from the rarest term on. Once the k-th best sum exceeds what all remaining
        terms can add, no further document can reach the result (MaxScore: H. Turtle and J. Flood,
        IP&M 31(6), 1995).
        """
        sums = np.zeros(len(self.rank), dtype=np.float64)
        rarest = sorted(terms, key=lambda term: -term.weight)
        rest = float(sum(float(term.weight) for term in terms)) * ROUNDING_MARGIN
        for place, term in enumerate(rarest):
            if place and term.end - term.begin > self.min_skipped_postings:
                reached = np.flatnonzero(sums)
                if len(reached) >= k and (last := _kth(sums[reached], k)) > rest:
                    return reached[sums[reached] + rest >= last].astype(np.int32)
            sums[self.docs[term.begin : term.end]] += term.score(
                self.weights[term.begin : term.end]
            )
            rest -= float(term.weight)
        reached = np.flatnonzero(sums)
        if len(reached) > k:
            reached = reached[sums[reached] * ROUNDING_MARGIN >= _kth(sums[reached], k)]
        return reached.astype(np.int32)

    def _scores_of(
        self, found: npt.NDArray[np.int32], terms: list[_Term]
    ) -> npt.NDArray[np.float32]:
        """Return the scores of the documents `found`, equal to `scores` to the last bit."""
        sums = np.zeros(len(found), dtype=np.float64)
        for term in terms:
            docs = self.docs[term.begin : term.end]
            places = np.minimum(np.searchsorted(docs, found), len(docs) - 1)
            has = docs[places] == found
            sums[has] += term.score(self.weights[term.begin : term.end][places[has]])
        return sums.astype(np.float32)

    def save(self, directory: str | Path) -> None:
        """Write the index to a directory, which is created if missing."""
        path = Path(directory)
        path.mkdir(parents=True, exist_ok=True)
        Strings.pack(self.ids).save(path, "ids")
        Strings.pack(self.terms).save(path, "terms")
        for name in ("starts", "docs", "weights", "rank"):
            values, target = getattr(self, name), path / f"{name}.npy"
            if (
                isinstance(values, np.memmap)
                and values.filename is not None
                and Path(values.filename) == target.resolve()
            ):
                values.flush()  # mapped from this very file
            else:
                np.save(target, values)
        (path / "index.json").write_text(
            json.dumps({"version": VERSION, "documents": len(self.rank)}), encoding="utf8"
        )

    @classmethod
    def load(cls, directory: str | Path) -> BM25Index:
        """Memory-map an index written by `save`.

        Raises:
            DataError: if it is missing, incomplete or of another version.
        """
        path = Path(directory)
        try:
            head = json.loads((path / "index.json").read_text(encoding="utf8"))
            arrays = [
                np.load(path / f"{name}.npy", mmap_mode="r")
                for name in ("starts", "docs", "weights", "rank")
            ]
            index = cls(Strings.load(path, "ids"), Strings.load(path, "terms"), *arrays)
        except (OSError, ValueError) as problem:
            raise DataError(
                f"{path} is an incomplete search index ({problem}): delete it to have it built "
                "again"
            ) from problem
        if head.get("version") != VERSION or len(index.rank) != head.get("documents"):
            raise DataError(
                f"{path} is a search index of another version: delete it to have it built again"
            )
        return index


def _kth(values: npt.NDArray[np.float64], k: int) -> float:
    """Return the `k`-th largest value."""
    return float(np.partition(values, len(values) - k)[len(values) - k])


def _inverse_lengths(lengths: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """Return n of each document in single precision, [N]."""
    average = np.float32(int(lengths.sum(dtype=np.int64)) / len(lengths)) or ONE
    sizes, which = np.unique(lengths, return_inverse=True)
    quantised = np.array([_quantise(int(size)) for size in sizes], dtype=np.float32)
    inverse: npt.NDArray[np.float32] = ONE / (K1 * ((ONE - B) + B * quantised / average))
    return inverse[which]


def _quantise(length: int) -> int:
    """Return a length after Lucene's one-byte norm, `SmallFloat.byte4ToInt(intToByte4(length))`."""
    if length < MAX_EXACT_LENGTH:
        return length
    rest = length - MAX_EXACT_LENGTH
    dropped = max(rest.bit_length() - 4, 0)
    return MAX_EXACT_LENGTH + (rest >> dropped << dropped)
