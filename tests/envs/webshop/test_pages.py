"""Each page of the corner shop, written out as the original shows it."""

from __future__ import annotations

import pytest

from tests.envs.webshop.corner_shop import catalogue
from turnwise.envs.webshop.navigation import ShopState
from turnwise.envs.webshop.pages import OBSERVATIONS, Pages, joined, nodes

LAMP, MUG, DESK = "B0LAMP0001", "B0MUG00002", "B0DESK0003"
HEAD = "Instruction: [SEP] buy a lamp [SEP] Back to Search [SEP] "


@pytest.fixture(scope="module")
def pages() -> Pages:
    return Pages(catalogue())


def shown(pages: Pages, state: ShopState, mode: str = "text") -> str:
    return OBSERVATIONS[mode](pages, state, "buy a lamp")


def test_text_nodes_are_kept_as_a_parser_keeps_them() -> None:
    texts = ("", " \n ", "  ", "\xa0", " a\n")
    assert nodes(*(("text", text) for text in texts)) == [
        ("text", " "), ("text", "\xa0"), ("text", " a\n"),
    ]  # fmt: skip
    assert joined([("text", " "), ("text", " a ")]) == " [SEP] a"


def test_front_page(pages: Pages) -> None:
    assert shown(pages, ShopState()) == "WebShop [SEP] Instruction: [SEP] buy a lamp [SEP] Search"
    assert list(pages.clickables(ShopState())) == ["search"]


def test_no_instruction_is_no_segment(pages: Pages) -> None:
    assert pages.text(ShopState(), "") == "WebShop [SEP] Instruction: [SEP] Search"
    assert pages.text(ShopState(), " ") == "WebShop [SEP] Instruction: [SEP]  [SEP] Search"


def test_results(pages: Pages) -> None:
    state = ShopState("results", "lamp", 1)
    line = "B0LAMP0001 [SEP] Brella Desk Lamp with Wooden Base [SEP] $20.0 to $30.0"
    assert shown(pages, state) == f"{HEAD}Page 1 (Total results: 1) [SEP] Next > [SEP] {line}"
    assert pages.clickables(state) == {"back to search": None, "next >": None, "b0lamp0001": LAMP}


def test_results_page_by_page(pages: Pages) -> None:
    counts = [
        len(pages.results(ShopState("results", "paper bird", number))) for number in (0, 1, 2, 3, 4)
    ]
    assert counts == [0, 10, 10, 3, 0]
    past = ShopState("results", "paper bird", 4)
    assert shown(pages, past) == f"{HEAD}Page 4 (Total results: 23) [SEP] < Prev [SEP] Next >"
    assert list(pages.clickables(past)) == ["back to search", "< prev", "next >"]
    before = ShopState("results", "paper bird", 0)
    assert shown(pages, before) == f"{HEAD}Page 0 (Total results: 23) [SEP] Next >"


def test_item(pages: Pages) -> None:
    state = ShopState("item", "lamp", 1, LAMP)
    assert shown(pages, state) == (
        HEAD
        + '< Prev [SEP] color [SEP] black [SEP] oak brown [SEP] size [SEP] 12" tall [SEP] black '
        "[SEP] é-large [SEP] "
        "Brella Desk Lamp with Wooden Base [SEP] Price: $20.0 to $30.0 [SEP] Rating: N.A. [SEP] "
        "Description [SEP] Features [SEP] "
        "Reviews [SEP] Buy Now"
    )


def test_a_value_in_two_groups_belongs_to_the_last(pages: Pages) -> None:
    clickables = pages.clickables(ShopState("item", "lamp", 1, LAMP))
    assert list(clickables)[:6] == [
        "back to search",
        "< prev",
        "description",
        "features",
        "reviews",
        "buy now",
    ]
    assert list(clickables)[6:] == ["black", "oak brown", '12" tall', "é-large"]
    assert (
        clickables["black"] == "size"
        and clickables["oak brown"] == "color"
        and clickables["buy now"] is None
    )


def test_a_value_like_a_button_keeps_the_buttons_place(pages: Pages) -> None:
    clickables = pages.clickables(ShopState("item", "desk", 1, DESK))
    assert list(clickables).index("description") == 2 and clickables["description"] == "finish"


@pytest.mark.parametrize(
    ("page", "asin", "rest"),
    [
        ("description", LAMP, " [SEP] A warm lamp for long evenings."),
        ("features", LAMP, " [SEP] Dimmable light [SEP]  [SEP] Energy efficient & quiet"),
        ("reviews", LAMP, ""),
        (
            "attributes",
            MUG,
            " [SEP] dishwasher safe [SEP] garden [SEP] mugs [SEP] Home › Kitchen › Mugs",
        ),
        ("description", MUG, ""),
        ("features", MUG, ""),
        ("features", DESK, " [SEP] Solid wood <b>oak</b>"),
    ],
)
def test_sub_pages(pages: Pages, page: str, asin: str, rest: str) -> None:
    state = ShopState(page, "x", 1, asin)
    assert shown(pages, state) == f"{HEAD}< Prev{rest}"
    assert list(pages.clickables(state)) == ["back to search", "< prev"]


