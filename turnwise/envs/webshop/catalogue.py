"""What a shop has: its products, the search over them, and the instructions that came with the
data.

A `Catalogue` is immutable and shared by every environment of a process. A small one holds its
products in memory; the official 1.18 million stay on disk (`turnwise.envs.webshop.official`), and
nothing else can tell the difference.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from turnwise.envs.webshop.product import Product
from turnwise.errors import DataError
from turnwise.retrieval.bm25 import BM25Index

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
    """What the official data asks for, in the order of the products, which is the order the
    official loader sees.
    """

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
        index, digest, price_draws: what is otherwise worked out: the search index, the hash of the
        data, and how many
            prices were drawn from ranges.
        origin: arguments of `Catalogue.official` that make this catalogue again, in place of
            pickling it.

    Raises:
        DataError: when there is no product, or two share an ASIN.
    """

    def __init__(
        self, products: Sequence[Product] | Mapping[str, Product], *, page_size: int = 10, goals: Sequence[Any] = (),
        instructions: Instructions | None = None, index: BM25Index | None = None, digest: str | None = None,
        price_draws: int | None = None, origin: tuple[Any, ...] | None = None,
    ) -> None:  # fmt: skip
        self._products = products if isinstance(products, Mapping) else _by_asin(products)
        self.asins: Sequence[str] = getattr(products, "asins", None) or tuple(self._products)
        """Every ASIN, in the order of the data."""
        if not self.asins:
            raise DataError("this catalogue has no products: give it at least one")
        self.page_size, self.goals = page_size, tuple(goals)
        self.instructions = instructions or Instructions()
        self._given_index, self._given_digest, self._given_draws, self._origin = (
            index,
            digest,
            price_draws,
            origin,
        )

    @classmethod
    def official(
        cls,
        directory: str | Path,
        prices: Mapping[str, float] | None = None,
        cache: str | Path | None = None,
        seed: int = 0,
    ) -> Catalogue:
        """The official products, from a directory with `items_shuffle_1000.json` or
        `items_shuffle.json` and their companions.

        The full files are indexed once, into a directory beside them or in `cache`, and
        memory-mapped from then on.

        Args:
            directory: or the file of products itself, where a directory holds both sizes.
            prices: ASIN -> price in dollars, where they are to be other than drawn; ASINs that are
            not sold here are ignored.
            cache: a directory for the index; giving it also keeps a small catalogue on disk.
            seed: price ranges are drawn from it, in the order of the products, as the original's
                loader does after `random.seed(seed)`.

        Raises:
            DataError: where a file is missing, cut off, empty or not the official one, or the index
                cannot be written.
        """
        from turnwise.envs.webshop.official import load

        return load(directory, prices, cache, seed)

    @classmethod
    def generate(
        cls, n: int = 1000, seed: int = 0, style: str = "full", **settings: object
    ) -> Catalogue:
        """A procedural catalogue with goals (`turnwise.envs.webshop.generate`). The same arguments
        give the same bytes.
        """
        from turnwise.envs.webshop.generate import generate_catalogue

        return generate_catalogue(n, seed, style, **settings)

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
        """ASINs that match a query, the best first, at most 50. What was asked before is
        remembered.
        """
        return list(self._recall(query))

    @cached_property
    def _recall(self) -> Any:
        return lru_cache(maxsize=REMEMBERED)(lambda query: tuple(self.index.search(query, RESULTS)))

    @cached_property
    def price_draws(self) -> int:
        """How many prices were drawn from a range: the official loader's generator is that far on
        when it comes to goals.
        """
        if self._given_draws is not None:
            return self._given_draws
        return sum(" to " in product.price_tag for product in self._products.values())

    def __reduce__(self) -> tuple[Any, ...]:
        if self._origin is not None:
            return Catalogue.official, self._origin
        state = {name: value for name, value in self.__dict__.items() if name != "_recall"}
        return object.__new__, (Catalogue,), state

    @cached_property
    def data_hash(self) -> str:
        """Hash of everything this catalogue shows: products with their prices, instructions, goals,
        page size.

        Kept on disk, a catalogue is known by the hash of its files and prices instead, which need
        not be read for it.
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
    held: dict[str, Product] = {}
    for product in products:
        if product.asin in held:
            raise DataError(
                f"two products of this catalogue share the ASIN {product.asin!r}: give each its own"
            )
        held[product.asin] = product
    return held
