"""Loading of the official WebShop files.

A catalogue consists of `items_shuffle*.json` (products), `items_ins_v2*.json` (attributes and
synthetic instructions) and optionally `items_human_ins*.json` (instructions of crowd workers), all
with the suffix `_1000` or none. Products are preprocessed as in WebShop's `load_products` (S. Yao
et al., "WebShop", 2022; web_agent_site/engine/engine.py), except that a price shown as a range is
drawn from a seed instead of the global random state. This module loads a small catalogue into
memory; the full one stays on disk (`turnwise.envs.webshop.store`).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from turnwise.envs.webshop.json_stream import Member, members
from turnwise.envs.webshop.products import CatalogueData, Instruction, Instructions, Product
from turnwise.errors import DataError

DEFAULT_PRICE = 100.0
"""The original's price in dollars for a product without one."""
DEFAULT_ATTRIBUTES = ("DUMMY_ATTR",)
"""The original's attributes for a product without any."""
MAX_ASIN_CHARS = 10


@dataclass(frozen=True, slots=True)
class OfficialFiles:
    """The official files of one catalogue."""

    products: Path
    attributes: Path
    human: Path | None

    @classmethod
    def find(cls, location: str | Path) -> OfficialFiles:
        """Find the files in a directory, or beside a file of products.

        In a directory with both sizes, those of 1,000 products are taken.

        Raises:
            DataError: if a file is missing.
        """
        path = Path(location)
        if path.is_file():
            directory, products = path.parent, path
        else:
            directory = path
            names = ("items_shuffle_1000.json", "items_shuffle.json")
            found = [directory / name for name in names if (directory / name).is_file()]
            if not found:
                raise DataError(
                    f"{directory} holds neither {names[0]} nor {names[1]}: "
                    "name the directory of the official files"
                )
            products = found[0]
        suffix = "_1000" if products.stem.endswith("_1000") else ""
        choices = [directory / f"items_ins_v2{end}.json" for end in dict.fromkeys((suffix, ""))]
        attributes = next((choice for choice in choices if choice.is_file()), None)
        if attributes is None:
            raise DataError(
                f"{choices[0]} does not exist: {products.name} needs it beside it, "
                "for attributes and instructions"
            )
        human = [directory / f"items_human_ins{end}.json" for end in dict.fromkeys((suffix, ""))]
        return cls(products, attributes, next((file for file in human if file.is_file()), None))


def load(files: OfficialFiles, prices: Mapping[str, float] | None, seed: int) -> CatalogueData:
    """Load a catalogue into memory; arguments and errors are those of `Catalogue.official`."""
    attributes = {member.key: member.value for member in members(files.attributes, "{")}
    rng, products = random.Random(seed), list[Product]()
    synthetic: dict[str, tuple[str, tuple[str, ...]]] = {}
    for member in distinct(files.products):
        asin = member.value["asin"]
        described = attributes.get(asin, {})
        product, low, high = preprocess(files.products, member, described)
        price = low if high is None else rng.uniform(low, high)
        if prices is not None:
            price = prices.get(asin, price)
        products.append(priced(product, price))
        instruction = synthetic_instruction(described)
        if instruction is not None:
            synthetic[asin] = instruction
    if not products:
        raise DataError(f"{files.products} has no products: download it again")
    numbers = {product.asin: number for number, product in enumerate(products)}
    human = human_instructions(files.human, numbers)
    return CatalogueData(products, instructions=Instructions(synthetic, human))


def distinct(path: Path, on_read: Callable[[bytes], object] = len) -> Iterator[Member]:
    """Yield the products that the original keeps.

    These have an ASIN of at most 10 characters other than `nan`, and are the first with it.

    Args:
        on_read: see `members`.
    """
    known: set[str] = set()
    for member in members(path, "[", on_read):
        asin = member.value.get("asin")
        if not isinstance(asin, str):
            raise DataError(
                f"the product at byte {member.begin} of {path} has no ASIN: this is not the "
                "official file"
            )
        if asin == "nan" or len(asin) > MAX_ASIN_CHARS or asin in known:
            continue
        known.add(asin)
        yield member


