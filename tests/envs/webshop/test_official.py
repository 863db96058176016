from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from tests.envs.webshop.official_files import official_directory, raw, write
from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.products import Instruction, Product
from turnwise.errors import DataError


def one(tmp_path: Path, described: dict[str, Any] | None = None, **changes: Any) -> Product:
    """Return the product that the catalogue makes of a raw one."""
    return Catalogue.official(write(tmp_path, [raw(**changes)], described))["B000000001"]


def test_a_product(tmp_path: Path) -> None:
    described = {"B000000001": {"attributes": ["fast boil", "bpa free"]}}
    assert one(tmp_path, described) == Product(
        asin="B000000001", title="Blue Kettle B000000001", description="Boils water.",
        bullets=("1.7 liter", "steel"),
        price=12.5, price_tag="$12.5", options={"color": ("red | white", "blue")},
        attributes=("fast boil", "bpa free"),
        category="garden", query="electric kettles", product_category="Home › Kitchen",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pricing", "tag", "price"),
    [("$5", "$5.0", 5.0), ("$1,234.50", "$1234.5", 1234.5), ("", "$100.0", 100.0),
     (None, "$100.0", 100.0),
     ("Price: $3.10 each", "$3.1", 3.1)],
)  # fmt: skip
def test_prices(tmp_path: Path, pricing: str | None, tag: str, price: float) -> None:
    product = one(tmp_path, pricing=pricing)
    assert (product.price_tag, product.price) == (tag, price)


def test_ranges_are_drawn_from_the_seed_in_the_order_of_the_products(tmp_path: Path) -> None:
    products = [raw("A1", pricing="$1$2"), raw("A2"), raw("A3", pricing="$10.5 - $20.0$99")]
    catalogue = Catalogue.official(write(tmp_path, products), seed=7)
    rng = random.Random(7)
    assert [catalogue[asin].price for asin in catalogue.asins] == [
        rng.uniform(1, 2),
        12.5,
        rng.uniform(10.5, 20.0),
    ]
    assert catalogue["A3"].price_tag == "$10.5 to $20.0"
    assert catalogue.price_draws == 2
    assert Catalogue.official(tmp_path, seed=8)["A1"].price != catalogue["A1"].price


def test_given_prices_stand_and_leave_the_others_as_they_were(tmp_path: Path) -> None:
    write(tmp_path, [raw("A1", pricing="$1$2"), raw("A2", pricing="$3$4")])
    drawn = Catalogue.official(tmp_path)
    given = Catalogue.official(tmp_path, prices={"A1": 1.25, "ELSEWHERE": 3.0})
    assert given["A1"].price == 1.25
    assert given["A2"].price == drawn["A2"].price
    assert given.data_hash != drawn.data_hash


def test_which_products_are_kept(tmp_path: Path) -> None:
    products = [
        raw("A1"),
        raw("nan"),
        raw("A1", name="again"),
        raw("B0123456789"),
        raw("B012345678"),
    ]
    catalogue = Catalogue.official(write(tmp_path, products))
    assert list(catalogue.asins) == ["A1", "B012345678"]
    assert catalogue["A1"].title == "Blue Kettle A1"


def test_quirks_of_the_fields(tmp_path: Path) -> None:
    product = one(tmp_path, small_description="only one", customization_options="", query="  Mugs ")
    assert (product.bullets, product.options, product.query) == (("only one",), {}, "mugs")
    assert product.attributes == ("DUMMY_ATTR",)
    groups = {"SIZE": [{"value": "S"}], "Fit": None, "Size": [{"value": "M"}, {"value": "L/XL"}]}
    assert one(tmp_path, customization_options=groups).options == {"size": ("m", "l | xl")}


