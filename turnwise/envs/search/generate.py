"""Worlds made from a seed: the default corpus, so that no download is needed.

A world is facts, passages that state them, passages that only mention names, and questions. A
question is kept when the search itself brings every passage of its plan first: what the expert does
works at every `k`. Everything follows from (difficulty, seed, world, split), byte for byte on every
machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from turnwise.envs.search.asking import ASKING, MOST_HOPS, Draft
from turnwise.envs.search.compact import CompactWording, FactsWording
from turnwise.envs.search.corpus import Corpus, Passage, Question
from turnwise.envs.search.facts import FEWEST, make_facts
from turnwise.envs.search.full import FullWording
from turnwise.envs.search.names import Words
from turnwise.envs.search.relations import Entity, Facts
from turnwise.envs.search.wording import Stated, Wording
from turnwise.envs.seeding import Draw
from turnwise.errors import ConfigError, unknown

WORDINGS: dict[str, type[Wording]] = {
    "compact": CompactWording,
    "facts": FactsWording,
    "full": FullWording,
}
TITLE_WEIGHT = 2
MOST = 240
"""Entities in a world: more would use up the names of the smaller splits."""
Places = dict[tuple[Entity, str], str]
DRAWS, ATTEMPTS = 300, 20
"""Drafts for one question, and worlds for one number, before giving up."""


@dataclass(frozen=True, slots=True)
class Difficulty:
    """How hard the worlds are."""

    style: str = "full"
    entities: int = 60
    """In a world; each has a passage."""
    per_world: int = 20
    """Questions about a world."""
    hops: tuple[int, ...] = (1, 2, 3)
    """How many passages a question needs, 1 to 4; equally often each."""
    kinds: tuple[str, ...] = ("chain", "comparison", "intersection")
    """Equally often each; a comparison has at least 2 hops."""
    distractors: float = 0.5
    """Passages that mention names and state nothing, for each entity."""
    overlap: float = 0.2
    """Share of names that have a word of another name."""

    def __post_init__(self) -> None:
        if self.style not in WORDINGS:
            raise unknown("style", self.style, WORDINGS, "Search")
        for kind in self.kinds:
            if kind not in ASKING:
                raise unknown("kind of question", kind, ASKING, "Search")
            if kind not in WORDINGS[self.style]().kinds:
                raise ConfigError(
                    f"no passage of style {self.style!r} has what a question of kind {kind!r} needs: leave it out of kinds"
                )
        if not FEWEST <= self.entities <= MOST or self.per_world < 1:
            raise ConfigError(
                f"entities={self.entities} and per_world={self.per_world}: a Search world has {FEWEST} to {MOST} entities and at "
                "least one question"
            )
        if not all(hops in range(1, MOST_HOPS + 1) for hops in self.hops) or not self.combinations:
            raise ConfigError(
                f"hops={self.hops} of kinds={self.kinds} are no questions: give 1 to {MOST_HOPS} hops, at least 2 for comparisons"
            )
        if self.distractors < 0 or not 0 <= self.overlap <= 1:
            raise ConfigError(
                f"distractors={self.distractors} is at least 0, and overlap={self.overlap} a share from 0 to 1"
            )

    @property
    def combinations(self) -> tuple[tuple[str, int], ...]:
        """Kinds with their hops, in order."""
        return tuple(
            (kind, hops) for hops in self.hops for kind in self.kinds if hops >= ASKING[kind][0]
        )


@dataclass(frozen=True, slots=True)
class World:
    """A generated world."""

    facts: Facts
    corpus: Corpus
    questions: tuple[Question, ...]
    """Their ids are `world/number`."""


def make_world(difficulty: Difficulty, seed: int, number: int, split: str) -> World:
    """World `number`, with the names of `split`.

    Raises:
        ConfigError: where so few entities do not have so many questions.
    """
    for attempt in range(ATTEMPTS):
        draw = Draw("turnwise", "search", difficulty, seed, number, split, attempt)
        wording = WORDINGS[difficulty.style]()
        facts = _facts(draw, difficulty, wording, split)
        passages, ids = _passages(draw, difficulty, wording, facts)
        corpus = Corpus(passages, TITLE_WEIGHT)
        questions = _questions(draw, difficulty, wording, facts, corpus, ids, number)
        if len(questions) == difficulty.per_world:
            return World(facts, corpus, tuple(questions))
    raise ConfigError(
        f"a Search world of {difficulty.entities} entities does not have {difficulty.per_world} different questions with hops="
        f"{difficulty.hops} of {', '.join(difficulty.kinds)}: ask for fewer (per_world) or for more entities"
    )


def _facts(draw: Draw, difficulty: Difficulty, wording: Wording, split: str) -> Facts:
    words = Words(draw, split, wording.short_words, wording.reserved)
    known: list[Entity] = []

    def name(kind: str) -> Entity:
        known.append(wording.entity(draw, words, kind, known, difficulty.overlap))
        return known[-1]

    return make_facts(draw, difficulty.entities, name)


def _passages(
    draw: Draw, difficulty: Difficulty, wording: Wording, facts: Facts
) -> tuple[Sequence[Passage], Places]:
    """The passages in random order, and the id of the one that tells a relation of an entity."""
    texts: list[tuple[Entity | None, Stated]] = [
        (entity, stated)
        for entity in facts.entities
        for stated in wording.passages(draw, entity, facts.values[entity])
    ]
    for number in range(round(difficulty.distractors * difficulty.entities)):
        texts.append((None, Stated(*wording.distractor(draw, number + 1, facts.entities), ())))
    passages: list[Passage] = []
    ids: Places = {}
    for number, (entity, stated) in enumerate(draw.shuffled(texts)):
        passages.append(Passage(str(number), stated.title, stated.text))
        if entity is not None:
            ids |= {(entity, relation): str(number) for relation in stated.relations}
    return passages, ids


def _questions(
    draw: Draw,
    difficulty: Difficulty,
    wording: Wording,
    facts: Facts,
    corpus: Corpus,
    ids: Places,
    world: int,
) -> list[Question]:
    """As many different questions as asked for, or those before the first that could not be drawn."""
    made: dict[str, Question] = {}
    combinations = draw.shuffled(difficulty.combinations)
    for number in range(difficulty.per_world):
        kind, hops = combinations[number % len(combinations)]
        for _ in range(DRAWS):
            draft = ASKING[kind][1](draw, facts, wording, hops)
            if draft is not None and draft.text not in made and _found(corpus, draft, ids):
                break
        else:
            break
        tags = (f"hops={hops}", f"kind={kind}", f"relation={draft.relation}")
        made[draft.text] = Question(
            f"{world}/{number}", draft.text, (draft.answer,), tuple(search.query for search in draft.searches),
            tuple(ids[search.entity, search.relation] for search in draft.searches), tags,
        )  # fmt: skip
    return list(made.values())


def _found(corpus: Corpus, draft: Draft, ids: Places) -> bool:
    """Whether every query brings its passage first."""
    return all(
        corpus.first(query) == ids[entity, relation] for query, entity, relation in draft.searches
    )
