"""What a shop has: its products, the search over them, and the instructions that came with the data.

A `Catalogue` is immutable and shared by every environment of a process. A small one holds its products in memory; the
official 1.18 million stay on disk (`turnwise.envs.webshop.official`), and nothing else can tell the difference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from turnwise.envs.webshop.bm25 import BM25Index
from turnwise.envs.webshop.product import Product
from turnwise.errors import DataError

RESULTS = 50
"""Products a search returns at most."""
REMEMBERED = 1 << 14
"""Queries whose results are remembered."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One thing a crowd worker wrote down to be bought (`items_human_ins.json`)."""

    asin: str
    text: str
    attributes: tuple[str, ...]
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Instructions:
    """What the official data asks for, in the order of the products, which is the order the official loader sees."""

    synthetic: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """ASIN -> (text, attributes)."""
    human: Sequence[Instruction] = ()


class Catalogue:
    """Products by ASIN, in the order of the data.

    Args:
        products: at least one, with distinct ASINs.
        page_size: products on a page of results.
        goals: what a generated catalogue asks for; held as given.
        instructions: what official data asks for.

    Raises:
        DataError: when there is no product, or two share an ASIN.
    """

    def __init__(
        self, products: Sequence[Product], *, page_size: int = 10, goals: Sequence[Any] = (), instructions: Instructions | None = None,
    ) -> None:  # fmt: skip
        held = {product.asin: product for product in products}
        if not held:
            raise DataError("this catalogue has no products: give it at least one")
        if len(held) != len(products):
            seen: set[str] = set()
            twice = next(product.asin for product in products if product.asin in seen or seen.add(product.asin))
            raise DataError(f"two products of this catalogue share the ASIN {twice!r}: give each its own")
        self._products: Mapping[str, Product] = held
        self.page_size, self.goals = page_size, tuple(goals)
        self.instructions = instructions or Instructions()

    @classmethod
    def generate(cls, n: int = 1000, seed: int = 0, style: str = "full") -> Catalogue:
        """A procedural catalogue with goals (`turnwise.envs.webshop.generate`). The same arguments give the same bytes."""
        from turnwise.envs.webshop.generate import generate_catalogue

        return generate_catalogue(n, seed, style)

    def __getitem__(self, asin: str) -> Product:
        return self._products[asin]

    def __len__(self) -> int:
        return len(self._products)

    def __contains__(self, asin: object) -> bool:
        return asin in self._products

    @property
    def asins(self) -> Sequence[str]:
        """Every ASIN, in the order of the data."""
        return tuple(self._products)

    @property
    def synthetic_instructions(self) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        return self.instructions.synthetic

    @property
    def human_instructions(self) -> Sequence[Instruction]:
        return self.instructions.human

    @cached_property
    def index(self) -> BM25Index:
        """The search index, built on first use."""
        return BM25Index.build(tuple(self._products), (product.text for product in self._products.values()))

    def search(self, query: str) -> list[str]:
        """ASINs that match a query, the best first, at most 50. What was asked before is remembered."""
        return list(self._recall(query))

    @cached_property
    def _recall(self) -> Any:
        return lru_cache(maxsize=REMEMBERED)(lambda query: tuple(self.index.search(query, RESULTS)))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_recall"}

    @cached_property
    def data_hash(self) -> str:
        """Hash of everything this catalogue shows: products with their prices, instructions, goals, page size."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(f"page_size={self.page_size}".encode())
        for product in self._products.values():
            digest.update(json.dumps(asdict(product), ensure_ascii=True).encode())
        for item in (*self.instructions.synthetic.items(), *self.instructions.human, *self.goals):
            digest.update(repr(item).encode("utf8", "surrogatepass"))
        return digest.hexdigest()