def test_receipt(pages: Pages) -> None:
    state = ShopState("done", "x", 1, DESK, (("a", "é"), ("finish", "it's <raw>")), score=0.25)
    options = '{"a": "\\u00e9", "finish": "it\\u0027s \\u003craw\\u003e"}'
    unfilled = (
        "attrs|None|category|None|query|None|product "
        "category|None|Target|asin|options|attrs|price upper|instuction text"
    )
    assert shown(pages, state).split(" [SEP] ") == [
        "Thank you for shopping with us!", "Your code:", "None",
        "(Paste it in your MTurk interface.)", "Purchased",
        "asin", "B0DESK0003", "options", options, *unfilled.split("|"), "category",
        "product category", "query", "Goal", "None",
        "Reward", "Your score (min 0.0, max 1.0)", "0.25", "Reward Details", "None",
    ]  # fmt: skip
    assert pages.clickables(state) == {}


def test_selection_is_shown_on_a_products_pages_only(pages: Pages) -> None:
    chosen = (("color", "oak brown"), ("size", "black"))
    item = ShopState("item", "lamp", 1, LAMP, chosen)
    assert (
        shown(pages, item, "text+options")
        == shown(pages, item) + " [SEP] Selected: color: oak brown, size: black"
    )
    assert shown(pages, item._replace(page="reviews"), "text+options").endswith(
        "< Prev [SEP] Selected: color: oak brown, size: black"
    )
    assert "Selected" not in shown(pages, item._replace(options=()), "text+options")
    assert "Selected" not in shown(pages, item._replace(page="done"), "text+options")


def test_rich_front_page(pages: Pages) -> None:
    assert (
        shown(pages, ShopState(), "text_rich")
        == "WebShop\nInstruction: \nbuy a lamp\n[button] Search [button_]\n"
    )


def test_rich_results_mark_what_was_opened(pages: Pages) -> None:
    state = ShopState("results", "mug kiln", 2, visited=frozenset({MUG}))
    assert shown(pages, state._replace(number=1), "text_rich") == (
        "Instruction:\nbuy a lamp\n[button] Back to Search [button_]\nPage 1 (Total results: 1)\n"
        "[button] Next > [button_]\n"
        "\n[clicked button] B0MUG00002 [clicked button_]\nKiln Mug\n$8.5\n"
    )
    assert "[button] < Prev [button_]\n[button] Next > [button_]\n" in shown(
        pages, state, "text_rich"
    )
    unseen = shown(pages, state._replace(number=1, visited=frozenset()), "text_rich")
    assert "\n\n[button] B0MUG00002 [button_]\n" in unseen


def test_rich_item_marks_what_was_clicked(pages: Pages) -> None:
    state = ShopState("item", "lamp", 1, LAMP, (("color", "oak brown"), ("size", "black")))
    assert shown(pages, state, "text_rich") == (
        "You have clicked black.\nYou have clicked oak brown.\nYou have clicked black.\n"
        "Instruction:\nbuy a lamp\n[button] Back to Search [button_]\n[button] < Prev [button_]\n"
        "color\n"
        "  [clicked button] black [clicked button_]\n  [clicked button] oak brown [clicked "
        "button_]\nsize\n"
        '  [button] 12" tall [button_]\n  [clicked button] black [clicked button_]\n  [button] '
        "é-large [button_]\n"
        "Brella Desk Lamp with Wooden Base\nPrice: $20.0 to $30.0\nRating: N.A.\n[button] "
        "Description [button_]\n"
        "[button] Features [button_]\n[button] Reviews [button_]\n[button] Buy Now [button_]\n"
    )


def test_rich_item_looks_for_the_quoted_value_in_the_address(pages: Pages) -> None:
    """The original misses values that JSON escapes, and finds a quoted word in the query."""
    quotes = ShopState("item", "lamp", 1, LAMP, (("size", '12" tall'),))
    accents = ShopState("item", "lamp", 1, LAMP, (("size", "é-large"),))
    fooled = ShopState("item", 'a "black" lamp', 1, LAMP)
    assert [
        "You have clicked" in shown(pages, state, "text_rich")
        for state in (quotes, accents, fooled)
    ] == [False, False, True]


def test_rich_bullets_keep_their_blanks(pages: Pages) -> None:
    assert shown(pages, ShopState("features", "x", 1, LAMP), "text_rich").endswith(
        "\n Dimmable light\n \n Energy efficient & quiet\n"
    )


def test_attributes_page_on_request() -> None:
    pages = Pages(catalogue(), show_attributes=True)
    state = ShopState("item", "mug", 1, MUG)
    assert "Reviews [SEP] Attributes [SEP] Buy Now" in shown(pages, state)
    assert list(pages.clickables(state)) == [
        "back to search",
        "< prev",
        "description",
        "features",
        "reviews",
        "attributes",
        "buy now",
    ]
