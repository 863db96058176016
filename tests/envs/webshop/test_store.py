"""A catalogue on disk answers everything as the catalogue in memory does."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from tests.envs.webshop.official_files import official_directory, raw, write
from turnwise.envs.webshop import catalogue
from turnwise.envs.webshop.catalogue import Catalogue


def shop(directory: Path, n: int = 40) -> Path:
    products = [
        raw(
            f"B{k * 37 % 101:03d}", name=f"Kettle no {k} " + "é" * (k % 3),
            full_description="red " * (k % 4),
            pricing=("$1$9", "", "$4.5")[k % 3], small_description=[f"word{k % 7} steel"],
        )
        for k in range(n)
    ]  # fmt: skip
    described: dict[str, Any] = {
        product["asin"]: {"attributes": ["steel"]}
        | ({"instruction": f"Find {k}", "instruction_attributes": ["steel"]} if k % 3 else {})
        for k, product in enumerate(products)
        if k % 5
    }
    described["NOT SOLD"] = {
        "attributes": [],
        "instruction": "Find nothing",
        "instruction_attributes": ["x"],
    }
    row = {"instruction": "i want", "instruction_attributes": ["steel"], "instruction_options": []}
    return write(
        directory,
        products,
        described,
        {products[9]["asin"]: [row], products[2]["asin"]: [row, row]},
        ensure_ascii=False,
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalogue, Catalogue]:
    directory = shop(tmp_path_factory.mktemp("shop"))
    cache = tmp_path_factory.mktemp("cache")
    return Catalogue.official(directory, seed=3), Catalogue.official(directory, seed=3, cache=cache)


def test_products_are_equal(pair: tuple[Catalogue, Catalogue]) -> None:
    held, mapped = pair
    assert list(mapped.asins) == list(held.asins)
    assert len(mapped) == len(held) == 40
    assert all(mapped[asin] == held[asin] for asin in held.asins)
    assert "B000" in mapped
    assert "NOT SOLD" not in mapped
    assert 7 not in mapped
    assert mapped.price_draws == held.price_draws == 14
    with pytest.raises(KeyError):
        mapped["NOT SOLD"]


def test_instructions_are_equal(pair: tuple[Catalogue, Catalogue]) -> None:
    held, mapped = pair
    assert list(mapped.synthetic_instructions.items()) == list(held.synthetic_instructions.items())
    assert len(mapped.synthetic_instructions) == len(held.synthetic_instructions) > 10
    assert list(mapped.human_instructions) == list(held.human_instructions)
    without = next(asin for asin in held.asins if asin not in held.synthetic_instructions)
    assert without not in mapped.synthetic_instructions


@pytest.mark.parametrize(
    "query", ["kettle", "red kettle", "word3 steel", "no 17", "é", "nothing of the kind"]
)
def test_searches_are_equal(pair: tuple[Catalogue, Catalogue], query: str) -> None:
    held, mapped = pair
    assert mapped.search(query) == held.search(query)


def test_pickled_it_is_opened_again(pair: tuple[Catalogue, Catalogue]) -> None:
    _, mapped = pair
    data = pickle.dumps(mapped)
    assert len(data) < 1000
    again = pickle.loads(data)
    assert again.data_hash == mapped.data_hash
    assert again.search("red kettle") == mapped.search("red kettle")


def test_prices_and_seed_are_of_the_loading_and_not_of_the_directory(tmp_path: Path) -> None:
    directory, cache = shop(tmp_path / "shop"), tmp_path / "cache"
    first = Catalogue.official(directory, seed=1, cache=cache)
    second = Catalogue.official(directory, seed=2, cache=cache)
    given = Catalogue.official(
        directory, prices={"B000": 2.5, "NOT SOLD": 1.0}, seed=1, cache=cache
    )
    assert first["B000"].price != second["B000"].price
    assert given["B000"].price == 2.5
    assert len({first.data_hash, second.data_hash, given.data_hash}) == 3
    assert Catalogue.official(directory, seed=1, cache=cache).data_hash == first.data_hash


def test_large_files_go_to_disk_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = shop(tmp_path)
    held = Catalogue.official(directory)
    assert not list(tmp_path.glob("*.turnwise"))
    monkeypatch.setattr(catalogue, "MAX_IN_MEMORY_BYTES", 100)
    mapped = Catalogue.official(directory)
    assert [path.name for path in tmp_path.glob("*.turnwise")] == ["items_shuffle_1000.turnwise"]
    assert all(mapped[asin] == held[asin] for asin in held.asins)


def test_the_official_thousand_on_disk(tmp_path: Path) -> None:
    directory = official_directory()
    held, mapped = Catalogue.official(directory), Catalogue.official(directory, cache=tmp_path)
    assert list(mapped.asins) == list(held.asins)
    assert all(mapped[asin] == held[asin] for asin in held.asins)
    assert list(mapped.synthetic_instructions.items()) == list(held.synthetic_instructions.items())
    for asin in held.asins[::20]:
        assert mapped.search(held[asin].title) == held.search(held[asin].title)
