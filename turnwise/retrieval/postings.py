"""Inverted index of a collection: for each term, the documents that contain it.

Texts are added one by one. Each block of token numbers is sorted by (term, document) and counted in
numpy; at the end the blocks are merged term by term. With a scratch directory, blocks and final
arrays are kept on disk, so that memory holds one block and the vocabulary, whatever the size of
the collection.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from turnwise.retrieval.analyzer import term, tokens
from turnwise.retrieval.strings import Strings

BLOCK_TOKENS = 4_000_000
"""Tokens sorted at a time, which takes about 200 MB of memory."""
MAX_CACHED_TOKENS = 1_000_000
"""Distinct tokens whose term is cached; later ones are analysed at every occurrence."""
STOP_WORD = -1
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Postings:
    """Inverted index of N documents, T sorted terms and P postings, as compressed rows."""

    terms: Strings
    starts: Int64
    """[T + 1] The postings of term t are `starts[t]:starts[t + 1]`."""
    docs: Int32
    """[P] Document numbers, ascending within a term."""
    counts: npt.NDArray[np.uint16]
    """[P] Occurrences of the term in the document, at most 65,535."""
    lengths: Int32
    """[N] Terms in each document, with repeats and without stop words."""


class Vocabulary(dict[str, int]):
    """Token -> number of its term, or `STOP_WORD`; new terms are numbered as they are met."""

    def __init__(self) -> None:
        super().__init__()
        self.terms: dict[str, int] = {}

    def __missing__(self, token: str) -> int:
        found = term(token)
        number = STOP_WORD if found is None else self.terms.setdefault(found, len(self.terms))
        if len(self) < MAX_CACHED_TOKENS:
            self[token] = number
        return number


class Inverter:
    """Collects texts one by one; `finish` returns their postings.

    Args:
        scratch: an empty directory for blocks and results; None keeps everything in memory.
        block: tokens sorted at a time.
    """

    def __init__(self, scratch: Path | None = None, block: int = BLOCK_TOKENS) -> None:
        self.scratch, self.block = scratch, block
        self.vocabulary = Vocabulary()
        self.length = 0
        self._lookup = self.vocabulary.__getitem__
        self._numbers, self._ends = array("i"), array("i")
        self._lengths: list[Int32] = []
        self._blocks: list[tuple[Int32, Int32, npt.NDArray[np.uint16]]] = []

    def add(self, text: str) -> None:
        """Add a text as the next document."""
        self._numbers.extend(map(self._lookup, tokens(text)))
        self._ends.append(len(self._numbers))
        self.length += 1
        if len(self._numbers) >= self.block:
            self._close()

    def _close(self) -> None:
        """Sort and count the collected block."""
        numbers = np.array(self._numbers, dtype=np.int64)
        ends = np.array(self._ends, dtype=np.int64)
        first = self.length - len(ends)
        sizes = np.diff(ends, prepend=0)
        docs = np.repeat(np.arange(len(ends), dtype=np.int64), sizes)
        kept = numbers != STOP_WORD
        numbers, docs = numbers[kept], docs[kept]
        self._lengths.append(np.bincount(docs, minlength=len(ends)).astype(np.int32))
        # Term in the high half and document in the low half sort by (term, document).
        keys, counts = np.unique(numbers << 32 | docs, return_counts=True)
        block = (
            (keys >> 32).astype(np.int32),
            ((keys & 0xFFFFFFFF) + first).astype(np.int32),
            np.minimum(counts, 65535).astype(np.uint16),
        )
        self._blocks.append(self._spill(block))
        self._numbers, self._ends = array("i"), array("i")

    def _spill(
        self, block: tuple[Int32, Int32, npt.NDArray[np.uint16]]
    ) -> tuple[Int32, Int32, npt.NDArray[np.uint16]]:
        if self.scratch is None:
            return block
        paths = [self.scratch / f"block-{len(self._blocks)}-{part}.npy" for part in range(3)]
        values: tuple[npt.NDArray[Any], ...] = block
        for path, part in zip(paths, values, strict=True):
            np.save(path, part)
        terms, docs, counts = (np.load(path, mmap_mode="r") for path in paths)
        return terms, docs, counts

    def finish(self) -> Postings:
        """Return the postings of all texts added."""
        if self._ends or not self._lengths:
            self._close()
        words = sorted(self.vocabulary.terms)
        numbers = (self.vocabulary.terms[word] for word in words)
        place = np.empty(len(words), dtype=np.int64)
        place[np.fromiter(numbers, dtype=np.int64, count=len(words))] = np.arange(len(words))
        starts = np.zeros(len(words) + 1, dtype=np.int64)
        for terms, _, _ in self._blocks:
            starts[1:] += np.bincount(place[terms], minlength=len(words))
        np.cumsum(starts, out=starts)
        docs, counts = self._deal(place, starts)
        return Postings(Strings.pack(words), starts, docs, counts, np.concatenate(self._lengths))

    def _deal(self, place: Int64, starts: Int64) -> tuple[Int32, npt.NDArray[np.uint16]]:
        """Merge the blocks: append each one's postings to those of the blocks before it."""
        docs: Int32 = self._array("docs", int(starts[-1]), np.int32)
        counts: npt.NDArray[np.uint16] = self._array("counts", int(starts[-1]), np.uint16)
        free = starts[:-1].copy()
        for terms, block_docs, block_counts in self._blocks:
            # Runs of equal terms; each is copied to the next free rows of its term.
            fresh = np.flatnonzero(np.diff(terms, prepend=-1))
            runs = np.diff(fresh, append=len(terms))
            rows = place[terms[fresh]]
            where = np.repeat(free[rows] - fresh, runs) + np.arange(len(terms))
            docs[where], counts[where] = block_docs, block_counts
            free[rows] += runs
        return docs, counts

    def clean(self) -> None:
        """Delete all files of the scratch directory but `docs.npy`."""
        if self.scratch is not None:
            for path in (*self.scratch.glob("block-*.npy"), self.scratch / "counts.npy"):
                path.unlink(missing_ok=True)

    def _array(self, name: str, size: int, kind: type[np.generic]) -> npt.NDArray[Any]:
        if self.scratch is None or size == 0:
            return np.empty(size, dtype=kind)
        return np.lib.format.open_memmap(
            self.scratch / f"{name}.npy", mode="w+", dtype=kind, shape=(size,)
        )
