"""A shop: its products, the search over them, and the instructions or goals about them.

A `Catalogue` is immutable and shared by all environments of a process. A small one holds its
products in memory; the 1.18 million official ones stay on disk (`turnwise.envs.webshop.store`),
behind the same interface.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from turnwise.envs.webshop import official, store
from turnwise.envs.webshop.generate import generate_shop
from turnwise.envs.webshop.goals import Goal
from turnwise.envs.webshop.products import CatalogueData, Instruction, Instructions, Product
from turnwise.errors import DataError
from turnwise.retrieval.bm25 import BM25Index

MAX_RESULTS = 50
"""Products a search returns at most."""
MAX_CACHED_QUERIES = 1 << 14
MAX_IN_MEMORY_BYTES = 1 << 28
"""Larger files of official products stay on disk."""


class Catalogue:
    """Products by ASIN, in the order of the data.

    Args:
        products: at least one, with distinct ASINs.
        page_size: products on a page of results.
        goals: the goals of a generated catalogue.
        instructions: the instructions of the official data.
        index: the search index; built from the products if None.
        digest: hash of products, instructions and goals; computed if None.
        price_draws: number of prices that were drawn from a range; counted if None.
        origin: arguments of `Catalogue.official`; pickling stores them instead of the contents.

    Raises:
        DataError: if there is no product, or two share an ASIN.
    """

    def __init__(
        self,
        products: Sequence[Product] | Mapping[str, Product],
        *,
        page_size: int = 10,
        goals: Sequence[Goal] = (),
        instructions: Instructions | None = None,
        index: BM25Index | None = None,
        digest: str | None = None,
        price_draws: int | None = None,
        origin: tuple[Any, ...] | None = None,
    ) -> None:
        self._products = products if isinstance(products, Mapping) else _by_asin(products)
        self.asins: Sequence[str] = getattr(products, "asins", None) or tuple(self._products)
        """All ASINs, in the order of the data."""
        if not self.asins:
            raise DataError("this catalogue has no products: give it at least one")
        self.page_size, self.goals = page_size, tuple(goals)
        self.instructions = instructions or Instructions()
        self._given_index, self._given_digest = index, digest
        self._given_price_draws, self._origin = price_draws, origin

    @classmethod
    def from_data(cls, data: CatalogueData) -> Catalogue:
        """Return the catalogue that a generator or loader prepared."""
        return cls(
            data.products,
            page_size=data.page_size,
            goals=data.goals,
            instructions=data.instructions,
            index=data.index,
            digest=data.digest,
            price_draws=data.price_draws,
            origin=data.origin,
        )

    @classmethod
    def official(
        cls,
        directory: str | Path,
        prices: Mapping[str, float] | None = None,
        cache: str | Path | None = None,
        seed: int = 0,
    ) -> Catalogue:
        """Load the official products.

        The full files are indexed once, into a directory beside them or in `cache`, and
        memory-mapped from then on.

        Args:
            directory: a directory with `items_shuffle_1000.json` or `items_shuffle.json` and their
                companions; or one of these files, if a directory holds both.
            prices: ASIN -> price in dollars, instead of the drawn one; unknown ASINs are ignored.
            cache: a directory for the index; also keeps a small catalogue on disk.
            seed: seed of the prices drawn from ranges, in the order of the products, as the
                original's loader does after `random.seed(seed)`.

        Raises:
            DataError: if a file is missing, cut off, empty or not the official one, or the index
                cannot be written.
        """
        files = official.OfficialFiles.find(directory)
        if cache is not None or files.products.stat().st_size > MAX_IN_MEMORY_BYTES:
            return cls.from_data(store.load(files, prices, cache, seed))
        return cls.from_data(official.load(files, prices, seed))

    @classmethod
    def generate(
        cls, n: int = 1000, seed: int = 0, style: str = "full", **settings: object
    ) -> Catalogue:
        """Generate a catalogue with goals; see `turnwise.envs.webshop.generate.generate_shop`."""
        return cls.from_data(generate_shop(n, seed, style, **settings))

    def __getitem__(self, asin: str) -> Product:
        return self._products[asin]

    def __len__(self) -> int:
        return len(self._products)

    def __contains__(self, asin: object) -> bool:
        return asin in self._products

    @property
    def synthetic_instructions(self) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        return self.instructions.synthetic

    @property
    def human_instructions(self) -> Sequence[Instruction]:
        return self.instructions.human

    @cached_property
    def index(self) -> BM25Index:
        """The search index, built on first use."""
        if self._given_index is not None:
            return self._given_index
        return BM25Index.build(
            tuple(self._products), (product.text for product in self._products.values())
        )

    def search(self, query: str) -> list[str]:
        """Return the ASINs of at most 50 products that match a query, best first; cached."""
        return list(self._cached_search(query))

    @cached_property
    def _cached_search(self) -> Any:
        return lru_cache(maxsize=MAX_CACHED_QUERIES)(
            lambda query: tuple(self.index.search(query, MAX_RESULTS))
        )

    @cached_property
    def price_draws(self) -> int:
        """Number of prices drawn from a range.

        The original draws its price limits from the same generator, after as many draws.
        """
        if self._given_price_draws is not None:
            return self._given_price_draws
        return sum(" to " in product.price_tag for product in self._products.values())

    def __reduce__(self) -> tuple[Any, ...]:
        if self._origin is not None:
            return Catalogue.official, self._origin
        state = {name: value for name, value in self.__dict__.items() if name != "_cached_search"}
        return object.__new__, (Catalogue,), state

    @cached_property
    def data_hash(self) -> str:
        """Hash of products with prices, instructions, goals and page size.

        For a catalogue on disk, the hash of its files and prices stands for the products and
        instructions, which would take long to read.
        """
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"page_size={self.page_size}".encode())
        if self._given_digest is not None:
            digest.update(self._given_digest.encode())
            return digest.hexdigest()
        for product in self._products.values():
            digest.update(json.dumps(asdict(product), ensure_ascii=True).encode())
        for item in (*self.instructions.synthetic.items(), *self.instructions.human, *self.goals):
            digest.update(repr(item).encode("utf8", "surrogatepass"))
        return digest.hexdigest()


def _by_asin(products: Sequence[Product]) -> dict[str, Product]:
    by_asin: dict[str, Product] = {}
    for product in products:
        if product.asin in by_asin:
            raise DataError(
                f"two products of this catalogue share the ASIN {product.asin!r}: give each its own"
            )
        by_asin[product.asin] = product
    return by_asin
