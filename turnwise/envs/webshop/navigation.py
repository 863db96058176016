"""Where the customer is in the shop, and where an action leads: a pure function from place to
place.

It follows the original's dispatch, quirks included. The original reads the kind of page from its
URL by substring, so a query that contains `search_results` or `item_page` changes what `< prev`
does; going back to the results forgets the chosen options; and there is no last page of results.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

INDEX, RESULTS, ITEM, DONE = "index", "results", "item", "done"
SUB_PAGES = ("description", "features", "reviews", "attributes")


class Place(NamedTuple):
    """Everything about an episode but its goal. Immutable, so a snapshot is a reference."""

    page: str = INDEX
    query: str = ""
    number: int = 1
    """The page of results last seen."""
    asin: str = ""
    options: tuple[tuple[str, str], ...] = ()
    """Chosen (group, value) pairs, sorted by group."""
    visited: frozenset[str] = frozenset()
    """Products opened since the front page; only the rich text shows them."""
    score: float = 0.0
    """What the purchase earned, on the last page."""

    @property
    def on_item(self) -> bool:
        """Whether chosen options are at stake here."""
        return self.page == ITEM or self.page in SUB_PAGES


def search(place: Place, query: str) -> Place:
    """The first page of results: possible from everywhere, even after the purchase."""
    return Place(RESULTS, query, 1, visited=place.visited)


def click(place: Place, name: str, clickables: Mapping[str, str | None]) -> Place:
    """Where a click on `name`, one of `clickables` (see `Pages.clickables`), leads. A purchase is
    scored by the caller.
    """
    kind = _page_by_url(place)
    if name == "buy now":
        return place._replace(page=DONE)
    if name == "back to search":
        return Place()
    if name == "next >" and kind == "search_results":
        return Place(RESULTS, place.query, place.number + 1, visited=place.visited)
    if name == "< prev" and kind == "search_results":
        return Place(RESULTS, place.query, place.number - 1, visited=place.visited)
    if name == "< prev" and kind == "item_page":
        return Place(RESULTS, place.query, place.number, visited=place.visited)
    if name == "< prev" and kind == "item_sub_page":
        return place._replace(page=ITEM)
    if name in SUB_PAGES:
        return place._replace(page=name)
    target = clickables[name]
    if place.page == RESULTS and target is not None:
        return place._replace(page=ITEM, asin=target, options=(), visited=place.visited | {target})
    if target is not None:
        return place._replace(
            page=ITEM, options=tuple(sorted({**dict(place.options), target: name}.items()))
        )
    return place._replace(page=ITEM)


def _page_by_url(place: Place) -> str:
    """The kind of page the original takes this one for."""
    if place.page == RESULTS:
        return "search_results"
    if not place.on_item:
        return ""
    rest = f"{place.query.replace(' ', '+')}/{place.options}"
    if "search_results" in rest:
        return "search_results"
    return "item_page" if place.page == ITEM or "item_page" in rest else "item_sub_page"
