"""What can be the case in a generated world: kinds of entities, and functions from one to another.

Every relation is a function (a person has one birthplace), so whatever a chain of relations leads
to is the only answer. How relations are put into words is the business of a wording
(`turnwise.envs.search.full`, `turnwise.envs.search.compact`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

PERSON, WORK, FIRM, TOWN, LAND, YEAR = "person", "work", "firm", "town", "land", "year"
KINDS = (PERSON, WORK, FIRM, TOWN, LAND)
SHARES = {PERSON: 0.4, WORK: 0.2, FIRM: 0.15, TOWN: 0.15, LAND: 0.1}
"""Of the entities of a world; at least two of each."""


class Relation(NamedTuple):
    """A function from entities of one kind to entities of another, or to years."""

    name: str
    subject: str
    object: str


RELATIONS = (
    Relation("author", WORK, PERSON), Relation("publisher", WORK, FIRM), Relation("setting", WORK, TOWN),
    Relation("published", WORK, YEAR),
    Relation("birthplace", PERSON, TOWN), Relation("employer", PERSON, FIRM), Relation("spouse", PERSON, PERSON),
    Relation("teacher", PERSON, PERSON), Relation("born", PERSON, YEAR),
    Relation("founder", FIRM, PERSON), Relation("seat", FIRM, TOWN), Relation("founded", FIRM, YEAR),
    Relation("country", TOWN, LAND), Relation("mayor", TOWN, PERSON),
    Relation("capital", LAND, TOWN), Relation("ruler", LAND, PERSON),
)  # fmt: skip
OF: dict[str, tuple[Relation, ...]] = {
    kind: tuple(r for r in RELATIONS if r.subject == kind) for kind in KINDS
}
"""The relations of each kind of entity."""
NAMED = {relation.name: relation for relation in RELATIONS}


@dataclass(frozen=True, slots=True)
class Entity:
    """Somebody or something with a name; equal names do not occur in a world."""

    kind: str
    name: str
    noun: str
    """What it is more exactly, such as `botanist`; the kind itself where the wording has no finer
    words.
    """


Value = Entity | int


def said(value: Value) -> str:
    """A value as text: the name of an entity, or a year."""
    return value.name if isinstance(value, Entity) else str(value)


@dataclass(frozen=True, slots=True)
class Facts:
    """Who there is, and what is the case."""

    entities: tuple[Entity, ...]
    values: dict[Entity, dict[str, Value]]
    """Of each entity the value of every relation it has, by the relation's name."""

    def of(self, kind: str) -> tuple[Entity, ...]:
        """The entities of a kind."""
        return tuple(entity for entity in self.entities if entity.kind == kind)
