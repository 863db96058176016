"""What the shop shows: each page as the text the original makes of its HTML, rendered straight from
the catalogue.

A page is a list of text nodes. `text` strips them and joins them with ` [SEP] `; `text_rich` gives
each a line and marks buttons and choices; `text+options` is `text` plus what is selected, which
`text` alone hides. What depends only on the product is rendered once and shared by every
environment over the catalogue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias

from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.navigation import DONE, INDEX, ITEM, RESULTS, SUB_PAGES, Place
from turnwise.envs.webshop.product import Product

SEP = " [SEP] "
KEPT = 20_000
"""Products whose pages are remembered; the least recently seen are rendered again."""
_HTML_SPACE = " \n\t\f\r"
TEXT, BUTTON, OPTION, LINK = "text", "button", "option", "link"
Node: TypeAlias = tuple[str, str]


def nodes(*pairs: Node) -> list[Node]:
    """Text nodes as an HTML parser keeps them: empty ones vanish, blank ones become one blank, or
    vanish with a newline.
    """
    kept = []
    for kind, text in pairs:
        if not text.strip(_HTML_SPACE):
            if not text or "\n" in text:
                continue
            text = " "
        kept.append((kind, text))
    return kept


def joined(page: Iterable[Node]) -> str:
    """The `text` observation of some nodes."""
    return SEP.join(text.strip() for _, text in page)


class Pages:
    """The pages of a catalogue. Share one among environments (`WebShopEnv` does).

    Args:
        show_attributes: add the original's optional page of attributes to every product.
    """

    def __init__(self, catalogue: Catalogue, show_attributes: bool = False) -> None:
        self.catalogue = catalogue
        subs = SUB_PAGES if show_attributes else SUB_PAGES[:3]
        self._buttons = ("back to search", "< prev", *subs, "buy now")
        self._sub_labels = [(BUTTON, name.capitalize()) for name in subs]
        self._joined_line = lru_cache(KEPT)(lambda asin: joined(self._line(asin)))
        self._joined_body = lru_cache(KEPT)(
            lambda asin, page: "".join(SEP + text.strip() for _, text in self._body(asin, page))
        )
        self._choices = lru_cache(KEPT)(self._on_product)

    # What can be clicked
    # ------------------------------------------------------------------------------------------

    def clickables(self, place: Place) -> Mapping[str, str | None]:
        """What can be clicked, in the original's order, and what it stands for: an ASIN, an
        option's group, or nothing.
        """
        if place.page == RESULTS:
            back: tuple[str, ...] = (
                ("back to search", "< prev", "next >")
                if place.number > 1
                else ("back to search", "next >")
            )
            found: dict[str, str | None] = dict.fromkeys(back)
            found.update((asin.lower(), asin) for asin in self.results(place))
            return found
        if place.page == ITEM:
            return self._choices(place.asin)
        return _FIXED.get(place.page, _SUB_PAGE)

    def _on_product(self, asin: str) -> Mapping[str, str | None]:
        found: dict[str, str | None] = dict.fromkeys(self._buttons)
        # A value that stands in two groups is one clickable, and the later group owns it.
        found.update(
            (value, group)
            for group, values in self.catalogue[asin].options.items()
            for value in values
        )
        return found

    def results(self, place: Place) -> list[str]:
        """ASINs on this page of results; none past the end."""
        size = self.catalogue.page_size
        return self.catalogue.search(place.query)[(place.number - 1) * size : place.number * size]

    # What is shown
    # ------------------------------------------------------------------------------------------------

    def text(self, place: Place, instruction: str) -> str:
        """The original's `text` observation."""
        if place.page == DONE:
            return joined(_receipt(place))
        head = joined(nodes((TEXT, "Instruction:"), (TEXT, instruction)))
        if place.page == INDEX:
            return f"WebShop{SEP}{head}{SEP}Search"
        if place.page == RESULTS:
            lines = [self._joined_line(asin) for asin in self.results(place)]
            return SEP.join([head, joined(self._results_head(place)), *lines])
        return f"{head}{SEP}Back to Search{SEP}< Prev{self._joined_body(place.asin, place.page)}"

    def text_with_options(self, place: Place, instruction: str) -> str:
        """`text`, and on a product's pages what is selected: ` [SEP] Selected: color: blue, size:
        large`.
        """
        shown = self.text(place, instruction)
        if place.options and place.on_item:
            shown += f"{SEP}Selected: " + ", ".join(
                f"{group}: {value}" for group, value in place.options
            )
        return shown

    def text_rich(self, place: Place, instruction: str) -> str:
        """The original's `text_rich` observation: a line for each node, buttons and choices marked."""
        return _rich(self._nodes(place, instruction), place)

    def _nodes(self, place: Place, instruction: str) -> list[Node]:
        if place.page == DONE:
            return _receipt(place)
        if place.page == INDEX:
            return nodes(
                (TEXT, "WebShop"), (TEXT, "Instruction: "), (TEXT, instruction), (BUTTON, "Search")
            )
        head = nodes((TEXT, "Instruction:"), (TEXT, instruction))
        if place.page == RESULTS:
            lines = [node for asin in self.results(place) for node in self._line(asin)]
            return [*head, *self._results_head(place), *lines]
        return [
            *head,
            (BUTTON, "Back to Search"),
            (BUTTON, "< Prev"),
            *self._body(place.asin, place.page),
        ]

    def _results_head(self, place: Place) -> list[Node]:
        total = len(self.catalogue.search(place.query))
        shown = [
            (BUTTON, "Back to Search"),
            (TEXT, f"Page {place.number} (Total results: {total})"),
        ]
        return [*shown, *([(BUTTON, "< Prev")] if place.number > 1 else []), (BUTTON, "Next >")]

    def _line(self, asin: str) -> list[Node]:
        product = self.catalogue[asin]
        return nodes((LINK, asin), (TEXT, product.title), (TEXT, product.price_tag))

    def _body(self, asin: str, page: str) -> list[Node]:
        product = self.catalogue[asin]
        return self._item(product) if page == ITEM else nodes(*_SUB_BODIES[page](product))

    def _item(self, product: Product) -> list[Node]:
        pairs: list[Node] = []
        for group, values in product.options.items():
            pairs += [(TEXT, group), *((OPTION, value) for value in values)]
        pairs += [
            (TEXT, product.title),
            (TEXT, f"Price: {product.price_tag}"),
            (TEXT, "Rating: N.A."),
            *self._sub_labels,
        ]
        return nodes(*pairs, (BUTTON, "Buy Now"))


