"""The contents of a catalogue: products, official instructions and generated goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from turnwise.envs.webshop.goals import Goal
from turnwise.retrieval.bm25 import BM25Index


@dataclass(frozen=True, slots=True)
class Product:
    """A product, official or generated, as WebShop's `load_products` leaves it."""

    asin: str
    """Identifier of at most 10 characters, in upper case."""
    title: str
    description: str
    bullets: tuple[str, ...]
    price: float
    """Price in dollars; a single number even if the page shows a range."""
    price_tag: str
    """Price on the page: `$12.5` or `$12.5 to $20.0`."""
    options: dict[str, tuple[str, ...]]
    """Option group -> its values, all in lower case and in page order."""
    attributes: tuple[str, ...]
    category: str
    query: str
    """Leaf type of the product in lower case, such as `console tables`."""
    product_category: str
    """Chain of categories, `A › B › C`."""

    @property
    def text(self) -> str:
        """The indexed text in lower case: title, description, first bullet and options."""
        options = ", and ".join(
            f"{name}: {', '.join(values)}" for name, values in self.options.items()
        )
        first = self.bullets[0] if self.bullets else ""
        return " ".join([self.title, self.description, first, options]).lower()


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction written by a crowd worker (`items_human_ins.json`)."""

    asin: str
    text: str
    attributes: tuple[str, ...]
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Instructions:
    """The instructions of the official data, in the order of their products."""

    synthetic: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """ASIN -> (text, attributes)."""
    human: Sequence[Instruction] = ()


@dataclass(frozen=True, slots=True)
class CatalogueData:
    """Arguments of a `Catalogue`, as a generator or a loader returns them."""

    products: Sequence[Product] | Mapping[str, Product]
    page_size: int = 10
    goals: Sequence[Goal] = ()
    instructions: Instructions | None = None
    index: BM25Index | None = None
    digest: str | None = None
    price_draws: int | None = None
    origin: tuple[Any, ...] | None = None
