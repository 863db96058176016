"""What environments of one process share: catalogues, rendered pages and lists of goals, each made
once.

An environment made from names (a number of products and a seed, or a directory) gets the same
object as the next one made from the same names. What nobody uses any more is freed, except the
catalogues.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from weakref import WeakValueDictionary

from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.goals import official_goals
from turnwise.envs.webshop.pages import Pages
from turnwise.envs.webshop.tasks import Tasks

_pages: WeakValueDictionary[tuple[str, bool], Pages] = WeakValueDictionary()
_tasks: WeakValueDictionary[tuple[str, bool, int, str], Tasks] = WeakValueDictionary()


@lru_cache(maxsize=8)
def generated(
    products: int, seed: int, style: str, settings: tuple[tuple[str, object], ...] = ()
) -> Catalogue:
    """The generated catalogue of these arguments; `settings` are those of the style, as pairs."""
    return Catalogue.generate(products, seed, style, **dict(settings))


@lru_cache(maxsize=4)
def street(
    shops: int, products: int, seed: int, style: str, settings: tuple[tuple[str, object], ...] = ()
) -> tuple[Catalogue, ...]:
    """Several generated catalogues, each of `products` products and from a seed of its own."""
    seeds = [
        hashlib.blake2b(f"{seed} {number}".encode(), digest_size=6).digest()
        for number in range(shops)
    ]
    return tuple(
        Catalogue.generate(products, int.from_bytes(own, "big"), style, **dict(settings))
        for own in seeds
    )


@lru_cache(maxsize=4)
def loaded(directory: Path, seed: int) -> Catalogue:
    """The official catalogue in a directory, with prices drawn from `seed`."""
    return Catalogue.official(directory, seed=seed)


def pages(catalogue: Catalogue, show_attributes: bool) -> Pages:
    """The pages of a catalogue."""
    key = (catalogue.data_hash, show_attributes)
    found = _pages.get(key)
    if found is None:
        found = _pages[key] = Pages(catalogue, show_attributes)
    return found


def tasks(shops: tuple[Catalogue, ...], human: bool, seed: int, rule: str) -> Tasks:
    """The shops' own goals, one shop after another, divided by `rule`: generated shops come with
    goals, for official data they are rebuilt."""
    key = (" ".join(shop.data_hash for shop in shops), human, seed, rule)
    found = _tasks.get(key)
    if found is None:
        goals = [shop.goals or official_goals(shop, human=human, seed=seed) for shop in shops]
        numbers = [number for number, own in enumerate(goals) for _ in own]
        found = _tasks[key] = Tasks([goal for own in goals for goal in own], rule, numbers)
    return found
