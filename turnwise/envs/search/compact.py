"""A world in few words, for models that learn on a CPU in minutes.

A passage is a list (`work. author bako. publisher rilu.`), a question names the relations as the passages do (`birthplace of
author of nema?`), a name is two syllables, in lower case. About sixty words and the syllables are all there is.
"""

from __future__ import annotations

from collections.abc import Sequence

from turnwise.envs.draw import Draw
from turnwise.envs.search.names import Words
from turnwise.envs.search.relations import KINDS, NAMED, Entity, Relation, Value, said

VERBS = ("met", "saw", "left", "heard", "missed")


class CompactWording:
    """`style="compact"`."""

    short_words = True
    reserved = frozenset({*KINDS, *NAMED, *VERBS, "of", "with", "and", "or", "note", "earlier", "search", "answer"})

    def entity(self, draw: Draw, words: Words, kind: str, known: Sequence[Entity], overlap: float) -> Entity:
        name = words.new()
        if known and draw.chance(overlap):
            name = f"{draw.pick(known).name.split()[0]} {name}"
        return Entity(kind, name, kind)

    def passage(self, draw: Draw, entity: Entity, values: dict[str, Value]) -> str:
        parts = [f"{name} {said(value)}." for name, value in draw.shuffled(list(values.items()))]
        return " ".join([f"{entity.noun}.", *parts])

    def distractor(self, draw: Draw, number: int, facts: Sequence[Entity]) -> tuple[str, str]:
        one, other = draw.sample(facts, 2)
        return f"note {number}", f"{one.name} {draw.pick(VERBS)} {other.name}."

    def phrase(self, draw: Draw, relation: Relation, inner: str) -> str:
        return f"{relation.name} of {inner}"

    def ask(self, draw: Draw, relation: Relation, inner: str) -> str:
        return f"{relation.name} of {inner}?"

    def both(self, kind: str, first: tuple[Relation, Value], second: tuple[Relation, Value]) -> str:
        return f"{kind} with {first[0].name} {said(first[1])} and {second[0].name} {said(second[1])}"

    def which(self, described: str) -> str:
        return f"{described}?"

    def earlier(self, draw: Draw, relation: Relation, one: str, other: str) -> str:
        return f"earlier {relation.name}: {one} or {other}?"
