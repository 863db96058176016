"""The 1.18 million official products, decoded one at a time from the official files.

The text is not copied. One pass over the files records the byte range of each product and of its
attributes, and builds the search index (`turnwise.envs.webshop.build`); both are stored in a
directory beside the files and memory-mapped from then on.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import random
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from turnwise.envs.webshop import build
from turnwise.envs.webshop.json_stream import Member
from turnwise.envs.webshop.official import OfficialFiles, preprocess, priced, synthetic_instruction
from turnwise.envs.webshop.products import CatalogueData, Instruction, Instructions, Product
from turnwise.errors import DataError
from turnwise.retrieval.bm25 import BM25Index
from turnwise.retrieval.strings import Strings

MAX_CACHED_PRODUCTS = 1 << 12


def load(
    files: OfficialFiles, prices: Mapping[str, float] | None, cache: str | Path | None, seed: int
) -> CatalogueData:
    """Map a catalogue, after building it if there is none of these very files.

    Arguments and errors are those of `Catalogue.official`.
    """
    directory = build.ensure(files, cache)
    products = MappedProducts(files, directory, prices, seed)
    instructions = Instructions(MappedInstructions(products), _human(directory))
    digest = hashlib.blake2b(digest_size=16)
    digest.update(build.digest_of(directory).encode())
    digest.update(products.prices.tobytes())
    return CatalogueData(
        products,
        instructions=instructions,
        index=BM25Index.load(directory),
        digest=digest.hexdigest(),
        price_draws=products.price_draws,
        origin=(files.products, prices, cache, seed),
    )


def _human(directory: Path) -> list[Instruction]:
    rows = json.loads((directory / "human.json").read_text(encoding="utf8"))
    return [
        Instruction(asin, text, tuple(attributes), tuple(options))
        for asin, text, attributes, options in rows
    ]


class MappedProducts(Mapping[str, Product]):
    """ASIN -> product, in the order of the file."""

    def __init__(
        self, files: OfficialFiles, directory: Path, prices: Mapping[str, float] | None, seed: int
    ) -> None:
        self.asins = Strings.load(directory, "ids")
        arrays = [np.load(directory / f"{name}.npy", mmap_mode="r") for name in build.ARRAYS]
        self._products, self._attributes, self._low, self._high, *arrays = arrays
        self._order, self.instructed = arrays
        self._path = files.products
        self._text, self._described = _mapped(files.products), _mapped(files.attributes)
        self.prices, self.price_draws = self._draw(seed)
        for asin, price in (prices or {}).items():
            number = self.number(asin)
            if number is not None:
                self.prices[number] = price
        self._cached_decode = lru_cache(MAX_CACHED_PRODUCTS)(self._decode)

    def _draw(self, seed: int) -> tuple[npt.NDArray[np.float64], int]:
        """Return all prices, [N], and how many were drawn from a range.

        They equal those of `random.uniform`, called in the order of the products.
        """
        rng = random.Random(seed)
        prices = np.array(self._low)
        ranged = np.flatnonzero(~np.isnan(self._high))
        drawn = np.array([rng.random() for _ in range(len(ranged))], dtype=np.float64)
        # In double precision this is the expression that `random.uniform` evaluates.
        prices[ranged] = self._low[ranged] + (self._high[ranged] - self._low[ranged]) * drawn
        return prices, len(ranged)

    def number(self, asin: object) -> int | None:
        """Return the number of a product in the file, or None if it is not there."""
        if not isinstance(asin, str):
            return None
        at = bisect_left(self._order, asin, key=lambda number: self.asins[int(number)])
        if at < len(self._order) and self.asins[int(self._order[at])] == asin:
            return int(self._order[at])
        return None

    def described(self, number: int) -> dict[str, Any]:
        """Return the entry of a product in the file of attributes; empty if there is none."""
        begin, end = self._attributes[number].tolist()
        found: dict[str, Any] = json.loads(self._described[begin:end]) if end > begin else {}
        return found

    def _decode(self, asin: str) -> Product:
        number = self.number(asin)
        if number is None:
            raise KeyError(asin)
        begin, end = self._products[number].tolist()
        raw = json.loads(self._text[begin:end])
        product, _, _ = preprocess(self._path, Member("", begin, end, raw), self.described(number))
        return priced(product, float(self.prices[number]))

    def __getitem__(self, asin: str) -> Product:
        return self._cached_decode(asin)

    def __contains__(self, asin: object) -> bool:
        return self.number(asin) is not None

    def __len__(self) -> int:
        return len(self.asins)

    def __iter__(self) -> Iterator[str]:
        return iter(self.asins)


class MappedInstructions(Mapping[str, tuple[str, tuple[str, ...]]]):
    """ASIN -> (text, attributes) of the products that have a synthetic instruction."""

    def __init__(self, products: MappedProducts) -> None:
        self._products = products

    def __getitem__(self, asin: str) -> tuple[str, tuple[str, ...]]:
        number = self._products.number(asin)
        found = None if number is None else synthetic_instruction(self._products.described(number))
        if found is None:
            raise KeyError(asin)
        return found

    def __len__(self) -> int:
        return len(self._products.instructed)

    def __iter__(self) -> Iterator[str]:
        return (self._products.asins[int(number)] for number in self._products.instructed)


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as problem:
        raise DataError(f"{path} cannot be read ({problem}): download it again") from problem
