"""Questions about a world, each with its answer and the searches that lead to it.

* a chain follows relations from a named entity: `Where was the author of X born?`; each hop needs
  the passage the hop before names;
* an intersection begins from somebody described by two relations instead of a name, and goes on as
  a chain does;
* a comparison asks which of two was earlier; with more than two hops one or both are described by a
  relation of another entity.

The number of hops is the number of passages that have to be found. Nothing comes up twice on the
way, so no question holds its own answer (but a comparison, which names two and asks for one of
them).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from turnwise.envs.search.relations import NAMED, OF, YEAR, Entity, Facts, Relation, Value, said
from turnwise.envs.search.wording import Wording
from turnwise.envs.seeding import Draw

MOST_HOPS = 4


class Lookup(NamedTuple):
    """A search that has to be made."""

    query: str
    entity: Entity
    relation: str
    """The passage it must bring is the one that tells this of the entity."""


class Draft(NamedTuple):
    """A question before anybody has tried to answer it."""

    text: str
    answer: str
    relation: str
    """The last relation: what is asked for."""
    searches: tuple[Lookup, ...]


Walk = list[tuple[Relation, Value]]


def chain(draw: Draw, facts: Facts, wording: Wording, hops: int) -> Draft | None:
    """A chain of `hops` relations; None where the draw led nowhere."""
    start = draw.pick(facts.entities)
    walk = _walk(draw, facts, start, hops, {start})
    if walk is None:
        return None
    return _follow(draw, wording, start.name, [_lookup(wording, start, walk[0][0])], walk)


def intersection(draw: Draw, facts: Facts, wording: Wording, hops: int) -> Draft | None:
    """Somebody described by two relations (`hops` = 1), or what a chain from there leads to."""
    start = draw.pick(facts.entities)
    known = [
        (NAMED[name], value)
        for name, value in facts.values[start].items()
        if isinstance(value, Entity)
    ]
    if len(known) < 2:
        return None
    first, second = draw.sample(known, 2)
    if (
        first[1] == second[1]
        or sum(_fits(facts, other, (first, second)) for other in facts.of(start.kind)) != 1
    ):
        return None
    described = wording.both(start.kind, first, second)
    searches = [Lookup(f"{said(first[1])} {said(second[1])}", start, first[0].name)]
    if hops == 1:
        return Draft(wording.which(described), start.name, second[0].name, tuple(searches))
    walk = _walk(draw, facts, start, hops, {start, first[1], second[1]})
    return None if walk is None else _follow(draw, wording, described, searches, walk)


def comparison(draw: Draw, facts: Facts, wording: Wording, hops: int) -> Draft | None:
    """Which of two was earlier; `hops` - 2 of them are described and not named."""
    relation = draw.pick([r for relations in OF.values() for r in relations if r.object == YEAR])
    two = draw.sample(facts.of(relation.subject), 2)
    years = [year for entity in two if isinstance(year := facts.values[entity][relation.name], int)]
    if years[0] == years[1]:
        return None
    told: list[str] = []
    searches: list[Lookup] = []
    described = draw.sample(two, hops - 2)
    for entity in two:
        if entity in described:
            ways = [
                (w, NAMED[name])
                for w in facts.entities
                if w not in two
                for name, v in facts.values[w].items()
                if v == entity
            ]
            if not ways:
                return None
            whose, how = draw.pick(ways)
            if whose in (search.entity for search in searches):
                return None
            searches.append(_lookup(wording, whose, how))
            told.append(wording.phrase(draw, how, whose.name))
        else:
            told.append(entity.name)
        searches.append(_lookup(wording, entity, relation))
    answer = two[years.index(min(years))]
    return Draft(
        wording.earlier(draw, relation, told[0], told[1]),
        answer.name,
        relation.name,
        tuple(searches),
    )


ASKING: dict[str, tuple[int, Callable[[Draw, Facts, Wording, int], Draft | None]]] = {
    "chain": (1, chain), "comparison": (2, comparison), "intersection": (1, intersection),
}  # fmt: skip
"""Each kind of question: its fewest hops, and what draws one."""


def _walk(draw: Draw, facts: Facts, start: Entity, hops: int, seen: set[Value]) -> Walk | None:
    """`hops` relations from `start` on, never to anything in `seen` or twice to the same; only the
    last may be a year.
    """
    walk: Walk = []
    here, passed = start, set(seen)
    for left in range(hops, 0, -1):
        ways = [
            (NAMED[name], value)
            for name, value in facts.values[here].items()
            if value not in passed and (left == 1 or isinstance(value, Entity))
        ]
        if not ways:
            return None
        walk.append(draw.pick(ways))
        value = walk[-1][1]
        passed.add(value)
        if isinstance(value, Entity):
            here = value
    return walk


def _lookup(wording: Wording, entity: Entity, relation: Relation) -> Lookup:
    return Lookup(wording.query(relation, entity.name), entity, relation.name)


def _follow(draw: Draw, wording: Wording, inner: str, searches: list[Lookup], walk: Walk) -> Draft:
    for (relation, value), (following, _) in pairwise(walk):
        assert isinstance(value, Entity)
        inner = wording.phrase(draw, relation, inner)
        searches.append(_lookup(wording, value, following))
    relation, value = walk[-1]
    return Draft(wording.ask(draw, relation, inner), said(value), relation.name, tuple(searches))


def _fits(facts: Facts, entity: Entity, wanted: tuple[tuple[Relation, Value], ...]) -> bool:
    return all(facts.values[entity].get(relation.name) == value for relation, value in wanted)
