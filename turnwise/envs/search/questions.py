"""Questions about a world, each with its answer and the searches that lead to it.

* A chain follows relations from a named entity: `Where was the author of X born?` Each hop needs
  the passage whose entity the hop before it found.
* An intersection starts at an entity described by two relations instead of a name, and may go on
  like a chain.
* A comparison asks which of two entities was earlier. With more than two hops, one or both are
  described by a relation of another entity.

The number of hops is the number of passages needed. No entity comes up twice on the way, so a
question never contains its own answer, except for a comparison, which names both candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from turnwise.envs.search.facts import (
    KINDS,
    RELATION_NAMED,
    RELATIONS_OF,
    YEAR,
    Entity,
    Relation,
    Value,
    WorldFacts,
    value_text,
)
from turnwise.envs.search.wording import WorldWording
from turnwise.envs.seeding import Draw

MAX_HOPS = 4


class Lookup(NamedTuple):
    """A query, and the fact that the passage it finds has to state."""

    query: str
    entity: Entity
    relation: str


class QuestionDraft(NamedTuple):
    """A question whose searches have not been tried yet."""

    text: str
    answer: str
    relation: str
    """Name of the relation that is asked for."""
    searches: tuple[Lookup, ...]


Walk = list[tuple[Relation, Value]]


def chain(draw: Draw, facts: WorldFacts, wording: WorldWording, hops: int) -> QuestionDraft | None:
    """Return a chain of `hops` relations, or None if this draw has none."""
    start = draw.pick(facts.entities)
    walk = _walk(draw, facts, start, hops, {start})
    if walk is None:
        return None
    return _follow(draw, wording, start.name, [_lookup(wording, start, walk[0][0])], walk)


def intersection(
    draw: Draw, facts: WorldFacts, wording: WorldWording, hops: int
) -> QuestionDraft | None:
    """Return a question that starts at an entity described by two relations, or None.

    With `hops` = 1 it asks for the entity itself, else it goes on as a chain.
    """
    start = draw.pick(facts.entities)
    known = [
        (RELATION_NAMED[name], value)
        for name, value in facts.values[start].items()
        if isinstance(value, Entity)
    ]
    if len(known) < 2:
        return None
    first, second = draw.sample(known, 2)
    # The description has to be unique, and its two values different.
    fitting = sum(
        _has_values(facts, other, (first, second)) for other in facts.entities_of(start.kind)
    )
    if first[1] == second[1] or fitting != 1:
        return None
    described = wording.both(start.kind, first, second)
    query = f"{value_text(first[1])} {value_text(second[1])}"
    searches = [Lookup(query, start, first[0].name)]
    if hops == 1:
        return QuestionDraft(wording.which(described), start.name, second[0].name, tuple(searches))
    walk = _walk(draw, facts, start, hops, {start, first[1], second[1]})
    return None if walk is None else _follow(draw, wording, described, searches, walk)


def comparison(
    draw: Draw, facts: WorldFacts, wording: WorldWording, hops: int
) -> QuestionDraft | None:
    """Return a question for the earlier of two, `hops` - 2 of them described, or None."""
    relation = draw.pick([r for kind in KINDS for r in RELATIONS_OF[kind] if r.object == YEAR])
    two = draw.sample(facts.entities_of(relation.subject), 2)
    years = [year for entity in two if isinstance(year := facts.values[entity][relation.name], int)]
    if years[0] == years[1]:
        return None
    phrases: list[str] = []
    searches: list[Lookup] = []
    described = draw.sample(two, hops - 2)
    for entity in two:
        if entity in described:
            descriptions = [
                (other, RELATION_NAMED[name])
                for other in facts.entities
                if other not in two
                for name, value in facts.values[other].items()
                if value == entity
            ]
            if not descriptions:
                return None
            other, how = draw.pick(descriptions)
            if other in (search.entity for search in searches):
                return None
            searches.append(_lookup(wording, other, how))
            phrases.append(wording.phrase(draw, how, other.name))
        else:
            phrases.append(entity.name)
        searches.append(_lookup(wording, entity, relation))
    answer = two[years.index(min(years))]
    text = wording.earlier(draw, relation, phrases[0], phrases[1])
    return QuestionDraft(text, answer.name, relation.name, tuple(searches))


QuestionMaker: TypeAlias = Callable[[Draw, WorldFacts, WorldWording, int], QuestionDraft | None]
QUESTION_KINDS: dict[str, tuple[int, QuestionMaker]] = {
    "chain": (1, chain),
    "comparison": (2, comparison),
    "intersection": (1, intersection),
}
"""Kind of question -> its minimum number of hops, and the function that draws one."""


def _walk(draw: Draw, facts: WorldFacts, start: Entity, hops: int, seen: set[Value]) -> Walk | None:
    """Return `hops` relations from `start` on, or None if the walk gets stuck.

    No value repeats or is in `seen`, and only the last may be a year.
    """
    walk: Walk = []
    here, passed = start, set(seen)
    for left in range(hops, 0, -1):
        steps = [
            (RELATION_NAMED[name], value)
            for name, value in facts.values[here].items()
            if value not in passed and (left == 1 or isinstance(value, Entity))
        ]
        if not steps:
            return None
        walk.append(draw.pick(steps))
        value = walk[-1][1]
        passed.add(value)
        if isinstance(value, Entity):
            here = value
    return walk


def _lookup(wording: WorldWording, entity: Entity, relation: Relation) -> Lookup:
    return Lookup(wording.query(relation, entity.name), entity, relation.name)


def _follow(
    draw: Draw, wording: WorldWording, inner: str, searches: list[Lookup], walk: Walk
) -> QuestionDraft:
    """Return the question for the end of a walk that starts at what `inner` denotes."""
    for (relation, value), (following, _) in pairwise(walk):
        assert isinstance(value, Entity)
        inner = wording.phrase(draw, relation, inner)
        searches.append(_lookup(wording, value, following))
    relation, value = walk[-1]
    text = wording.ask(draw, relation, inner)
    return QuestionDraft(text, value_text(value), relation.name, tuple(searches))


def _has_values(
    facts: WorldFacts, entity: Entity, values: tuple[tuple[Relation, Value], ...]
) -> bool:
    return all(facts.values[entity].get(relation.name) == value for relation, value in values)
