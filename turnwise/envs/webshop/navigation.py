"""Actions, and the page each of them leads to.

Actions are read, and pages change, exactly as in the original, quirks included. An action has to
match `(.+)\\[(.+)\\]` at the start of the string. The match is greedy, so the argument extends to
the last `]`, and text behind it is ignored; there may be no newline before it; the name is neither
lower-cased nor stripped, so `Search[x]` does nothing. The original tells pages apart by substrings
of their URL, so a query that contains `search_results` or `item_page` changes what `< prev` does.
Going back to the results discards chosen options, and there is no last page of results.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

INDEX, RESULTS, ITEM, DONE = "index", "results", "item", "done"
SUB_PAGES = ("description", "features", "reviews", "attributes")
SEARCH_TEMPLATE = "search[<your query>]"
"""Stands for any query in a list of admissible actions."""
_ACTION = re.compile(r"(.+)\[(.+)\]")


class ShopAction(NamedTuple):
    """A parsed action; the argument is in lower case."""

    name: str
    argument: str


def parse(action: str) -> ShopAction | None:
    """Return the parsed action, or None if it is malformed."""
    match = _ACTION.match(action)
    return ShopAction(match[1], match[2].lower()) if match else None


def as_action(clickable: str) -> str:
    """Return the action for a clickable: a template for the search box, else a click."""
    return SEARCH_TEMPLATE if clickable == "search" else f"click[{clickable}]"


class ShopState(NamedTuple):
    """An episode between two turns, without its goal; immutable, so a snapshot is a reference."""

    page: str = INDEX
    query: str = ""
    number: int = 1
    """Number of the page of results last shown."""
    asin: str = ""
    options: tuple[tuple[str, str], ...] = ()
    """Chosen (group, value) pairs, sorted by group."""
    visited: frozenset[str] = frozenset()
    """Products opened since the front page; only `text_rich` shows them."""
    score: float = 0.0
    """Reward of the purchase, on the last page."""

    @property
    def on_item(self) -> bool:
        """Whether this is a page of a product, for which options may be chosen."""
        return self.page == ITEM or self.page in SUB_PAGES


def search(state: ShopState, query: str) -> ShopState:
    """Return the first page of results, which is reachable from every page."""
    return ShopState(RESULTS, query, 1, visited=state.visited)


def click(state: ShopState, name: str, clickables: Mapping[str, str | None]) -> ShopState:
    """Return the state after a click on `name`, one of `clickables` (see `Pages.clickables`).

    The score of a purchase is left to the caller.
    """
    kind = _page_by_url(state)
    if name == "buy now":
        return state._replace(page=DONE)
    if name == "back to search":
        return ShopState()
    if name == "next >" and kind == "search_results":
        return ShopState(RESULTS, state.query, state.number + 1, visited=state.visited)
    if name == "< prev" and kind == "search_results":
        # A misread product page can lead to page 0, which is empty, as in the original.
        return ShopState(RESULTS, state.query, state.number - 1, visited=state.visited)
    if name == "< prev" and kind == "item_page":
        return ShopState(RESULTS, state.query, state.number, visited=state.visited)
    if name == "< prev" and kind == "item_sub_page":
        return state._replace(page=ITEM)
    if name in SUB_PAGES:
        return state._replace(page=name)
    target = clickables[name]
    if state.page == RESULTS and target is not None:
        return state._replace(page=ITEM, asin=target, options=(), visited=state.visited | {target})
    if target is not None:
        options = {**dict(state.options), target: name}
        return state._replace(page=ITEM, options=tuple(sorted(options.items())))
    return state._replace(page=ITEM)


def _page_by_url(state: ShopState) -> str:
    """Return the kind of page that the original takes this one for."""
    if state.page == RESULTS:
        return "search_results"
    if not state.on_item:
        return ""
    # The original looks for these names in the whole URL, which contains the query and the options.
    rest = f"{state.query.replace(' ', '+')}/{state.options}"
    if "search_results" in rest:
        return "search_results"
    return "item_page" if state.page == ITEM or "item_page" in rest else "item_sub_page"
