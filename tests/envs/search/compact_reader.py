"""Answer questions of the compact styles from the passages alone.

This is a second implementation, independent of the facts and plans of a world.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from turnwise.envs.search.corpus import Passage

Known = dict[str, dict[str, str]]


def read(passages: Iterable[Passage]) -> Known:
    """Return title -> relation -> value of each passage, with `kind` for the kind of entity."""
    known: Known = {}
    for passage in passages:
        if passage.title.startswith("note "):
            continue
        kind, *facts = [part.strip() for part in passage.text.rstrip(".").split(".")]
        known[passage.title] = {"kind": kind, **dict(fact.split(" ", 1) for fact in facts)}
    return known


def read_facts(passages: Iterable[Passage]) -> Known:
    """Return the same from passages of one fact each, `ba17 author: ri40.`"""
    known: Known = {}
    for passage in passages:
        if not passage.title.startswith("note "):
            name, relation = passage.title.rsplit(" ", 1)
            assert relation not in known.setdefault(name, {}), "a fact is told twice"
            known[name][relation] = passage.text.removesuffix(".")
    return known


def answers(question: str, known: Known) -> set[str]:
    """Return all answers that the passages allow."""
    asked = question.removesuffix("?")
    if asked.startswith("earlier "):
        relation, two = asked.removeprefix("earlier ").split(": ")
        found = [name for side in two.split(" or ") for name in meant(side, known)]
        assert len(found) == 2
        return {min(found, key=lambda name: int(known[name][relation]))}
    return meant(asked, known)


def meant(phrase: str, known: Known) -> set[str]:
    """Return the names that a noun phrase denotes.

    A phrase is a name, `RELATION of PHRASE` or `KIND with RELATION NAME and RELATION NAME`.
    """
    if phrase in known:
        return {phrase}
    both = re.fullmatch(r"(\w+) with (\w+) (.+) and (\w+) (.+)", phrase)
    if both:
        kind, first, one, second, other = both.groups()
        return {
            n
            for n, facts in known.items()
            if (facts["kind"], facts.get(first), facts.get(second)) == (kind, one, other)
        }
    relation, _, inner = phrase.partition(" of ")
    return {known[name][relation] for name in meant(inner, known)}
