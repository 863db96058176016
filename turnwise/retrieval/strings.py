"""A memory-mapped sequence of strings: millions of them load at once, without Python objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import overload

import numpy as np
import numpy.typing as npt


class Strings(Sequence[str]):
    """Immutable strings, stored as their concatenated UTF-8 bytes and the offset of each.

    Lone surrogates are kept (`surrogatepass`). UTF-8 preserves the order of code points, so
    `bisect` works on a sorted sequence.
    """

    def __init__(self, data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64]) -> None:
        self.data, self.starts = data, starts

    @classmethod
    def pack(cls, items: Iterable[str]) -> Strings:
        """Return a sequence that holds copies of `items`."""
        encoded = [item.encode("utf8", "surrogatepass") for item in items]
        starts = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(item) for item in encoded], out=starts[1:])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), starts)

    def save(self, directory: Path, name: str) -> None:
        """Write `NAME.npy` and `NAME.starts.npy` into a directory."""
        np.save(directory / f"{name}.npy", self.data)
        np.save(directory / f"{name}.starts.npy", self.starts)

    @classmethod
    def load(cls, directory: Path, name: str) -> Strings:
        """Memory-map what `save` wrote.

        Raises:
            OSError, ValueError: if an array is missing or incomplete.
        """
        return cls(
            np.load(directory / f"{name}.npy", mmap_mode="r"),
            np.load(directory / f"{name}.starts.npy", mmap_mode="r"),
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        data = self.data[self.starts[index] : self.starts[index + 1]]
        return data.tobytes().decode("utf8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), 4096):
            starts = self.starts[first : first + 4097].tolist()
            block = self.data[starts[0] : starts[-1]].tobytes()
            for begin, end in pairwise(starts):
                yield block[begin - starts[0] : end - starts[0]].decode("utf8", "surrogatepass")
