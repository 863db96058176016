"""Full-text search that ranks exactly as Lucene's BM25 does: an inverted file in numpy, and no
Java.

For a query term with weight w = qtf * ln(1 + (N - df + 0.5) / (df + 0.5)), a document in which it
stands tf times scores w - w / (1 + tf * n), where n = 1 / (k1 * (1 - b + b * length / average)) and
`length` has passed through Lucene's one-byte norm. Products are in single precision, the sum over
terms in double, the result in single: Lucene's order of rounding, so that its ties are ours.
Sources: Lucene's `BM25Similarity` and `SmallFloat`; Anserini's k1 = 0.9, b = 0.4 and its tie-break
by document id.
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
"""Of the files that `save` writes and of the analysis behind them."""
ONE = np.float32(1)
SHORT, COMMON = 1 << 17, 1 << 14
"""Queries with more postings than `SHORT` avoid reading terms with more than `COMMON`, where they
can; the list is the same.
"""
REMEMBERED = 1 << 16
"""Terms whose place is remembered."""
SLACK = 1 + 1e-6
"""More than single precision can round."""
EXACT = 24
"""Lengths below this pass Lucene's norm unchanged; above it, four significant bits remain."""


class _Term(NamedTuple):
    """A term of a query: its postings are `begin:end`, and a document can get at most `weight` from
    it.
    """

    begin: int
    end: int
    weight: np.float32

    def score(self, weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """What it gives documents with these `tf * n`."""
        part: npt.NDArray[np.float32] = self.weight - self.weight / (ONE + weights)
        return part


class BM25Index:
    """An immutable index over N documents. `search` returns ids, the best first.

    Build one with `build` or `from_postings`; `save` and `load` keep it in a directory of arrays
    that are memory-mapped.
    """

    def __init__(
        self, ids: Sequence[str], terms: Sequence[str], starts: npt.NDArray[np.int64], docs: npt.NDArray[np.int32],
        weights: npt.NDArray[np.float32], rank: npt.NDArray[np.int32],
    ) -> None:  # fmt: skip
        self.ids, self.terms, self.starts, self.docs = ids, terms, starts, docs
        self.short, self.common = SHORT, COMMON
        self._known: dict[str, int] = {}
        self.weights = weights
        """[P] tf * n of each posting."""
        self.rank = rank
        """[N] place of each document when they are sorted by id: the tie-break."""

    @classmethod
    def build(cls, ids: Sequence[str], texts: Iterable[str]) -> BM25Index:
        """Index `texts`, one for each id. Raises `DataError` when there are none, or not one for
        each id.
        """
        inverter = Inverter()
        for text in texts:
            inverter.add(text)
        return cls.from_postings(ids, inverter.finish())

    @classmethod
    def from_postings(
        cls, ids: Sequence[str], postings: Postings, out: Path | None = None
    ) -> BM25Index:
        """The index over an inverted file. With `out` the weights are written there, as `save`
        would, and mapped.
        """
        n, size = len(postings.lengths), len(postings.docs)
        if n != len(ids) or n == 0:
            raise DataError(
                f"cannot index {n} texts under {len(ids)} ids: give one text for each id, and at least one"
            )
        inverse = _inverse_lengths(postings.lengths)
        weights: npt.NDArray[np.float32] = np.empty(size, dtype=np.float32)
        if out is not None and size:
            weights = np.lib.format.open_memmap(
                out / "weights.npy", mode="w+", dtype=np.float32, shape=(size,)
            )
        for first in range(0, size, 1 << 24):
            part = slice(first, first + (1 << 24))
            weights[part] = postings.counts[part].astype(np.float32) * inverse[postings.docs[part]]
        rank = np.empty(n, dtype=np.int32)
        rank[np.array(sorted(range(n), key=list(ids).__getitem__))] = np.arange(n, dtype=np.int32)
        return cls(ids, postings.terms, postings.starts, postings.docs, weights, rank)

    def search(self, query: str, k: int = 50) -> list[str]:
        """Ids of the `k` best documents, the best first; fewer where fewer contain any term of the
        query.
        """
        return [self.ids[i] for i in self.top(query, k)]

    def top(self, query: str, k: int = 50) -> list[int]:
        """Numbers of the `k` best documents."""
        terms = self._terms(query)
        if sum(term.end - term.begin for term in terms) > self.short:
            found = self._promising(terms, k)
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
        """[N] the score of every document; 0 where no term of the query occurs."""
        return self._scores(self._terms(query))

    def _terms(self, query: str) -> list[_Term]:
        """The terms of a query that occur at all, in the order in which they first stand in it."""
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
        """The number of a term; -1 where no document has it. Remembered: a search of a million
        terms takes longer.
        """
        known = self._known.get(term)
        if known is None:
            at = bisect_left(self.terms, term)
            known = at if at < len(self.terms) and self.terms[at] == term else -1
            if len(self._known) < REMEMBERED:
                self._known[term] = known
        return known

    def _scores(self, terms: list[_Term]) -> npt.NDArray[np.float32]:
        docs = [self.docs[term.begin : term.end] for term in terms]
        parts = [term.score(self.weights[term.begin : term.end]) for term in terms]
        if not terms:
            return np.zeros(len(self.rank), dtype=np.float32)
        return np.bincount(
            np.concatenate(docs), weights=np.concatenate(parts), minlength=len(self.rank)
        ).astype(np.float32)

    def _promising(self, terms: list[_Term], k: int) -> npt.NDArray[np.int32]:
        """Documents among which the `k` best are, without reading the postings of common terms
        where that is possible.

        Terms are added up from the rarest on. Once the k-th best sum so far is more than all the
        other terms together can still give, no new document can get in (the idea of MaxScore: H.
        Turtle and J. Flood, IP&M 31(6), 1995).
        """
        sums = np.zeros(len(self.rank), dtype=np.float64)
        rarest = sorted(terms, key=lambda term: -term.weight)
        rest = float(sum(float(term.weight) for term in terms)) * SLACK
        for place, term in enumerate(rarest):
            if place and term.end - term.begin > self.common:
                reached = np.flatnonzero(sums)
                if len(reached) >= k and (last := _kth(sums[reached], k)) > rest:
                    return reached[sums[reached] + rest >= last].astype(np.int32)
            sums[self.docs[term.begin : term.end]] += term.score(
                self.weights[term.begin : term.end]
            )
            rest -= float(term.weight)
        reached = np.flatnonzero(sums)
        if len(reached) > k:
            reached = reached[sums[reached] * SLACK >= _kth(sums[reached], k)]
        return reached.astype(np.int32)

    def _scores_of(
        self, found: npt.NDArray[np.int32], terms: list[_Term]
    ) -> npt.NDArray[np.float32]:
        """Scores of some documents, added up in the same order as in `scores`, so that they are
        equal to the last bit.
        """
        sums = np.zeros(len(found), dtype=np.float64)
        for term in terms:
            docs = self.docs[term.begin : term.end]
            places = np.minimum(np.searchsorted(docs, found), len(docs) - 1)
            has = docs[places] == found
            sums[has] += term.score(self.weights[term.begin : term.end][places[has]])
        return sums.astype(np.float32)

    def save(self, directory: str | Path) -> None:
        """Write the index into a directory, which is made. What `load` reads."""
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
                values.flush()  # it is already there
            else:
                np.save(target, values)
        (path / "index.json").write_text(
            json.dumps({"version": VERSION, "documents": len(self.rank)}), encoding="utf8"
        )

    @classmethod
    def load(cls, directory: str | Path) -> BM25Index:
        """An index that `save` wrote, memory-mapped. Raises `DataError` where it is missing, torn
        or of another version.
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
                f"{path} does not hold a whole search index ({problem}): delete it to have it built again"
            ) from problem
        if head.get("version") != VERSION or len(index.rank) != head.get("documents"):
            raise DataError(
                f"{path} holds a search index of another version: delete it to have it built again"
            )
        return index


def _kth(values: npt.NDArray[np.float64], k: int) -> float:
    return float(np.partition(values, len(values) - k)[len(values) - k])


def _inverse_lengths(lengths: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """n of each document, in Lucene's single precision."""
    average = np.float32(int(lengths.sum(dtype=np.int64)) / len(lengths)) or ONE
    sizes, which = np.unique(lengths, return_inverse=True)
    quantised = np.array([_quantise(int(size)) for size in sizes], dtype=np.float32)
    inverse: npt.NDArray[np.float32] = ONE / (K1 * ((ONE - B) + B * quantised / average))
    return inverse[which]


def _quantise(length: int) -> int:
    """A document's length as Lucene's one-byte norm remembers it
    (`SmallFloat.byte4ToInt(intToByte4(length))`).
    """
    if length < EXACT:
        return length
    rest = length - EXACT
    dropped = max(rest.bit_length() - 4, 0)
    return EXACT + (rest >> dropped << dropped)
