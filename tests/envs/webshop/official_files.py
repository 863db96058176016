"""The official WebShop files of this machine, and invented files of the same format."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

BESIDE = Path(__file__).parents[4] / "shared" / "data" / "webshop"


def official_directory() -> Path:
    """Return the directory of the official 1,000 products; skip the test if it is absent."""
    directory = Path(os.environ.get("TURNWISE_WEBSHOP_DATA", BESIDE))
    if not (directory / "items_shuffle_1000.json").is_file():
        pytest.skip(
            "items_shuffle_1000.json of the official WebShop data is absent: set "
            "TURNWISE_WEBSHOP_DATA to its directory"
        )
    return directory


def raw(asin: str = "B000000001", **changes: Any) -> dict[str, Any]:
    """Return a product in the format of the official file."""
    product = {
        "asin": asin, "name": f"Blue Kettle {asin}", "full_description": "Boils water.",
        "pricing": "$12.50",
        "small_description": ["1.7 liter", "steel"], "images": ["x.jpg"],
        "product_category": "Home › Kitchen",
        "category": "garden", "query": " Electric Kettles ", "average_rating": "", "page": 1,
        "customization_options": {
            "Color": [{"value": " Red/White ", "image": None}, {"value": "Blue"}], "Size": None,
        },
    }  # fmt: skip
    return product | changes


def write(
    directory: Path, products: list[dict[str, Any]], described: dict[str, Any] | None = None,
    human: dict[str, Any] | None = None, suffix: str = "_1000", **dump: Any,
) -> Path:  # fmt: skip
    """Write official files of these products and return the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    contents = {"items_shuffle": products, "items_ins_v2": described or {}}
    if human is not None:
        contents["items_human_ins"] = human
    for name, content in contents.items():
        (directory / f"{name}{suffix}.json").write_text(
            json.dumps(content, **dump), encoding="utf8"
        )
    return directory
