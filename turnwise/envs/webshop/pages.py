"""Observations: each page as the text that the original extracts from its HTML.

A page is a list of text nodes. `text` strips them and joins them with ` [SEP] `; `text_rich` puts
each on a line and marks buttons and chosen options; `text+options` is `text` plus the selected
options, which `text` omits. What depends only on the product is rendered once and shared by all
environments over the catalogue.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TypeAlias

from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.navigation import DONE, INDEX, ITEM, RESULTS, SUB_PAGES, ShopState
from turnwise.envs.webshop.products import Product

SEP = " [SEP] "
MAX_CACHED_PRODUCTS = 20_000
"""Products whose rendered pages are kept."""
_HTML_SPACE = " \n\t\f\r"
TEXT, BUTTON, OPTION, LINK = "text", "button", "option", "link"
Node: TypeAlias = tuple[str, str]
"""(kind, text) of a text node."""


def nodes(*pairs: Node) -> list[Node]:
    """Return text nodes as an HTML parser keeps them.

    Empty nodes are dropped, and blank ones become a space, or are dropped if they have a newline.
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
    """Return the `text` observation of some nodes."""
    return SEP.join(text.strip() for _, text in page)


class Pages:
    """The pages of a catalogue; environments share one instance.

    Args:
        show_attributes: whether products have the original's optional page of attributes.
    """

    def __init__(self, catalogue: Catalogue, show_attributes: bool = False) -> None:
        self.catalogue = catalogue
        subs = SUB_PAGES if show_attributes else SUB_PAGES[:3]
        self._buttons = ("back to search", "< prev", *subs, "buy now")
        self._sub_labels = [(BUTTON, name.capitalize()) for name in subs]
        self._joined_line = lru_cache(MAX_CACHED_PRODUCTS)(lambda asin: joined(self._line(asin)))
        self._joined_body = lru_cache(MAX_CACHED_PRODUCTS)(
            lambda asin, page: "".join(SEP + text.strip() for _, text in self._body(asin, page))
        )
        self._cached_item_clickables = lru_cache(MAX_CACHED_PRODUCTS)(self._item_clickables)

    # Clickables
    # ----------------------------------------------------------------------------------------------

    def clickables(self, state: ShopState) -> Mapping[str, str | None]:
        """Return what can be clicked, in the original's order.

        The value is the ASIN of a product, the group of an option value, and None for a button.
        """
        if state.page == RESULTS:
            previous = ("< prev",) if state.number > 1 else ()
            found: dict[str, str | None] = dict.fromkeys(("back to search", *previous, "next >"))
            found.update((asin.lower(), asin) for asin in self.results(state))
            return found
        if state.page == ITEM:
            return self._cached_item_clickables(state.asin)
        return _FIXED.get(state.page, _SUB_PAGE)

    def _item_clickables(self, asin: str) -> Mapping[str, str | None]:
        found: dict[str, str | None] = dict.fromkeys(self._buttons)
        # A value of two groups is a single clickable, which belongs to the later group.
        found.update(
            (value, group)
            for group, values in self.catalogue[asin].options.items()
            for value in values
        )
        return found

    def results(self, state: ShopState) -> list[str]:
        """Return the ASINs on this page of results; none past the end."""
        size = self.catalogue.page_size
        return self.catalogue.search(state.query)[(state.number - 1) * size : state.number * size]

    # Observations
    # ----------------------------------------------------------------------------------------------

    def text(self, state: ShopState, instruction: str) -> str:
        """Return the original's `text` observation."""
        if state.page == DONE:
            return joined(_receipt(state))
        head = joined(nodes((TEXT, "Instruction:"), (TEXT, instruction)))
        if state.page == INDEX:
            return f"WebShop{SEP}{head}{SEP}Search"
        if state.page == RESULTS:
            lines = [self._joined_line(asin) for asin in self.results(state)]
            return SEP.join([head, joined(self._results_head(state)), *lines])
        return f"{head}{SEP}Back to Search{SEP}< Prev{self._joined_body(state.asin, state.page)}"

    def text_with_options(self, state: ShopState, instruction: str) -> str:
        """Return `text`, followed on a product's pages by the selected options.

        For example ` [SEP] Selected: color: blue, size: large`.
        """
        text = self.text(state, instruction)
        if state.options and state.on_item:
            selected = ", ".join(f"{group}: {value}" for group, value in state.options)
            text += f"{SEP}Selected: {selected}"
        return text

    def text_rich(self, state: ShopState, instruction: str) -> str:
        """Return the original's `text_rich` observation, which marks buttons and choices."""
        return _rich(self._nodes(state, instruction), state)

    def _nodes(self, state: ShopState, instruction: str) -> list[Node]:
        if state.page == DONE:
            return _receipt(state)
        if state.page == INDEX:
            return nodes(
                (TEXT, "WebShop"), (TEXT, "Instruction: "), (TEXT, instruction), (BUTTON, "Search")
            )
        head = nodes((TEXT, "Instruction:"), (TEXT, instruction))
        if state.page == RESULTS:
            lines = [node for asin in self.results(state) for node in self._line(asin)]
            return [*head, *self._results_head(state), *lines]
        buttons = [(BUTTON, "Back to Search"), (BUTTON, "< Prev")]
        return [*head, *buttons, *self._body(state.asin, state.page)]

    def _results_head(self, state: ShopState) -> list[Node]:
        total = len(self.catalogue.search(state.query))
        title = f"Page {state.number} (Total results: {total})"
        previous = [(BUTTON, "< Prev")] if state.number > 1 else []
        return [(BUTTON, "Back to Search"), (TEXT, title), *previous, (BUTTON, "Next >")]

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

