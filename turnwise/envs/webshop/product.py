"""A product as the shop shows it, whether it was loaded from the official files or generated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """One product after preprocessing (spec: WebShop's `load_products`)."""

    asin: str
    """At most 10 characters, upper case; the shop's identifier."""
    title: str
    description: str
    bullets: tuple[str, ...]
    price: float
    """The realised price in dollars: one number even where the page shows a range."""
    price_tag: str
    """What the page shows: `$12.5` or `$12.5 to $20.0`."""
    options: dict[str, tuple[str, ...]]
    """Option groups (lower-case name) and their values (lower case), in page order."""
    attributes: tuple[str, ...]
    category: str
    query: str
    """The leaf type the product was found under, lower case, such as `console tables`."""
    product_category: str
    """The chain of categories, `A › B › C`."""

    @property
    def text(self) -> str:
        """What the search engine indexes, lower-cased: title, description, the first bullet,
        options (Anserini's `contents`).
        """
        options = ", and ".join(
            f"{name}: {', '.join(values)}" for name, values in self.options.items()
        )
        first = self.bullets[0] if self.bullets else ""
        return " ".join([self.title, self.description, first, options]).lower()
