"""Generated worlds: the default corpora, which need no download.

A world consists of facts, passages that state them, distractor passages that only mention names,
and questions. A question is kept only if every query of its plan ranks the passage it needs first,
so the expert succeeds at every `k`. The arguments (difficulty, seed, number, split) determine a
world byte for byte on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from turnwise.envs.search.corpus import Corpus, Passage, Question
from turnwise.envs.search.facts import MIN_ENTITIES, Entity, WorldFacts, make_facts
from turnwise.envs.search.full_wording import FullWording
from turnwise.envs.search.names import Words
from turnwise.envs.search.questions import MAX_HOPS, QUESTION_KINDS, QuestionDraft
from turnwise.envs.search.wording import CompactWording, FactsWording, PassageDraft, WorldWording
from turnwise.envs.seeding import Draw
from turnwise.errors import ConfigError, unknown

WORDINGS: dict[str, type[WorldWording]] = {
    "compact": CompactWording,
    "facts": FactsWording,
    "full": FullWording,
}
TITLE_WEIGHT = 2
MAX_ENTITIES = 240
"""Entities in a world; more would use up the names of the smaller splits."""
MAX_QUESTION_DRAFTS, MAX_WORLD_DRAFTS = 300, 20
"""Drafts of one question and of one world before giving up."""
FactPassages = dict[tuple[Entity, str], str]
"""(entity, relation) -> id of the passage that states the value."""


@dataclass(frozen=True, slots=True, repr=False)
class SearchDifficulty:
    """Size and difficulty of generated worlds.

    Raises:
        ConfigError: for an unknown style or kind of question, or numbers out of range.
    """

    style: str = "full"
    entities: int = 60
    """Entities in a world; each has a passage."""
    per_world: int = 20
    """Questions about a world."""
    hops: tuple[int, ...] = (1, 2, 3)
    """Passages a question needs, 1 to 4; each number equally often."""
    kinds: tuple[str, ...] = ("chain", "comparison", "intersection")
    """Kinds of questions, each equally often; a comparison has at least 2 hops."""
    distractors: float = 0.5
    """Passages that mention names and state nothing, for each entity."""
    overlap: float = 0.2
    """Share of names that have a word in common with another name."""

    def __post_init__(self) -> None:
        if self.style not in WORDINGS:
            raise unknown("style", self.style, WORDINGS, "Search")
        for kind in self.kinds:
            if kind not in QUESTION_KINDS:
                raise unknown("kind of question", kind, QUESTION_KINDS, "Search")
            if kind not in WORDINGS[self.style]().kinds:
                raise ConfigError(
                    f"passages of style {self.style!r} cannot answer questions of kind {kind!r}: "
                    "leave it out of kinds"
                )
        if not MIN_ENTITIES <= self.entities <= MAX_ENTITIES or self.per_world < 1:
            raise ConfigError(
                f"entities={self.entities} must be {MIN_ENTITIES} to {MAX_ENTITIES}, and "
                f"per_world={self.per_world} at least 1"
            )
        if not all(hops in range(1, MAX_HOPS + 1) for hops in self.hops) or not self.combinations:
            raise ConfigError(
                f"hops={self.hops} do not fit kinds={self.kinds}: give 1 to {MAX_HOPS} hops, with "
                "at least 2 for comparisons"
            )
        if self.distractors < 0 or not 0 <= self.overlap <= 1:
            raise ConfigError(
                f"distractors={self.distractors} must be at least 0, and overlap={self.overlap} "
                "from 0 to 1"
            )

    def __repr__(self) -> str:
        # Worlds and data hashes are seeded from this text, so it does not follow the class name.
        values = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))
        return f"Difficulty({values})"

    @property
    def combinations(self) -> tuple[tuple[str, int], ...]:
        """Pairs (kind of question, hops), in order."""
        return tuple(
            (kind, hops)
            for hops in self.hops
            for kind in self.kinds
            if hops >= QUESTION_KINDS[kind][0]
        )


@dataclass(frozen=True, slots=True)
class SearchWorld:
    """A generated world."""

    facts: WorldFacts
    corpus: Corpus
    questions: tuple[Question, ...]
    """Their ids are `world/number`."""


def make_world(difficulty: SearchDifficulty, seed: int, number: int, split: str) -> SearchWorld:
    """Return world `number`, with names of `split`.

    Raises:
        ConfigError: if so few entities do not have so many questions.
    """
    for attempt in range(MAX_WORLD_DRAFTS):
        draw = Draw("turnwise", "search", difficulty, seed, number, split, attempt)
        wording = WORDINGS[difficulty.style]()
        facts = _facts(draw, difficulty, wording, split)
        passages, ids = _passages(draw, difficulty, wording, facts)
        corpus = Corpus(passages, TITLE_WEIGHT)
        questions = _questions(draw, difficulty, wording, facts, corpus, ids, number)
        if len(questions) == difficulty.per_world:
            return SearchWorld(facts, corpus, tuple(questions))
    raise ConfigError(
        f"a Search world of {difficulty.entities} entities does not have {difficulty.per_world} "
        f"different questions with hops={difficulty.hops} of {', '.join(difficulty.kinds)}: "
        "ask for fewer (per_world) or for more entities"
    )


def _facts(
    draw: Draw, difficulty: SearchDifficulty, wording: WorldWording, split: str
) -> WorldFacts:
    words = Words(draw, split, wording.short_words, wording.reserved)
    known: list[Entity] = []

    def name(kind: str) -> Entity:
        known.append(wording.entity(draw, words, kind, known, difficulty.overlap))
        return known[-1]

    return make_facts(draw, difficulty.entities, name)


def _passages(
    draw: Draw, difficulty: SearchDifficulty, wording: WorldWording, facts: WorldFacts
) -> tuple[Sequence[Passage], FactPassages]:
    """Return the passages in random order, and which of them states each fact."""
    drafts: list[tuple[Entity | None, PassageDraft]] = [
        (entity, draft)
        for entity in facts.entities
        for draft in wording.passages(draw, entity, facts.values[entity])
    ]
    for number in range(round(difficulty.distractors * difficulty.entities)):
        distractor = wording.distractor(draw, number + 1, facts.entities)
        drafts.append((None, PassageDraft(*distractor, ())))
    # Shuffled before they are numbered: ties in the search are broken by id.
    passages: list[Passage] = []
    ids: FactPassages = {}
    for number, (entity, draft) in enumerate(draw.shuffled(drafts)):
        passages.append(Passage(str(number), draft.title, draft.text))
        if entity is not None:
            ids |= {(entity, relation): str(number) for relation in draft.relations}
    return passages, ids


def _questions(
    draw: Draw,
    difficulty: SearchDifficulty,
    wording: WorldWording,
    facts: WorldFacts,
    corpus: Corpus,
    ids: FactPassages,
    world: int,
) -> list[Question]:
    """Return different questions: `per_world`, or fewer if one could not be drawn."""
    made: dict[str, Question] = {}
    combinations = draw.shuffled(difficulty.combinations)
    for number in range(difficulty.per_world):
        kind, hops = combinations[number % len(combinations)]
        _, make_question = QUESTION_KINDS[kind]
        for _ in range(MAX_QUESTION_DRAFTS):
            draft = make_question(draw, facts, wording, hops)
            if draft is not None and draft.text not in made and _findable(corpus, draft, ids):
                break
        else:
            break
        made[draft.text] = Question(
            id=f"{world}/{number}",
            question=draft.text,
            answers=(draft.answer,),
            plan=tuple(search.query for search in draft.searches),
            support=tuple(ids[search.entity, search.relation] for search in draft.searches),
            tags=(f"hops={hops}", f"kind={kind}", f"relation={draft.relation}"),
        )
    return list(made.values())


def _findable(corpus: Corpus, draft: QuestionDraft, ids: FactPassages) -> bool:
    """Return whether every query ranks the passage it needs first."""
    return all(
        corpus.first(query) == ids[entity, relation] for query, entity, relation in draft.searches
    )