# The original's receipt has hidden fields, most of them never filled in, and its observation
# contains them all.
_RECEIPT_HEAD = (
    "Thank you for shopping with us!", "Your code: ", "None",
    " (Paste it in your MTurk interface.)", "Purchased", "asin",
)  # fmt: skip
_RECEIPT_FIELDS = (
    "attrs", "None", "category", "None", "query", "None", "product category", "None", "Target",
    "asin", "options", "attrs", "price upper", "instuction text", "category", "product category",
    "query", "Goal ", "None", "Reward", "Your score (min 0.0, max 1.0)",
)  # fmt: skip


def _receipt(state: ShopState) -> list[Node]:
    chosen = json.dumps(dict(state.options), sort_keys=True)
    for char in "<>&'":  # escaped as Flask does for JSON inside HTML
        chosen = chosen.replace(char, f"\\u{ord(char):04x}")
    bought = (state.asin, "options", chosen)
    reward = (str(state.score), "Reward Details ", "None")
    return [(TEXT, text) for text in (*_RECEIPT_HEAD, *bought, *_RECEIPT_FIELDS, *reward)]


def _rich(page: Iterable[Node], state: ShopState) -> str:
    options = json.dumps(dict(state.options))
    url = f"/{state.asin}/{state.query.replace(' ', '+')}/{state.number}/{options}"
    lines: list[str] = []
    clicked: list[str] = []
    for kind, text in page:
        # The original finds chosen options by searching the URL for the quoted value, so it misses
        # values that JSON escapes and is misled by a quoted word in the query.
        if kind == OPTION and f'"{text}"' in url:
            clicked.insert(0, f"You have clicked {text}.")
            lines.append(f"  [clicked button] {text} [clicked button_]")
        elif kind == LINK:
            mark = "clicked button" if text in state.visited else "button"
            lines.append(f"\n[{mark}] {text} [{mark}_]")
        elif kind == TEXT:
            lines.append(text)
        else:
            lines.append(f"{'  ' if kind == OPTION else ''}[button] {text} [button_]")
    return "".join(f"{line}\n" for line in [*clicked, *lines])


OBSERVATIONS: dict[str, Callable[[Pages, ShopState, str], str]] = {
    "text": Pages.text,
    "text_rich": Pages.text_rich,
    "text+options": Pages.text_with_options,
}
"""Name of an observation -> function from (pages, state, instruction) to its text."""