_FIXED: dict[str, Mapping[str, str | None]] = {INDEX: {"search": None}, DONE: {}}
_SUB_PAGE: Mapping[str, str | None] = {"back to search": None, "< prev": None}


def _attributes(product: Product) -> list[Node]:
    last = (product.category, product.query, product.product_category)
    return [
        *((TEXT, f" {attribute}") for attribute in product.attributes),
        *((TEXT, text) for text in last),
    ]


_SUB_BODIES: dict[str, Callable[[Product], list[Node]]] = {
    "description": lambda product: [(TEXT, product.description)],
    "features": lambda product: [(TEXT, f" {bullet}") for bullet in product.bullets],
    "reviews": lambda product: [],  # the original's loader has reviews commented out
    "attributes": _attributes,
}

# The receipt has hidden fields, most of them never filled in; the original's observation contains
# them all.
_BEFORE = (
    "Thank you for shopping with us!",
    "Your code: ",
    "None",
    " (Paste it in your MTurk interface.)",
    "Purchased",
    "asin",
)
_UNFILLED = ("attrs", "None", "category", "None", "query", "None", "product category", "None", "Target", "asin", "options", "attrs",
             "price upper", "instuction text", "category", "product category", "query", "Goal ", "None",
             "Reward", "Your score (min 0.0, max 1.0)")  # fmt: skip


def _receipt(place: Place) -> list[Node]:
    chosen = json.dumps(dict(place.options), sort_keys=True)
    for char in "<>&'":  # as Flask writes JSON into a page
        chosen = chosen.replace(char, f"\\u{ord(char):04x}")
    texts = (
        *_BEFORE,
        place.asin,
        "options",
        chosen,
        *_UNFILLED,
        str(place.score),
        "Reward Details ",
        "None",
    )
    return [(TEXT, text) for text in texts]


def _rich(page: Iterable[Node], place: Place) -> str:
    options = json.dumps(dict(place.options))
    url = f"/{place.asin}/{place.query.replace(' ', '+')}/{place.number}/{options}"
    lines: list[str] = []
    clicked: list[str] = []
    for kind, text in page:
        if kind == OPTION and f'"{text}"' in url:
            clicked.insert(0, f"You have clicked {text}.")
            lines.append(f"  [clicked button] {text} [clicked button_]")
        elif kind == LINK:
            mark = "clicked button" if text in place.visited else "button"
            lines.append(f"\n[{mark}] {text} [{mark}_]")
        elif kind == TEXT:
            lines.append(text)
        else:
            lines.append(f"{'  ' if kind == OPTION else ''}[button] {text} [button_]")
    return "".join(f"{line}\n" for line in [*clicked, *lines])


OBSERVATIONS: dict[str, Callable[[Pages, Place, str], str]] = {
    "text": Pages.text, "text_rich": Pages.text_rich, "text+options": Pages.text_with_options,
}  # fmt: skip
