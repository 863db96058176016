"""The official WebShop files: finding them, and what their loader makes of a product.

Three files belong together: `items_shuffle*.json` (products), `items_ins_v2*.json` (attributes and
synthetic instructions) and, optionally, `items_human_ins*.json` (crowd instructions), each with the
suffix `_1000` or none. The preprocessing is that of WebShop's `load_products` (S. Yao et al.,
"WebShop", 2022; web_agent_site/engine/engine.py), with
one change: the price of a product that shows a range is drawn from a seed, where the original draws
it from nowhere in particular. A small catalogue is held in memory, the full one stays on disk
(`turnwise.envs.webshop.store`).
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from turnwise.envs.webshop.catalogue import Catalogue, Instruction, Instructions
from turnwise.envs.webshop.json_stream import Member, members
from turnwise.envs.webshop.product import Product
from turnwise.errors import DataError

SMALL = 1 << 28
"""Files of products up to this many bytes are held in memory."""
NO_PRICE = 100.0
"""What the original charges where the page shows no price."""
NO_ATTRIBUTES = ("DUMMY_ATTR",)


@dataclass(frozen=True, slots=True)
class Files:
    """The official files of one catalogue."""

    products: Path
    attributes: Path
    human: Path | None

    @classmethod
    def find(cls, place: str | Path) -> Files:
        """The files in a directory, those of 1,000 products before the full ones; or those beside
        one file of products.

        Raises:
            DataError: where a file is missing.
        """
        path = Path(place)
        if path.is_file():
            directory, products = path.parent, path
        else:
            directory = path
            names = ("items_shuffle_1000.json", "items_shuffle.json")
            found = [directory / name for name in names if (directory / name).is_file()]
            if not found:
                raise DataError(
                    f"{directory} holds neither {names[0]} nor {names[1]}: name the directory of the official files"
                )
            products = found[0]
        suffix = "_1000" if products.stem.endswith("_1000") else ""
        choices = [directory / f"items_ins_v2{end}.json" for end in dict.fromkeys((suffix, ""))]
        attributes = next((choice for choice in choices if choice.is_file()), None)
        if attributes is None:
            raise DataError(
                f"{choices[0]} does not exist: {products.name} needs it beside it, for attributes and instructions"
            )
        people = [directory / f"items_human_ins{end}.json" for end in dict.fromkeys((suffix, ""))]
        return cls(
            products, attributes, next((choice for choice in people if choice.is_file()), None)
        )


def load(
    place: str | Path,
    prices: Mapping[str, float] | None = None,
    cache: str | Path | None = None,
    seed: int = 0,
) -> Catalogue:
    """`Catalogue.official`."""
    from turnwise.envs.webshop import store

    files = Files.find(place)
    if cache is not None or files.products.stat().st_size > SMALL:
        return store.load(files, prices, cache, seed)
    attributes = {member.key: member.value for member in members(files.attributes, "{")}
    rng, held = random.Random(seed), list[Product]()
    synthetic: dict[str, tuple[str, tuple[str, ...]]] = {}
    for member in distinct(files.products):
        asin = member.value["asin"]
        described = attributes.get(asin, {})
        product, low, high = preprocess(files.products, member, described)
        price = low if high is None else rng.uniform(low, high)
        if prices is not None:
            price = prices.get(asin, price)
        held.append(priced(product, price))
        given = synthetic_instruction(described)
        if given is not None:
            synthetic[asin] = given
    if not held:
        raise DataError(f"{files.products} holds no products: fetch it again")
    places = {product.asin: number for number, product in enumerate(held)}
    return Catalogue(
        held, instructions=Instructions(synthetic, human_instructions(files.human, places))
    )


def distinct(path: Path, seen: Any = len) -> Iterator[Member]:
    """The products that the original keeps: not `nan`, at most 10 characters, the first of every
    ASIN.
    """
    known: set[str] = set()
    for member in members(path, "[", seen):
        asin = member.value.get("asin")
        if not isinstance(asin, str):
            raise DataError(
                f"the product at byte {member.begin} of {path} has no ASIN: it is not the official file"
            )
        if asin == "nan" or len(asin) > 10 or asin in known:
            continue
        known.add(asin)
        yield member


def preprocess(
    path: Path, member: Member, described: Mapping[str, Any]
) -> tuple[Product, float, float | None]:
    """(the product without its price, its price or the low end of its range, the high end or None).

    Raises:
        DataError: where a field is missing or of another kind.
    """
    raw = member.value
    try:
        tag, low, high = _pricing(raw.get("pricing"))
        bullets = raw["small_description"]
        product = Product(
            asin=raw["asin"], title=raw["name"], description=raw["full_description"],
            bullets=tuple(bullets) if isinstance(bullets, list) else (bullets,),
            price=0.0, price_tag=tag, options=_options(raw["customization_options"]),
            attributes=tuple(described["attributes"]) if "attributes" in described else NO_ATTRIBUTES,
            category=raw["category"], query=raw["query"].lower().strip(), product_category=raw["product_category"],
        )  # fmt: skip
    except (
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        InvalidOperation,
        ValueError,
    ) as problem:
        name = raw.get("asin", "?")
        where = f"product {name!r} at byte {member.begin} of {path}"
        raise DataError(f"{where} is not as in the official files ({problem!r})") from problem
    return product, low, high


def _pricing(text: str | None) -> tuple[str, float, float | None]:
    """What the page shows, and the price or the range behind it."""
    if not text:
        return f"${NO_PRICE}", NO_PRICE, None
    amounts = [float(Decimal(re.sub(r"[^\d.]", "", amount))) for amount in text.split("$")[1:]]
    if len(amounts) == 1:
        return f"${amounts[0]}", amounts[0], None
    return f"${amounts[0]} to ${amounts[1]}", amounts[0], amounts[1]


def _options(groups: Mapping[str, Any] | str | None) -> dict[str, tuple[str, ...]]:
    """Groups by lower-case name; where two names differ in case only, the later one stands, in the
    earlier one's place.
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
    """The product at a price. (`dataclasses.replace`, several times faster.)"""
    return Product(
        product.asin, product.title, product.description, product.bullets, price, product.price_tag, product.options,
        product.attributes, product.category, product.query, product.product_category,
    )  # fmt: skip


def synthetic_instruction(described: Mapping[str, Any]) -> tuple[str, tuple[str, ...]] | None:
    """(text, attributes) of a product's synthetic instruction, where it has one."""
    text = described.get("instruction")
    return None if text is None else (text, tuple(described.get("instruction_attributes") or ()))


def human_instructions(path: Path | None, places: Mapping[str, int]) -> list[Instruction]:
    """What people asked for, in the order of the products; `places` has the number of every
    product.

    Raises:
        DataError: where the file is torn or not the official one.
    """
    if path is None:
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf8"))
        asked = sorted((asin for asin in rows if asin in places), key=lambda asin: places[asin])
        return [
            Instruction(
                asin,
                row["instruction"],
                tuple(row["instruction_attributes"]),
                tuple(row["instruction_options"]),
            )
            for asin in asked
            for row in rows[asin]
        ]
    except (ValueError, KeyError, TypeError) as problem:
        raise DataError(
            f"{path} is not the official file of human instructions, or it was cut off ({problem!r})"
        ) from problem