def test_instructions_come_in_the_order_of_the_products(tmp_path: Path) -> None:
    products = [raw("A3"), raw("A1"), raw("A2")]
    described = {
        "A1": {"attributes": ["x"], "instruction": "Find me A1", "instruction_attributes": ["x"]},
        "A2": {"attributes": []},
        "A3": {"attributes": ["y"], "instruction": "Find me A3", "instruction_attributes": ["y"]},
    }
    row = {"instruction": "i want", "instruction_attributes": ["x"], "instruction_options": ["red"]}
    people = {
        "GONE": [row],
        "A2": [row | {"instruction": "second"}],
        "A3": [row, row | {"instruction_attributes": []}],
    }
    catalogue = Catalogue.official(write(tmp_path, products, described, people))
    assert list(catalogue.synthetic_instructions.items()) == [
        ("A3", ("Find me A3", ("y",))),
        ("A1", ("Find me A1", ("x",))),
    ]
    assert list(catalogue.human_instructions) == [
        Instruction("A3", "i want", ("x",), ("red",)),
        Instruction("A3", "i want", (), ("red",)),
        Instruction("A2", "second", ("x",), ("red",)),
    ]


def test_which_files_are_found(tmp_path: Path) -> None:
    write(tmp_path, [raw("SMALL")])
    write(tmp_path, [raw("FULL1"), raw("FULL2")], suffix="")
    assert list(Catalogue.official(tmp_path).asins) == ["SMALL"]
    assert list(Catalogue.official(tmp_path / "items_shuffle.json").asins) == ["FULL1", "FULL2"]
    (tmp_path / "items_shuffle_1000.json").unlink()
    assert list(Catalogue.official(tmp_path).asins) == ["FULL1", "FULL2"]


def test_files_beyond_ascii_with_and_without_escapes(tmp_path: Path) -> None:
    titles = ["Café “Crème” 🙂", "plain"]
    products = [raw(f"A{k}", name=title) for k, title in enumerate(titles)]
    escaped = Catalogue.official(write(tmp_path / "a", products))
    plain = Catalogue.official(write(tmp_path / "b", products, ensure_ascii=False))
    assert [plain[asin].title for asin in plain.asins] == titles
    assert plain.data_hash == escaped.data_hash


def complaint(directory: Path) -> str:
    with pytest.raises(DataError) as caught:
        Catalogue.official(directory)
    return str(caught.value)


def test_missing_files_are_named(tmp_path: Path) -> None:
    assert "holds neither items_shuffle_1000.json nor items_shuffle.json" in complaint(tmp_path)
    assert "holds neither" in complaint(tmp_path / "nowhere")
    write(tmp_path, [raw()])
    (tmp_path / "items_ins_v2_1000.json").unlink()
    assert "items_ins_v2_1000.json does not exist: items_shuffle_1000.json needs it" in complaint(
        tmp_path
    )


def test_broken_files_are_named(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert "items_shuffle_1000.json has no products" in complaint(tmp_path)
    items = write(tmp_path, [raw("A1"), raw("A2")]) / "items_shuffle_1000.json"
    items.write_text(items.read_text()[:-40])
    assert (
        "items_shuffle_1000.json ends in the middle, after 1 whole objects: it was cut off"
        in complaint(tmp_path)
    )
    write(tmp_path, [raw(), {key: value for key, value in raw("A2").items() if key != "query"}])
    assert "product 'A2' at byte" in complaint(tmp_path)
    write(tmp_path, [{"name": "no asin"}])
    assert "has no ASIN" in complaint(tmp_path)
    write(tmp_path, [raw(pricing="free")])
    assert "is not as in the official files" in complaint(tmp_path)
    write(tmp_path, [raw()], human={"B000000001": [{"instruction": "x"}]})
    assert "items_human_ins_1000.json is not the official file of human instructions" in complaint(
        tmp_path
    )
    (tmp_path / "items_human_ins_1000.json").write_text("{")
    assert "it was cut off" in complaint(tmp_path)


def test_the_official_thousand() -> None:
    """Numbers of the original, and its prices after `random.seed(0)`."""
    directory = official_directory()
    catalogue = Catalogue.official(directory, seed=0)
    assert len(catalogue) == 1000
    assert (len(catalogue.synthetic_instructions), len(catalogue.human_instructions)) == (415, 13)
    recorded = directory / "golden" / "setup_synthetic.json.gz"
    if not recorded.is_file():
        pytest.skip("golden/setup_synthetic.json.gz is absent from the official WebShop data")
    prices = json.loads(gzip.decompress(recorded.read_bytes()))["prices"]
    assert {asin: catalogue[asin].price for asin in catalogue.asins} == prices
    given = Catalogue.official(directory, prices=prices, seed=99)
    assert given.data_hash == catalogue.data_hash
