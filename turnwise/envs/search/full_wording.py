"""English sentences for a world and its questions; each fact has several wordings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from turnwise.envs.search.facts import FIRM, LAND, PERSON, TOWN, Entity, Relation, Value, value_text
from turnwise.envs.search.names import Words
from turnwise.envs.search.wording import PassageDraft
from turnwise.envs.seeding import Draw

NOUNS: dict[str, tuple[str, ...]] = {
    "person": (
        "botanist", "painter", "surveyor", "poet", "chemist", "composer", "sailor", "judge",
        "weaver", "astronomer", "clockmaker",
    ),
    "work": ("novel", "opera", "play", "poem", "atlas", "memoir", "ballad"),
    "firm": ("brewery", "guild", "shipyard", "academy", "bank", "theatre company", "newspaper"),
    "town": ("town", "port", "village", "city"),
    "land": ("kingdom", "republic", "duchy", "island state"),
}  # fmt: skip
"""Kind of entity -> more specific nouns."""
OPENING = (
    "{name} is {a} {noun}.",
    "{name}: {a} {noun} of some renown.",
    "{name} is known far and wide as {a} {noun}.",
)
OBJECTS = (
    "Lantern", "Orchard", "Ferry", "Winter", "Mirror", "Bridge", "Garden", "Letters", "Silence",
    "Road",
)  # fmt: skip
HOUSES = ("Brothers", "House", "Union", "Society", "Works", "Hall")
BEFORE_TOWN = ("New", "Upper", "Lower", "Port", "Old", "Fort")
PAPERS = ("Evening Post", "Almanac", "Court Record", "Travel Diary", "Harbour Gazette")

STATED: dict[str, tuple[str, ...]] = {
    "author": ("{s} was written by {o}.", "it is from the pen of {o}.", "{o} is its author."),
    "publisher": ("{o} published it.", "{s} came out with {o}.", "its publisher was {o}."),
    "setting": ("it is set in {o}.", "the scene of {s} is {o}.", "{s} plays in {o}."),
    "published": (
        "it was first published in {o}.", "{s} appeared in {o}.", "the first edition is of {o}.",
    ),
    "birthplace": ("{s} was born in {o}.", "{o} is the birthplace of {s}.", "a native of {o}."),
    "employer": ("{s} works for {o}.", "{s} is employed by {o}.", "the employer is {o}."),
    "spouse": ("{s} is married to {o}.", "{s} and {o} are married.", "the spouse is {o}."),
    "teacher": (
        "{s} was taught by {o}.", "the teacher of {s} was {o}.", "{s} learned the trade from {o}.",
    ),
    "born": (
        "the year of birth is {o}.", "{s} was born in the year {o}.",
        "the birth took place in {o}.",
    ),
    "founder": ("{s} was founded by {o}.", "its founder is {o}.", "{o} founded {s}."),
    "seat": (
        "{s} has its headquarters in {o}.", "it is based in {o}.", "its head office is in {o}.",
    ),
    "founded": (
        "it was founded in {o}.", "{s} has existed since {o}.", "the founding year is {o}.",
    ),
    "country": ("{s} lies in {o}.", "it belongs to {o}.", "it is part of {o}."),
    "mayor": ("the mayor of {s} is {o}.", "its mayor is {o}.", "{o} governs {s} as mayor."),
    "capital": ("its capital is {o}.", "{o} is the capital of {s}.", "the capital of {s} is {o}."),
    "ruler": ("{s} is ruled by {o}.", "its ruler is {o}.", "{o} rules {s}."),
}  # fmt: skip
"""Relation -> sentences that state it of `{s}`."""
PHRASES: dict[str, tuple[str, ...]] = {
    "author": ("the author of {}", "the person who wrote {}"),
    "publisher": ("the publisher of {}", "the house that published {}"),
    "setting": ("the place where {} is set", "the setting of {}"),
    "birthplace": ("the birthplace of {}", "the place where {} was born"),
    "employer": ("the employer of {}", "the organisation that employs {}"),
    "spouse": ("the spouse of {}", "the person married to {}"),
    "teacher": ("the teacher of {}", "the person who taught {}"),
    "founder": ("the founder of {}", "the person who founded {}"),
    "seat": ("the place where {} is based", "the place with the headquarters of {}"),
    "country": ("the country of {}", "the country in which {} lies"),
    "mayor": ("the mayor of {}",),
    "capital": ("the capital of {}",),
    "ruler": ("the ruler of {}",),
}  # fmt: skip
"""Relation -> noun phrases for its value, used inside questions."""
ASKED: dict[str, tuple[str, ...]] = {
    "author": ("Who wrote {}?", "Who is the author of {}?"),
    "publisher": ("Who published {}?", "What is the publisher of {}?"),
    "setting": ("Where is {} set?", "In which place is {} set?"),
    "published": ("In which year was {} published?", "When did {} first appear?"),
    "birthplace": ("Where was {} born?", "In which place was {} born?"),
    "employer": ("For whom does {} work?", "What is the employer of {}?"),
    "spouse": ("To whom is {} married?", "Who is the spouse of {}?"),
    "teacher": ("Who taught {}?", "Who was the teacher of {}?"),
    "born": ("In which year was {} born?", "What is the year of birth of {}?"),
    "founder": ("Who founded {}?", "Who is the founder of {}?"),
    "seat": ("Where is {} based?", "In which place does {} have its headquarters?"),
    "founded": ("In which year was {} founded?", "Since when has {} existed?"),
    "country": ("In which country is {}?", "To which country does {} belong?"),
    "mayor": ("Who is the mayor of {}?",),
    "capital": ("What is the capital of {}?",),
    "ruler": ("Who rules {}?", "Who is the ruler of {}?"),
}  # fmt: skip
"""Relation -> questions for its value."""
CLAUSES: dict[str, str] = {
    "author": "was written by {}", "publisher": "was published by {}", "setting": "is set in {}",
    "birthplace": "was born in {}",
    "employer": "works for {}", "spouse": "is married to {}", "teacher": "was taught by {}",
    "founder": "was founded by {}",
    "seat": "is based in {}", "country": "lies in {}", "mayor": "has {} as mayor",
    "capital": "has {} as its capital",
    "ruler": "is ruled by {}",
}  # fmt: skip
"""Relation -> clause, for `the person who was born in ... and works for ...`."""
EARLIER: dict[str, tuple[str, ...]] = {
    "born": ("Who was born earlier, {} or {}?", "Who is older: {} or {}?"),
    "published": ("Which was published earlier, {} or {}?", "Which appeared first: {} or {}?"),
    "founded": ("Which was founded earlier, {} or {}?", "Which is older: {} or {}?"),
}
"""Relation to a year -> questions for the earlier of two."""
DISTRACTORS = (
    "in {year} news of {a} was carried to {b}, and nobody in {c} believed it.",
    "a letter of {year} complains about {a}, praises {b} and forgets {c}.",
    "the quarrel over {a} and {b} was settled in {year}, to the regret of {c}.",
    "a visitor of {year} compared {a} with {b} and preferred {c}.",
    "among the papers of {year} are drawings of {a}, {b} and {c}.",
)
"""Distractor passages, which name entities without stating a relation."""


def _words() -> frozenset[str]:
    """Return all words of the tables above, in lower case."""
    texts: list[str] = []
    for table in (STATED, PHRASES, ASKED, NOUNS, EARLIER):
        texts += [text for several in table.values() for text in several]
    texts += [*CLAUSES.values(), *DISTRACTORS, *OBJECTS, *HOUSES, *BEFORE_TOWN, *PAPERS]
    texts += [*OPENING, "one that which who search answer"]
    return frozenset(word for text in texts for word in re.findall(r"[a-z]+", text.lower()))


class FullWording:
    """`style="full"`: a paragraph for each entity."""

    short_words = False
    kinds = ("chain", "comparison", "intersection")
    reserved = _words()

    def entity(
        self, draw: Draw, words: Words, kind: str, known: Sequence[Entity], overlap: float
    ) -> Entity:
        noun = draw.pick(NOUNS[kind])
        taken = {entity.name for entity in known}
        while True:
            own = words.new().capitalize()
            same = [entity for entity in known if (entity.kind == PERSON) == (kind == PERSON)]
            shared = own
            if same and draw.chance(overlap):
                parts = draw.pick(same).name.split()
                # `The Lantern of Sturilan`: only the invented word can be shared.
                shared = draw.pick([word for word in parts if word.lower() not in self.reserved])
            name = self._name(draw, words, kind, own, shared)
            if name not in taken:
                return Entity(kind, name, noun)

    @staticmethod
    def _name(draw: Draw, words: Words, kind: str, own: str, shared: str) -> str:
        """Return a name from the new word `own` and `shared`, a word of another name or `own`."""
        if kind == PERSON:
            first = words.new().capitalize() if shared == own else shared
            return f"{first} {own}" if shared == own or draw.chance(0.5) else f"{own} {first}"
        if kind == FIRM:
            return f"{shared} {draw.pick(HOUSES)}"
        if kind == TOWN:
            return own if shared == own else f"{draw.pick(BEFORE_TOWN)} {shared}"
        return own if kind == LAND else f"The {draw.pick(OBJECTS)} of {shared}"

    def passages(self, draw: Draw, entity: Entity, values: dict[str, Value]) -> list[PassageDraft]:
        sentences = [
            draw.pick(OPENING).format(name=entity.name, a=_article(entity.noun), noun=entity.noun)
        ]
        for name, value in draw.shuffled(list(values.items())):
            stated = draw.pick(STATED[name])
            sentences.append(stated.format(s=f"the {entity.noun}", o=value_text(value)))
        text = " ".join(sentence[0].upper() + sentence[1:] for sentence in sentences)
        return [PassageDraft(entity.name, text, tuple(values))]

    def query(self, relation: Relation, name: str) -> str:
        return name

    def distractor(self, draw: Draw, number: int, entities: Sequence[Entity]) -> tuple[str, str]:
        one, other, third = draw.sample(entities, 3)
        title = f"{draw.pick(PAPERS)}, no. {number}"
        text = draw.pick(DISTRACTORS).format(
            a=one.name, b=other.name, c=third.name, year=draw.between(1750, 1949)
        )
        return title, text[0].upper() + text[1:]

    def phrase(self, draw: Draw, relation: Relation, inner: str) -> str:
        return draw.pick(PHRASES[relation.name]).format(inner)

    def ask(self, draw: Draw, relation: Relation, inner: str) -> str:
        return draw.pick(ASKED[relation.name]).format(inner)

    def both(self, kind: str, first: tuple[Relation, Value], second: tuple[Relation, Value]) -> str:
        clauses = [
            CLAUSES[relation.name].format(value_text(value)) for relation, value in (first, second)
        ]
        return f"the {kind} {'who' if kind == PERSON else 'that'} {clauses[0]} and {clauses[1]}"

    def which(self, described: str) -> str:
        return f"{'Who' if described.startswith('the person') else 'Which'} is {described}?"

    def earlier(self, draw: Draw, relation: Relation, one: str, other: str) -> str:
        return draw.pick(EARLIER[relation.name]).format(one, other)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
