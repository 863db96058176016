from __future__ import annotations

import gzip
import pickle
from dataclasses import replace
from threading import Thread

import pytest

from tests.envs.webshop.official_files import official_directory
from turnwise.envs.webshop.catalogue import MAX_RESULTS, Catalogue
from turnwise.envs.webshop.products import Instruction, Instructions, Product
from turnwise.errors import DataError
from turnwise.retrieval.bm25 import BM25Index

CUP = Product(
    asin="B2", title="Red Cup", description="For tea", bullets=("Holds 0.3 l", "Never indexed"),
    price=5.0, price_tag="$5.0",
    options={"color": ("red", "sky blue"), "size": ("large",)}, attributes=("dishwasher safe",),
    category="garden",
    query="cups", product_category="Home › Cups",
)  # fmt: skip
POT = replace(CUP, asin="B1", title="Tea Pot", description="", options={}, bullets=("Steel",))


def test_products_by_asin_in_the_given_order() -> None:
    catalogue = Catalogue([CUP, POT])
    assert list(catalogue.asins) == ["B2", "B1"]
    assert (catalogue["B2"], len(catalogue), "B1" in catalogue, "B9" in catalogue) == (
        CUP,
        2,
        True,
        False,
    )
    with pytest.raises(KeyError):
        catalogue["B9"]


def test_what_is_searched() -> None:
    """It holds title, description, first bullet, and names and values of options only."""
    catalogue = Catalogue([CUP, POT])
    assert CUP.text == "red cup for tea holds 0.3 l color: red, sky blue, and size: large"
    assert catalogue.search("tea") == ["B1", "B2"]
    assert [catalogue.search(query) for query in ("SKY", "steel", "0.3", "sizes")] == [
        ["B2"],
        ["B1"],
        ["B2"],
        ["B2"],
    ]
    assert (
        catalogue.search("dishwasher")
        == catalogue.search("never indexed")
        == catalogue.search("")
        == []
    )


def test_at_most_fifty_and_the_list_is_the_callers_own() -> None:
    catalogue = Catalogue([replace(CUP, asin=f"B{k:03d}") for k in range(60)])
    first = catalogue.search("cup")
    assert first == [f"B{k:03d}" for k in range(MAX_RESULTS)]
    first.clear()
    assert len(catalogue.search("cup")) == MAX_RESULTS


def test_a_query_is_ranked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = Catalogue([CUP, POT])
    asked: list[str] = []
    search = BM25Index.search
    monkeypatch.setattr(
        BM25Index, "search", lambda index, query, k: asked.append(query) or search(index, query, k)
    )
    assert [catalogue.search("tea") for _ in range(3)] == [["B1", "B2"]] * 3
    assert asked == ["tea"]


def test_threads_may_search_at_once() -> None:
    catalogue = Catalogue(
        [replace(CUP, asin=f"B{k:03d}", title=f"cup w{k % 9}") for k in range(60)]
    )
    found: dict[int, list[list[str]]] = {}

    def ask(name: int) -> None:
        found[name] = [catalogue.search(f"cup w{k % 9}") for k in range(50)]

    threads = [Thread(target=ask, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1] == found[2] == found[3]


def test_the_hash_covers_everything_shown() -> None:
    instructed = Instructions(
        {"B1": ("Find me a pot", ("steel",))}, [Instruction("B1", "a pot", (), ("red",))]
    )
    catalogues = [
        Catalogue([CUP, POT]), Catalogue([POT, CUP]), Catalogue([CUP]),
        Catalogue([CUP, POT], page_size=5),
        Catalogue([CUP, replace(POT, price=6.0)]),
        Catalogue([CUP, replace(POT, bullets=("Steel", ""))]),
        Catalogue([CUP, replace(POT, options={"size": ("s",)})]),
        Catalogue([CUP, POT], goals=("a goal",)),
        Catalogue([CUP, POT], instructions=instructed),
        Catalogue([CUP, POT], instructions=Instructions(human=instructed.human)),
    ]  # fmt: skip
    assert len({catalogue.data_hash for catalogue in catalogues}) == len(catalogues)
    assert Catalogue([CUP, POT]).data_hash == catalogues[0].data_hash


def test_the_hash_is_the_same_on_every_machine_and_python() -> None:
    assert Catalogue([CUP, POT]).data_hash == "33354476d11f2e57b9274b273668129f"


def test_goals_and_instructions_are_kept() -> None:
    instructions = Instructions(
        {"B1": ("Find me a pot", ("steel",))}, [Instruction("B2", "a cup", ("red",), ())]
    )
    catalogue = Catalogue([CUP, POT], goals=["g1", "g2"], page_size=3, instructions=instructions)
    assert (catalogue.goals, catalogue.page_size) == (("g1", "g2"), 3)
    assert catalogue.synthetic_instructions == {"B1": ("Find me a pot", ("steel",))}
    assert [asked.text for asked in catalogue.human_instructions] == ["a cup"]
    assert Catalogue([CUP, replace(POT, price_tag="$1.0 to $2.0")]).price_draws == 1


def test_no_products_and_the_same_asin_twice() -> None:
    with pytest.raises(DataError, match="has no products"):
        Catalogue([])
    with pytest.raises(DataError, match="two products of this catalogue share the ASIN 'B1'"):
        Catalogue([POT, CUP, POT])


def test_pickled_after_a_search() -> None:
    catalogue = Catalogue([CUP, POT], goals=("g",), page_size=4)
    catalogue.search("tea")
    again = pickle.loads(pickle.dumps(catalogue))
    assert again.search("tea") == ["B1", "B2"]
    assert (again.data_hash, again.goals, again.page_size) == (catalogue.data_hash, ("g",), 4)


def test_generated_catalogues_are_reached_from_here() -> None:
    catalogue = Catalogue.generate(n=40, seed=1)
    assert len(catalogue) == 40
    assert catalogue.goals
    assert (
        catalogue.data_hash
        == Catalogue.generate(n=40, seed=1).data_hash
        != Catalogue.generate(n=40, seed=2).data_hash
    )


def test_every_recorded_ranking_of_lucene() -> None:
    """The lists of Anserini 0.22.1 for 4,000 queries over the official 1,000 products."""
    directory = official_directory()
    recorded = directory / "golden" / "lucene_top50.tsv.gz"
    if not recorded.is_file():
        pytest.skip("golden/lucene_top50.tsv.gz is absent from the official WebShop data")
    catalogue = Catalogue.official(directory)
    with gzip.open(recorded, "rt", encoding="utf8") as lines:
        for line in lines:
            query, ranked = line.rstrip("\n").split("\t")
            assert catalogue.search(query) == ranked.split(), query
