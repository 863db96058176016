"""The state after each click, including the original's quirks."""

from __future__ import annotations

import pytest

from turnwise.envs.webshop.navigation import ShopState, click, search

ITEM = ShopState("item", "lamp", 3, "B0X", (("color", "red"),), frozenset({"B0X"}))
CLICKS: dict[str, str | None] = {
    "back to search": None,
    "< prev": None,
    "description": None,
    "buy now": None,
    "blue": "color",
    "xl": "size",
}


def test_search_starts_over_but_remembers_what_was_opened() -> None:
    assert search(ITEM, "mug") == ShopState("results", "mug", 1, visited=frozenset({"B0X"}))
    assert search(ShopState("done", "q", 1, "B0X", score=1.0), "mug") == ShopState(
        "results", "mug", 1
    )


def test_back_to_search_resets_everything() -> None:
    assert click(ITEM, "back to search", CLICKS) == ShopState()


def test_pages_of_results_have_no_end() -> None:
    state = ShopState("results", "lamp", 1)
    for number in range(2, 9):
        state = click(state, "next >", {"next >": None})
        assert state == ShopState("results", "lamp", number)
    assert click(state, "< prev", {"< prev": None}).number == 7


def test_opening_a_product() -> None:
    state = click(
        ShopState("results", "lamp", 2, visited=frozenset({"B0A"})), "b0x", {"b0x": "B0X"}
    )
    assert state == ShopState("item", "lamp", 2, "B0X", (), frozenset({"B0A", "B0X"}))


def test_choosing_options() -> None:
    assert click(ITEM, "blue", CLICKS).options == (("color", "blue"),)
    assert click(ITEM, "xl", CLICKS).options == (("color", "red"), ("size", "xl"))


def test_back_to_the_results_discards_the_options() -> None:
    assert click(ITEM, "< prev", CLICKS) == ShopState(
        "results", "lamp", 3, visited=frozenset({"B0X"})
    )


def test_sub_pages_keep_the_options() -> None:
    description = click(ITEM, "description", CLICKS)
    assert description == ITEM._replace(page="description")
    assert click(description, "< prev", CLICKS) == ITEM


def test_buying() -> None:
    assert click(ITEM, "buy now", CLICKS) == ITEM._replace(page="done")


@pytest.mark.parametrize("name", ["description", "features", "reviews", "attributes"])
def test_a_value_called_like_a_sub_page_opens_it(name: str) -> None:
    assert click(ITEM, name, {name: "color"}) == ITEM._replace(page=name)


def test_a_query_can_fool_the_address() -> None:
    fooled = ITEM._replace(query="my search_results")
    assert click(fooled, "< prev", CLICKS) == ShopState(
        "results", "my search_results", 2, visited=frozenset({"B0X"})
    )
    sub = ITEM._replace(query="item_page", page="description")
    assert click(sub, "< prev", CLICKS) == ShopState(
        "results", "item_page", 3, visited=frozenset({"B0X"})
    )
    option = ITEM._replace(options=(("color", "search_results"),), page="reviews")
    assert click(option, "< prev", CLICKS).number == 2
