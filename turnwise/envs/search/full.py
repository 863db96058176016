"""A world in English sentences, each fact in one of several wordings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from turnwise.envs.search import phrases
from turnwise.envs.search.names import Words
from turnwise.envs.search.relations import FIRM, LAND, PERSON, TOWN, Entity, Relation, Value, said
from turnwise.envs.search.wording import Stated
from turnwise.envs.seeding import Draw


def _words() -> frozenset[str]:
    """Every word of `phrases`."""
    texts: list[str] = []
    for table in (phrases.STATED, phrases.MEANT, phrases.ASKED, phrases.NOUNS, phrases.EARLIER):
        texts += [text for several in table.values() for text in several]
    texts += [
        *phrases.HAVING.values(),
        *phrases.MENTIONED,
        *phrases.OBJECTS,
        *phrases.HOUSES,
        *phrases.BEFORE_TOWN,
        *phrases.PAPERS,
    ]
    texts += [*phrases.OPENING, "one that which who search answer"]
    return frozenset(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))


class FullWording:
    """`style="full"`."""

    short_words = False
    kinds = ("chain", "comparison", "intersection")
    reserved = _words()

    def entity(
        self, draw: Draw, words: Words, kind: str, known: Sequence[Entity], overlap: float
    ) -> Entity:
        noun = draw.pick(phrases.NOUNS[kind])
        taken = {entity.name for entity in known}
        while True:
            own = words.new().capitalize()
            same = [entity for entity in known if (entity.kind == PERSON) == (kind == PERSON)]
            shared = own
            if same and draw.chance(overlap):
                # Invented words are the ones that are not the wording's own.
                shared = draw.pick(
                    [w for w in draw.pick(same).name.split() if w.lower() not in self.reserved]
                )
            name = self._name(draw, words, kind, own, shared)
            if name not in taken:
                return Entity(kind, name, noun)

    @staticmethod
    def _name(draw: Draw, words: Words, kind: str, own: str, shared: str) -> str:
        """A name of a kind around an invented word: `shared`, which another name has too, where
        that leaves it distinct.
        """
        if kind == PERSON:
            first = words.new().capitalize() if shared == own else shared
            return f"{first} {own}" if shared == own or draw.chance(0.5) else f"{own} {first}"
        if kind == FIRM:
            return f"{shared} {draw.pick(phrases.HOUSES)}"
        if kind == TOWN:
            return own if shared == own else f"{draw.pick(phrases.BEFORE_TOWN)} {shared}"
        return own if kind == LAND else f"The {draw.pick(phrases.OBJECTS)} of {shared}"

    def passages(self, draw: Draw, entity: Entity, values: dict[str, Value]) -> list[Stated]:
        sentences = [
            draw.pick(phrases.OPENING).format(
                name=entity.name, a=_article(entity.noun), noun=entity.noun
            )
        ]
        for name, value in draw.shuffled(list(values.items())):
            sentences.append(
                draw.pick(phrases.STATED[name]).format(s=f"the {entity.noun}", o=said(value))
            )
        text = " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)
        return [Stated(entity.name, text, tuple(values))]

    def query(self, relation: Relation, name: str) -> str:
        return name

    def distractor(self, draw: Draw, number: int, facts: Sequence[Entity]) -> tuple[str, str]:
        one, other, third = draw.sample(facts, 3)
        title = f"{draw.pick(phrases.PAPERS)}, no. {number}"
        text = draw.pick(phrases.MENTIONED).format(
            a=one.name, b=other.name, c=third.name, year=draw.between(1750, 1949)
        )
        return title, text[0].upper() + text[1:]

    def phrase(self, draw: Draw, relation: Relation, inner: str) -> str:
        return draw.pick(phrases.MEANT[relation.name]).format(inner)

    def ask(self, draw: Draw, relation: Relation, inner: str) -> str:
        return draw.pick(phrases.ASKED[relation.name]).format(inner)

    def both(self, kind: str, first: tuple[Relation, Value], second: tuple[Relation, Value]) -> str:
        clauses = [
            phrases.HAVING[relation.name].format(said(value)) for relation, value in (first, second)
        ]
        return f"the {kind} {'who' if kind == PERSON else 'that'} {clauses[0]} and {clauses[1]}"

    def which(self, described: str) -> str:
        return f"{'Who' if described.startswith('the person') else 'Which'} is {described}?"

    def earlier(self, draw: Draw, relation: Relation, one: str, other: str) -> str:
        return draw.pick(phrases.EARLIER[relation.name]).format(one, other)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
