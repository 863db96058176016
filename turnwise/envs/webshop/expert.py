"""A customer who knows the catalogue: where the wanted product is found, which options to choose,
and the way there.

The expert searches with words of the instruction (what is asked for, without options and price,
where that suffices), pages to the product the goal was made from, chooses the options that score,
and buys. It is a pure function of where the customer stands, so it also finds the way back after
somebody else's mistakes.

Over generated goals it always earns 1.0. Over official goals it earns 1.0 under `reward="fixed"`;
under `"official"` some goals cannot be fulfilled even with the product they name (see
`turnwise.envs.webshop.reward`).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from turnwise.envs.webshop.actions import parse
from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.goals import Goal
from turnwise.envs.webshop.navigation import DONE, INDEX, ITEM, RESULTS, Place
from turnwise.envs.webshop.reward import OptionsMatched

NEAR = 2
"""A query is good enough when the product is on its first pages, this many."""
_WORD = re.compile(r"\w+")
_REQUEST = re.compile(r"find me (.+?)(?= with [a-z ]+: |, and price lower than |$)", re.IGNORECASE)
"""What a synthetic instruction asks for, without its options and its price."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a goal is fulfilled."""

    query: str
    asin: str
    options: tuple[tuple[str, str], ...]
    """(group, value) to choose, in page order."""


def expert_action(
    catalogue: Catalogue,
    goal: Goal,
    place: Place,
    clickables: Mapping[str, str | None],
    options_matched: OptionsMatched,
) -> str | None:
    """What the expert does at `place`, or None after the purchase.

    Args:
        clickables: what can be clicked there, as `Pages.clickables` gives it.
        options_matched: how the reward counts options, which decides the ones to choose.
    """
    if place.page == DONE:
        return None
    plan = plan_for(catalogue, goal, options_matched)
    if place.page == INDEX:
        return f"search[{plan.query}]"
    if place.page == RESULTS:
        return _on_results(catalogue, plan, place, clickables)
    if place.page != ITEM or place.asin != plan.asin:
        return "click[< prev]"
    chosen = dict(place.options)
    for group, value in plan.options:
        if chosen.get(group) != value and clickables.get(value) == group:
            return f"click[{value}]"
    return "click[buy now]"


def _on_results(
    catalogue: Catalogue, plan: Plan, place: Place, clickables: Mapping[str, str | None]
) -> str:
    if plan.asin.lower() in clickables:
        return f"click[{plan.asin.lower()}]"
    page = _page_of(catalogue, place.query, plan.asin)
    if page is None or (page > NEAR and place.query != plan.query):
        return "click[back to search]"
    return "click[next >]" if place.number < page else "click[< prev]"


def _page_of(catalogue: Catalogue, query: str, asin: str) -> int | None:
    """The page of results on which a query shows a product, counted from 1; None where it does not."""
    found = catalogue.search(query)
    return found.index(asin) // catalogue.page_size + 1 if asin in found else None


@lru_cache(maxsize=4096)
def plan_for(catalogue: Catalogue, goal: Goal, options_matched: OptionsMatched) -> Plan:
    """The first query that shows the goal's product on its first pages, else the one that shows it
    soonest.

    Where no query shows it at all (identical products by the dozen), the plan is for the product
    shown that fulfils most.
    """
    best: tuple[int, str] | None = None
    queries = list(dict.fromkeys(_queries(catalogue, goal)))
    for query in queries:
        page = _page_of(catalogue, query, goal.asin)
        if page is not None and (best is None or page < best[0]):
            best = page, query
            if page <= NEAR:
                break
    if best is not None:
        return Plan(best[1], goal.asin, best_options(catalogue, goal.asin, goal, options_matched))
    return _substitute(catalogue, goal, queries[-1], options_matched)


def _queries(catalogue: Catalogue, goal: Goal) -> Iterator[str]:
    """Queries from short to long; the short ones only in words that the instruction says."""
    asked = _REQUEST.match(goal.instruction)
    if asked is not None:
        yield _plain(asked.group(1))
    said = set(_WORD.findall(goal.instruction.lower()))
    attributes = " ".join(goal.attributes)
    for words in (
        f"{goal.attributes[0]} {goal.query}" if goal.attributes else goal.query,
        f"{attributes} {goal.query}",
    ):
        if set(_WORD.findall(words.lower())) <= said:
            yield _plain(words)
    yield _plain(goal.instruction)
    yield _plain(goal.title)
    yield _plain(f"{goal.title} {' '.join(value for _, value in goal.options)} {attributes}")


def _plain(text: str) -> str:
    """Words that can stand between the brackets of an action and that the original does not take
    for a command.
    """
    return " ".join(re.sub(r"[\[\]<>]", " ", text).lower().split())


def best_options(
    catalogue: Catalogue, asin: str, goal: Goal, options_matched: OptionsMatched
) -> tuple[tuple[str, str], ...]:
    """The clickable values, at most one a group, that fulfil most of the goal's options; the named
    ones where they do.

    A value that stands in two groups can be chosen only in the last of them, and one that the
    action grammar cannot express cannot be chosen at all.
    """
    owner = {
        value: group
        for group, values in catalogue[asin].options.items()
        for value in values
        if _can_click(value)
    }
    single = [replace(goal, options=(option,)) for option in goal.options]
    groups: list[list[tuple[tuple[str, str] | None, frozenset[int]]]] = []
    for group, values in catalogue[asin].options.items():
        kinds: dict[frozenset[int], tuple[str, str]] = {}
        for value in sorted(
            (v for v in values if owner.get(v) == group),
            key=lambda v: (group, v) not in goal.options,
        ):
            matched = frozenset(
                i for i, one in enumerate(single) if options_matched(one, {group: value})
            )
            kinds.setdefault(matched, (group, value))
        groups.append(
            [(choice, matched) for matched, choice in kinds.items() if matched]
            + [(None, frozenset())]
        )

    def worth(
        combination: tuple[tuple[tuple[str, str] | None, frozenset[int]], ...],
    ) -> tuple[int, int, int]:
        chosen = [choice for choice, _ in combination if choice is not None]
        named = sum(choice in goal.options for choice in chosen)
        return len(frozenset().union(*(matched for _, matched in combination))), named, -len(chosen)

    best = max(itertools.product(*groups), key=worth)
    return tuple(choice for choice, _ in best if choice is not None)


def _can_click(value: str) -> bool:
    call = parse(f"click[{value}]")
    return call is not None and call == ("click", value)


def _substitute(
    catalogue: Catalogue, goal: Goal, query: str, options_matched: OptionsMatched
) -> Plan:
    """The product a query shows that fulfils most of a goal, by attributes, options, price and
    type.
    """

    def worth(asin: str) -> tuple[bool, int]:
        product = catalogue[asin]
        fits = sum(attribute in product.attributes for attribute in goal.attributes) + (
            product.price <= goal.price_upper
        )
        return product.query == goal.query, fits + options_matched(
            goal, dict(best_options(catalogue, asin, goal, options_matched))
        )

    shown = catalogue.search(query)
    asin = max(shown, key=worth) if shown else goal.asin
    return Plan(query, asin, best_options(catalogue, asin, goal, options_matched))