def preprocess(
    path: Path, member: Member, described: Mapping[str, Any]
) -> tuple[Product, float, float | None]:
    """Return a product priced 0.0, and its price or price range.

    Args:
        path: the file of products, for error messages.
        described: the entry of the file of attributes.

    Returns:
        The product, the lowest price, and the highest or None if there is a single one.

    Raises:
        DataError: if a field is missing or of another type.
    """
    raw = member.value
    try:
        tag, low, high = _pricing(raw.get("pricing"))
        bullets = raw["small_description"]
        product = Product(
            asin=raw["asin"],
            title=raw["name"],
            description=raw["full_description"],
            bullets=tuple(bullets) if isinstance(bullets, list) else (bullets,),
            price=0.0,
            price_tag=tag,
            options=_options(raw["customization_options"]),
            attributes=tuple(described.get("attributes", DEFAULT_ATTRIBUTES)),
            category=raw["category"],
            query=raw["query"].lower().strip(),
            product_category=raw["product_category"],
        )
    except (LookupError, TypeError, AttributeError, ArithmeticError, ValueError) as problem:
        name = raw.get("asin", "?")
        where = f"product {name!r} at byte {member.begin} of {path}"
        raise DataError(f"{where} is not as in the official files ({problem!r})") from problem
    return product, low, high


def _pricing(text: str | None) -> tuple[str, float, float | None]:
    """Return the price tag, the lowest price, and the highest or None if there is a single one."""
    if not text:
        return f"${DEFAULT_PRICE}", DEFAULT_PRICE, None
    amounts = [float(Decimal(re.sub(r"[^\d.]", "", amount))) for amount in text.split("$")[1:]]
    if len(amounts) == 1:
        return f"${amounts[0]}", amounts[0], None
    return f"${amounts[0]} to ${amounts[1]}", amounts[0], amounts[1]


def _options(groups: Mapping[str, Any] | str | None) -> dict[str, tuple[str, ...]]:
    """Return the option values of each group in lower case.

    Of groups whose names differ only in case, the last one counts, at the position of the first.
    """
    if not groups or isinstance(groups, str):
        return {}
    return {
        name.lower(): tuple(
            choice["value"].strip().replace("/", " | ").lower() for choice in choices
        )
        for name, choices in groups.items()
        if choices is not None
    }


def priced(product: Product, price: float) -> Product:
    """Return the product at a price."""
    # `dataclasses.replace` is several times slower.
    return Product(
        product.asin,
        product.title,
        product.description,
        product.bullets,
        price,
        product.price_tag,
        product.options,
        product.attributes,
        product.category,
        product.query,
        product.product_category,
    )


def synthetic_instruction(described: Mapping[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    """Return (text, attributes) of a product's synthetic instruction, or None."""
    text = described.get("instruction")
    return None if text is None else (text, tuple(described.get("instruction_attributes") or ()))


def human_instructions(path: Path | None, numbers: Mapping[str, int]) -> list[Instruction]:
    """Return the human instructions in the order of the products.

    Args:
        path: the file of human instructions, if there is one.
        numbers: ASIN -> position of the product.

    Raises:
        DataError: if the file is incomplete or not the official one.
    """
    if path is None:
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf8"))
        asins = sorted((asin for asin in rows if asin in numbers), key=numbers.__getitem__)
        return [
            Instruction(
                asin=asin,
                text=row["instruction"],
                attributes=tuple(row["instruction_attributes"]),
                options=tuple(row["instruction_options"]),
            )
            for asin in asins
            for row in rows[asin]
        ]
    except (ValueError, KeyError, TypeError) as problem:
        raise DataError(
            f"{path} is not the official file of human instructions, "
            f"or it was cut off ({problem!r})"
        ) from problem
