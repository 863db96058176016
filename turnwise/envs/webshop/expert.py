"""The expert: a policy that knows the catalogue.

It searches with words of the instruction, without options and price if that suffices, pages to the
product the goal was made from, chooses the options that score, and buys. It depends on the current
state alone, so it also recovers from another agent's mistakes.

It earns 1.0 on all generated goals, and on all official goals with `reward="fixed"`. With
`"official"` some goals cannot be met even by the product they name (see
`turnwise.envs.webshop.reward`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.goals import Goal
from turnwise.envs.webshop.navigation import DONE, INDEX, ITEM, RESULTS, ShopState, parse
from turnwise.envs.webshop.reward import OptionsMatched

MAX_PLAN_PAGES = 2
"""A query is good enough if it shows the product within so many pages."""
MAX_CACHED_PLANS = 4096
_WORD = re.compile(r"\w+")
_REQUEST = re.compile(r"find me (.+?)(?= with [a-z ]+: |, and price lower than |$)", re.IGNORECASE)
"""A synthetic instruction without its options and price."""
_Choice: TypeAlias = tuple[tuple[str, str] | None, frozenset[int]]
"""A (group, value) pair or None for no choice, and the numbers of the goal's options it matches."""


@dataclass(frozen=True, slots=True)
class PurchasePlan:
    """The query, product and options that fulfil a goal."""

    query: str
    asin: str
    options: tuple[tuple[str, str], ...]
    """(group, value) pairs to choose, in page order."""


def expert_action(
    catalogue: Catalogue,
    goal: Goal,
    state: ShopState,
    clickables: Mapping[str, str | None],
    options_matched: OptionsMatched,
) -> str | None:
    """Return the expert's action in `state`, or None after the purchase.

    Args:
        clickables: see `Pages.clickables`.
        options_matched: the reward's count of options, which decides what to choose.
    """
    if state.page == DONE:
        return None
    plan = plan_for(catalogue, goal, options_matched)
    if state.page == INDEX:
        return f"search[{plan.query}]"
    if state.page == RESULTS:
        return _on_results(catalogue, plan, state, clickables)
    if state.page != ITEM or state.asin != plan.asin:
        return "click[< prev]"
    chosen = dict(state.options)
    for group, value in plan.options:
        if chosen.get(group) != value and clickables.get(value) == group:
            return f"click[{value}]"
    return "click[buy now]"


def _on_results(
    catalogue: Catalogue, plan: PurchasePlan, state: ShopState, clickables: Mapping[str, str | None]
) -> str:
    if plan.asin.lower() in clickables:
        return f"click[{plan.asin.lower()}]"
    page = _page_of(catalogue, state.query, plan.asin)
    if page is None or (page > MAX_PLAN_PAGES and state.query != plan.query):
        return "click[back to search]"
    return "click[next >]" if state.number < page else "click[< prev]"


def _page_of(catalogue: Catalogue, query: str, asin: str) -> int | None:
    """Return the page of results with a product, counted from 1, or None if there is none."""
    found = catalogue.search(query)
    return found.index(asin) // catalogue.page_size + 1 if asin in found else None


@lru_cache(maxsize=MAX_CACHED_PLANS)
def plan_for(catalogue: Catalogue, goal: Goal, options_matched: OptionsMatched) -> PurchasePlan:
    """Return the plan for a goal.

    Its query is the first that shows the product within `MAX_PLAN_PAGES` pages, else the one that
    shows it on the earliest page. If none shows it (there may be dozens of identical products), the
    plan is for the product shown that fulfils most.
    """
    best: tuple[int, str] | None = None
    queries = list(dict.fromkeys(_queries(goal)))
    for query in queries:
        page = _page_of(catalogue, query, goal.asin)
        if page is not None and (best is None or page < best[0]):
            best = page, query
            if page <= MAX_PLAN_PAGES:
                break
    if best is not None:
        return PurchasePlan(
            best[1], goal.asin, best_options(catalogue, goal.asin, goal, options_matched)
        )
    return _substitute(catalogue, goal, queries[-1], options_matched)


def _queries(goal: Goal) -> Iterator[str]:
    """Yield queries from short to long; the short ones use words of the instruction only."""
    request = _REQUEST.match(goal.instruction)
    if request is not None:
        yield _plain(request[1])
    known = set(_WORD.findall(goal.instruction.lower()))
    for attributes in (goal.attributes[:1], goal.attributes):
        words = " ".join([*attributes, goal.query])
        if set(_WORD.findall(words.lower())) <= known:
            yield _plain(words)
    yield _plain(goal.instruction)
    yield _plain(goal.title)
    values = [value for _, value in goal.options]
    yield _plain(" ".join([goal.title, *values, *goal.attributes]))


def _plain(text: str) -> str:
    """Return the words of `text` in lower case, without brackets."""
    # A square bracket would end the action, and the original takes `<r>` for a command.
    return " ".join(re.sub(r"[\[\]<>]", " ", text).lower().split())


def best_options(
    catalogue: Catalogue, asin: str, goal: Goal, options_matched: OptionsMatched
) -> tuple[tuple[str, str], ...]:
    """Return the options to choose, at most one value a group, that match most of the goal's.

    Among equally good ones, those that the goal names and then the fewest are taken. A value of two
    groups can be chosen only in the last of them, and one that no action can express not at all.
    """
    options = catalogue[asin].options
    owner = {
        value: group for group, values in options.items() for value in values if _clickable(value)
    }
    single = [replace(goal, options=(option,)) for option in goal.options]
    groups: list[list[_Choice]] = []
    for group, values in options.items():
        by_match: dict[frozenset[int], tuple[str, str]] = {}
        own = [value for value in values if owner.get(value) == group]
        for value in sorted(own, key=lambda value: (group, value) not in goal.options):
            matched = frozenset(
                i for i, one in enumerate(single) if options_matched(one, {group: value})
            )
            by_match.setdefault(matched, (group, value))
        choices = [(choice, matched) for matched, choice in by_match.items() if matched]
        groups.append([*choices, (None, frozenset())])

    def worth(combination: tuple[_Choice, ...]) -> tuple[int, int, int]:
        chosen = [choice for choice, _ in combination if choice is not None]
        named = sum(choice in goal.options for choice in chosen)
        return len(frozenset().union(*(matched for _, matched in combination))), named, -len(chosen)

    best = max(itertools.product(*groups), key=worth)
    return tuple(choice for choice, _ in best if choice is not None)


def _clickable(value: str) -> bool:
    """Return whether an action can express a click on `value`."""
    return parse(f"click[{value}]") == ("click", value)


def _substitute(
    catalogue: Catalogue, goal: Goal, query: str, options_matched: OptionsMatched
) -> PurchasePlan:
    """Return the plan for the product shown that fulfils most of a goal."""

    def worth(asin: str) -> tuple[bool, int]:
        product = catalogue[asin]
        attributes = sum(attribute in product.attributes for attribute in goal.attributes)
        affordable = product.price <= goal.price_upper
        chosen = dict(best_options(catalogue, asin, goal, options_matched))
        fulfilled = attributes + affordable + options_matched(goal, chosen)
        return product.query == goal.query, fulfilled

    shown = catalogue.search(query)
    asin = max(shown, key=worth) if shown else goal.asin
    return PurchasePlan(query, asin, best_options(catalogue, asin, goal, options_matched))
