"""Entities of a generated world and the facts about them.

A fact is the value of a relation of an entity. Relations are functions (a person has one
birthplace), so a chain of relations has a single answer. Every relation holds for every entity,
with three exceptions: with an odd number of people one is not married, the oldest person had no
teacher, and a land without a town of its own has its capital in another. Years are plausible (a
work is published in its author's lifetime, a teacher is older than the pupil); everything else is
drawn independently, so that no fact can be inferred from others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from turnwise.envs.seeding import Draw

PERSON, WORK, FIRM, TOWN, LAND, YEAR = "person", "work", "firm", "town", "land", "year"
KINDS = (PERSON, WORK, FIRM, TOWN, LAND)
SHARES = {PERSON: 0.4, WORK: 0.2, FIRM: 0.15, TOWN: 0.15, LAND: 0.1}
"""Share of each kind among the entities of a world; there are at least two of each."""
MIN_ENTITIES = 12
YEARS = (1700, 1899)
"""First and last year of birth or foundation."""


class Relation(NamedTuple):
    """A function from entities of one kind to entities of another, or to years."""

    name: str
    subject: str
    object: str


RELATIONS = (
    Relation("author", WORK, PERSON), Relation("publisher", WORK, FIRM),
    Relation("setting", WORK, TOWN), Relation("published", WORK, YEAR),
    Relation("birthplace", PERSON, TOWN), Relation("employer", PERSON, FIRM),
    Relation("spouse", PERSON, PERSON), Relation("teacher", PERSON, PERSON),
    Relation("born", PERSON, YEAR),
    Relation("founder", FIRM, PERSON), Relation("seat", FIRM, TOWN),
    Relation("founded", FIRM, YEAR),
    Relation("country", TOWN, LAND), Relation("mayor", TOWN, PERSON),
    Relation("capital", LAND, TOWN), Relation("ruler", LAND, PERSON),
)  # fmt: skip
RELATIONS_OF: dict[str, tuple[Relation, ...]] = {
    kind: tuple(r for r in RELATIONS if r.subject == kind) for kind in KINDS
}
"""Kind of entity -> its relations."""
RELATION_NAMED = {relation.name: relation for relation in RELATIONS}


@dataclass(frozen=True, slots=True)
class Entity:
    """A person or thing; its name is unique in its world."""

    kind: str
    name: str
    noun: str
    """A more specific noun, such as `botanist`; the kind itself if the wording has none."""


Value = Entity | int


def value_text(value: Value) -> str:
    """Return the name of an entity, or a year in digits."""
    return value.name if isinstance(value, Entity) else str(value)


@dataclass(frozen=True, slots=True)
class WorldFacts:
    """All entities and facts of a world."""

    entities: tuple[Entity, ...]
    values: dict[Entity, dict[str, Value]]
    """Entity -> name of a relation -> value."""

    def entities_of(self, kind: str) -> tuple[Entity, ...]:
        """Return the entities of a kind."""
        return tuple(entity for entity in self.entities if entity.kind == kind)


def make_facts(draw: Draw, entities: int, name: Callable[[str], Entity]) -> WorldFacts:
    """Return a world of `entities` entities, at least `MIN_ENTITIES`.

    Args:
        name: returns a new entity of the given kind.
    """
    counts = {kind: max(2, round(SHARES[kind] * entities)) for kind in KINDS}
    counts[PERSON] += entities - sum(counts.values())
    by_kind = {kind: tuple(name(kind) for _ in range(counts[kind])) for kind in KINDS}
    values: dict[Entity, dict[str, Value]] = {
        entity: {} for kind in KINDS for entity in by_kind[kind]
    }
    _people(draw, by_kind, values)
    for firm in by_kind[FIRM]:
        values[firm]["founder"] = draw.pick(by_kind[PERSON])
        values[firm]["seat"] = draw.pick(by_kind[TOWN])
        values[firm]["founded"] = draw.between(*YEARS)
    for work in by_kind[WORK]:
        author = draw.pick(by_kind[PERSON])
        values[work]["author"] = author
        values[work]["publisher"] = draw.pick(by_kind[FIRM])
        values[work]["setting"] = draw.pick(by_kind[TOWN])
        values[work]["published"] = _year_of_birth(values, author) + draw.between(20, 55)
    _towns_and_lands(draw, by_kind, values)
    return WorldFacts(tuple(values), values)


def _people(
    draw: Draw, by_kind: dict[str, tuple[Entity, ...]], values: dict[Entity, dict[str, Value]]
) -> None:
    people = by_kind[PERSON]
    for person in people:
        values[person]["birthplace"] = draw.pick(by_kind[TOWN])
        values[person]["employer"] = draw.pick(by_kind[FIRM])
        values[person]["born"] = draw.between(*YEARS)
    pairs = draw.shuffled(people)
    for one, other in zip(pairs[::2], pairs[1::2], strict=False):
        values[one]["spouse"], values[other]["spouse"] = other, one
    for person in people:
        born = _year_of_birth(values, person)
        older = [other for other in people if _year_of_birth(values, other) < born]
        if older:
            values[person]["teacher"] = draw.pick(older)


def _towns_and_lands(
    draw: Draw, by_kind: dict[str, tuple[Entity, ...]], values: dict[Entity, dict[str, Value]]
) -> None:
    lands = by_kind[LAND]
    for number, town in enumerate(by_kind[TOWN]):
        # The first towns go to one land each, so that every land has a town for its capital as
        # long as there are enough of them.
        values[town]["country"] = lands[number] if number < len(lands) else draw.pick(lands)
        values[town]["mayor"] = draw.pick(by_kind[PERSON])
    for land in lands:
        own = [town for town in by_kind[TOWN] if values[town]["country"] is land]
        values[land]["capital"] = draw.pick(own or by_kind[TOWN])
        values[land]["ruler"] = draw.pick(by_kind[PERSON])


def _year_of_birth(values: dict[Entity, dict[str, Value]], person: Entity) -> int:
    born = values[person]["born"]
    assert isinstance(born, int)
    return born
