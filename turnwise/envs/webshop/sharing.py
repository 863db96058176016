"""Catalogues, rendered pages and goals shared by all environments of a process.

Environments made from the same arguments (numbers and seeds, or a directory) share one object.
Pages and goals are freed when no environment uses them any more; catalogues stay cached.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from weakref import WeakValueDictionary

from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.pages import Pages
from turnwise.envs.webshop.tasks import GoalTasks, official_goals

_pages: WeakValueDictionary[tuple[str, bool], Pages] = WeakValueDictionary()
_tasks: WeakValueDictionary[tuple[str, bool, int, str], GoalTasks] = WeakValueDictionary()


@lru_cache(maxsize=8)
def generated_shop(
    products: int, seed: int, style: str, settings: tuple[tuple[str, object], ...] = ()
) -> tuple[Catalogue]:
    """Return one generated catalogue; `settings` are those of the style, as pairs."""
    return (Catalogue.generate(products, seed, style, **dict(settings)),)


@lru_cache(maxsize=4)
def generated_shops(
    shops: int, products: int, seed: int, style: str, settings: tuple[tuple[str, object], ...] = ()
) -> tuple[Catalogue, ...]:
    """Return several generated catalogues of `products` products, each with its own seed."""
    keys = (f"{seed} {number}".encode() for number in range(shops))
    seeds = [int.from_bytes(hashlib.blake2b(key, digest_size=6).digest(), "big") for key in keys]
    return tuple(Catalogue.generate(products, own, style, **dict(settings)) for own in seeds)


@lru_cache(maxsize=4)
def official_shop(directory: Path, seed: int) -> tuple[Catalogue]:
    """Return the official catalogue of a directory, with prices drawn from `seed`."""
    return (Catalogue.official(directory, seed=seed),)


def shared_pages(catalogue: Catalogue, show_attributes: bool) -> Pages:
    """Return the pages of a catalogue."""
    key = (catalogue.data_hash, show_attributes)
    found = _pages.get(key)
    if found is None:
        found = _pages[key] = Pages(catalogue, show_attributes)
    return found


def shared_tasks(shops: tuple[Catalogue, ...], human: bool, seed: int, rule: str) -> GoalTasks:
    """Return the goals of all shops in turn, split by `rule`.

    Generated shops come with goals; for official data they are rebuilt.
    """
    key = (" ".join(shop.data_hash for shop in shops), human, seed, rule)
    found = _tasks.get(key)
    if found is None:
        goals = [shop.goals or official_goals(shop, human=human, seed=seed) for shop in shops]
        numbers = [number for number, own in enumerate(goals) for _ in own]
        found = _tasks[key] = GoalTasks([goal for own in goals for goal in own], rule, numbers)
    return found
