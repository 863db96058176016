"""Wording of a world and its questions: the interface and the two short styles.

`CompactWording` and `FactsWording` serve models that learn on a CPU in minutes. A passage is a list
(`work. author ba17. publisher ri40.`), a question names relations as the passages do (`birthplace
of author of ne03?`), and a name is a syllable and a number. The vocabulary is some sixty words, the
syllables and the numbers. English sentences are in `turnwise.envs.search.full_wording`.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple, Protocol

from turnwise.envs.search.facts import KINDS, RELATION_NAMED, Entity, Relation, Value, value_text
from turnwise.envs.search.names import Words
from turnwise.envs.seeding import Draw

VERBS = ("met", "saw", "left", "heard", "missed")


class PassageDraft(NamedTuple):
    """A passage about an entity, before it has an id."""

    title: str
    text: str
    relations: tuple[str, ...]
    """Names of the relations whose values it states."""


class WorldWording(Protocol):
    """Names, passages and questions in one style; everything random comes from `draw`."""

    @property
    def short_words(self) -> bool:
        """Whether names are made of short words."""
        ...

    @property
    def reserved(self) -> Set[str]:
        """All words of the style itself, which no name may contain."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of questions that its passages can answer."""
        ...

    def entity(
        self, draw: Draw, words: Words, kind: str, known: Sequence[Entity], overlap: float
    ) -> Entity:
        """Return a new entity, with probability `overlap` named like one of `known`."""
        ...

    def passages(self, draw: Draw, entity: Entity, values: dict[str, Value]) -> list[PassageDraft]:
        """Return passages that state each value of an entity once."""
        ...

    def query(self, relation: Relation, name: str) -> str:
        """Return a query for the value of a relation of the entity called `name`."""
        ...

    def distractor(self, draw: Draw, number: int, entities: Sequence[Entity]) -> tuple[str, str]:
        """Return title and text of a passage that names entities but states no relation."""
        ...

    def phrase(self, draw: Draw, relation: Relation, inner: str) -> str:
        """Return a noun phrase for the value of a relation of what `inner` denotes."""
        ...

    def ask(self, draw: Draw, relation: Relation, inner: str) -> str:
        """Return a question for the value of a relation of what `inner` denotes."""
        ...

    def both(self, kind: str, first: tuple[Relation, Value], second: tuple[Relation, Value]) -> str:
        """Return a noun phrase for the entity of a kind with these values of two relations."""
        ...

    def which(self, described: str) -> str:
        """Return a question for the name of what is described."""
        ...

    def earlier(self, draw: Draw, relation: Relation, one: str, other: str) -> str:
        """Return a question for the one of two whose year is earlier."""
        ...


class CompactWording:
    """`style="compact"`: one list of facts for each entity."""

    short_words = True
    kinds: tuple[str, ...] = ("chain", "comparison", "intersection")
    reserved = frozenset(
        {*KINDS, *RELATION_NAMED, *VERBS}
        | {"of", "with", "and", "or", "note", "earlier", "search", "answer"}
    )

    def entity(
        self, draw: Draw, words: Words, kind: str, known: Sequence[Entity], overlap: float
    ) -> Entity:
        name = words.new()
        if known and draw.chance(overlap):
            name = f"{draw.pick(known).name.split()[0]} {name}"
        return Entity(kind, name, kind)

    def passages(self, draw: Draw, entity: Entity, values: dict[str, Value]) -> list[PassageDraft]:
        facts = [f"{name} {value_text(value)}." for name, value in draw.shuffled([*values.items()])]
        return [PassageDraft(entity.name, " ".join([f"{entity.noun}.", *facts]), tuple(values))]

    def query(self, relation: Relation, name: str) -> str:
        return name

    def distractor(self, draw: Draw, number: int, entities: Sequence[Entity]) -> tuple[str, str]:
        one, other = draw.sample(entities, 2)
        return f"note {number}", f"{one.name} {draw.pick(VERBS)} {other.name}."

    def phrase(self, draw: Draw, relation: Relation, inner: str) -> str:
        return f"{relation.name} of {inner}"

    def ask(self, draw: Draw, relation: Relation, inner: str) -> str:
        return f"{relation.name} of {inner}?"

    def both(self, kind: str, first: tuple[Relation, Value], second: tuple[Relation, Value]) -> str:
        one, other = (f"{relation.name} {value_text(v)}" for relation, v in (first, second))
        return f"{kind} with {one} and {other}"

    def which(self, described: str) -> str:
        return f"{described}?"

    def earlier(self, draw: Draw, relation: Relation, one: str, other: str) -> str:
        return f"earlier {relation.name}: {one} or {other}?"


class FactsWording(CompactWording):
    """`style="facts"`: one passage for each fact (`ba17 author: ri40.`).

    A passage is found by the name and the relation, and the value is its last word, so that a model
    only has to learn what to search for next.
    """

    kinds = ("chain", "comparison")

    def passages(self, draw: Draw, entity: Entity, values: dict[str, Value]) -> list[PassageDraft]:
        return [
            PassageDraft(f"{entity.name} {name}", f"{value_text(value)}.", (name,))
            for name, value in values.items()
        ]

    def query(self, relation: Relation, name: str) -> str:
        return f"{name} {relation.name}"
