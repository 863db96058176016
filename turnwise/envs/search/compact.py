"""A world in few words, for models that learn on a CPU in minutes.

A passage is a list (`work. author ba17. publisher ri40.`), a question names the relations as the
passages do (`birthplace of author of ne03?`), a name is a syllable and a number. About sixty words,
the syllables and the numbers are all there is.
"""

from __future__ import annotations

from collections.abc import Sequence

from turnwise.envs.search.names import Words
from turnwise.envs.search.relations import KINDS, NAMED, Entity, Relation, Value, said
from turnwise.envs.search.wording import Stated
from turnwise.envs.seeding import Draw

VERBS = ("met", "saw", "left", "heard", "missed")


class CompactWording:
    """`style="compact"`."""

    short_words = True
    kinds: tuple[str, ...] = ("chain", "comparison", "intersection")
    reserved = frozenset(
        {*KINDS, *NAMED, *VERBS, "of", "with", "and", "or", "note", "earlier", "search", "answer"}
    )

    def entity(
        self, draw: Draw, words: Words, kind: str, known: Sequence[Entity], overlap: float
    ) -> Entity:
        name = words.new()
        if known and draw.chance(overlap):
            name = f"{draw.pick(known).name.split()[0]} {name}"
        return Entity(kind, name, kind)

    def passages(self, draw: Draw, entity: Entity, values: dict[str, Value]) -> list[Stated]:
        parts = [f"{name} {said(value)}." for name, value in draw.shuffled(list(values.items()))]
        return [Stated(entity.name, " ".join([f"{entity.noun}.", *parts]), tuple(values))]

    def query(self, relation: Relation, name: str) -> str:
        return name

    def distractor(self, draw: Draw, number: int, facts: Sequence[Entity]) -> tuple[str, str]:
        one, other = draw.sample(facts, 2)
        return f"note {number}", f"{one.name} {draw.pick(VERBS)} {other.name}."

    def phrase(self, draw: Draw, relation: Relation, inner: str) -> str:
        return f"{relation.name} of {inner}"

    def ask(self, draw: Draw, relation: Relation, inner: str) -> str:
        return f"{relation.name} of {inner}?"

    def both(self, kind: str, first: tuple[Relation, Value], second: tuple[Relation, Value]) -> str:
        return (
            f"{kind} with {first[0].name} {said(first[1])} and {second[0].name} {said(second[1])}"
        )

    def which(self, described: str) -> str:
        return f"{described}?"

    def earlier(self, draw: Draw, relation: Relation, one: str, other: str) -> str:
        return f"earlier {relation.name}: {one} or {other}?"


class FactsWording(CompactWording):
    """`style="facts"`: as `compact`, with a passage for every fact (`ba17 author: ri40.`), found by
    name and relation.

    What was looked up is the last word of what is shown, so that a model has only to learn what to
    search for next.
    """

    kinds = ("chain", "comparison")

    def passages(self, draw: Draw, entity: Entity, values: dict[str, Value]) -> list[Stated]:
        return [
            Stated(f"{entity.name} {name}", f"{said(value)}.", (name,))
            for name, value in values.items()
        ]

    def query(self, relation: Relation, name: str) -> str:
        return f"{name} {relation.name}"
