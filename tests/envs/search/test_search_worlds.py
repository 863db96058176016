"""Generated worlds: unique answers, plans that work, and separate splits."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from tests.envs.search.compact_reader import answers, read, read_facts
from turnwise.envs.search.facts import KINDS, RELATIONS, Entity, make_facts
from turnwise.envs.search.full_wording import FullWording
from turnwise.envs.search.generate import SearchDifficulty, SearchWorld, make_world
from turnwise.envs.search.names import TENTHS, Words, tenth
from turnwise.envs.seeding import Draw
from turnwise.errors import ConfigError

COMPACT = SearchDifficulty(style="compact", entities=24, per_world=16)
FULL = SearchDifficulty(entities=40, per_world=16)
FACTS = SearchDifficulty(style="facts", entities=24, per_world=16, kinds=("chain", "comparison"))
SPLITS = ("train", "dev", "test")


def digest(world: SearchWorld) -> str:
    parts = [(p.id, p.title, p.text) for p in world.corpus.passages], world.questions
    return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()


@pytest.mark.parametrize(
    "difficulty",
    [COMPACT, FACTS, FULL, SearchDifficulty(entities=30, hops=(4,), overlap=0.8, distractors=2.0)],
)
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_search_of_every_plan_brings_its_passage_first(
    difficulty: SearchDifficulty, split: str, seed: int
) -> None:
    world = make_world(difficulty, seed, 7, split)
    texts = {passage.id: passage for passage in world.corpus.passages}
    assert len(world.questions) == difficulty.per_world
    for question in world.questions:
        hops = int(question.tags[0].removeprefix("hops="))
        assert len(question.plan) == len(set(question.plan)) == len(question.support) == hops
        for query, wanted in zip(question.plan, question.support, strict=True):
            assert (
                world.corpus.search(query, 1)[0].id == world.corpus.search(query, 5)[0].id == wanted
            )
        needed = [texts[id_] for id_ in question.support]
        assert any(question.answers[0] in f"{passage.title} {passage.text}" for passage in needed)
        # Each search after the first can be made from what the one before showed.
        if "kind=comparison" not in question.tags:
            for before, query in zip(needed, question.plan[1:], strict=False):
                name = query.rsplit(" ", 1)[0] if difficulty.style == "facts" else query
                assert name in before.text


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("seed", range(4))
def test_a_reader_of_the_passages_finds_the_same_single_answer(split: str, seed: int) -> None:
    for difficulty in (
        COMPACT,
        SearchDifficulty(
            style="compact", entities=40, hops=(1, 2, 3, 4), overlap=0.5, per_world=33
        ),
    ):
        world = make_world(difficulty, seed, 0, split)
        known = read(world.corpus.passages)
        assert len(known) == difficulty.entities
        for question in world.questions:
            assert answers(question.question, known) == set(question.answers), question


@pytest.mark.parametrize("split", SPLITS)
def test_a_reader_of_single_facts_finds_the_same_answer_where_it_was_looked_up(split: str) -> None:
    world = make_world(FACTS, 1, 0, split)
    known, texts = (
        read_facts(world.corpus.passages),
        {passage.id: passage for passage in world.corpus.passages},
    )
    assert sum(map(len, known.values())) == sum(map(len, world.facts.values.values()))
    for question in world.questions:
        assert answers(question.question, known) == set(question.answers), question
        for query, place in zip(question.plan, question.support, strict=True):
            assert texts[place].title == query
        if "kind=chain" in question.tags:
            assert texts[question.support[-1]].text == f"{question.answers[0]}."


def test_only_a_comparison_names_its_answer() -> None:
    for number in range(3):
        for question in make_world(FULL, 0, number, "train").questions:
            named = question.answers[0] in question.question
            assert not named or "kind=comparison" in question.tags or any(
                question.answers[0] in query and question.answers[0] != query
                for query in question.plan
            )  # fmt: skip


def test_kinds_and_hops_come_equally_often() -> None:
    world = make_world(SearchDifficulty(style="compact", entities=40, per_world=24), 0, 0, "train")
    counts = Counter(question.tags[:2] for question in world.questions)
    assert (
        set(counts.values()) == {3} and len(counts) == 8
    )  # three kinds of 1 to 3 hops, without comparisons of one
    assert ("hops=1", "kind=comparison") not in counts


def test_settings_say_what_a_world_is() -> None:
    only = make_world(
        SearchDifficulty(
            style="compact", entities=20, per_world=5, hops=(2,), kinds=("chain",), distractors=0
        ),
        0,
        0,
        "train",
    )
    assert {question.tags[:2] for question in only.questions} == {("hops=2", "kind=chain")}
    assert len(only.corpus) == len(only.facts.entities) == 20
    assert Counter(entity.kind for entity in only.facts.entities) == {
        "person": 8,
        "work": 4,
        "firm": 3,
        "town": 3,
        "land": 2,
    }
    names = [
        entity.name
        for entity in make_world(
            SearchDifficulty(style="compact", overlap=0.0), 0, 0, "train"
        ).facts.entities
    ]
    assert all(" " not in name for name in names)
    many = make_world(
        SearchDifficulty(style="compact", overlap=1.0, distractors=1.5), 0, 0, "train"
    )
    assert (
        sum(" " in entity.name for entity in many.facts.entities) == 59 and len(many.corpus) == 150
    )


def test_no_word_of_a_name_is_in_two_splits() -> None:
    for difficulty in (COMPACT, FULL):
        held: dict[str, set[str]] = {}
        for split in SPLITS:
            names = {
                e.name
                for number in range(6)
                for e in make_world(difficulty, 0, number, split).facts.entities
            }
            words = {word.lower() for name in names for word in name.split()} - FullWording.reserved
            assert all(tenth(word) in TENTHS[split] for word in words) and len(words) > 60
            held[split] = words
        assert not (
            held["train"] & held["test"] | held["train"] & held["dev"] | held["dev"] & held["test"]
        )


def test_years_are_plausible_and_relations_are_total() -> None:
    draw = Draw("test")
    for entities in (12, 13, 60, 240):
        words = Words(draw, "train", False, frozenset())
        facts = make_facts(
            draw, entities, lambda kind, words=words: Entity(kind, words.new(), kind)
        )
        assert len(facts.entities) == entities and all(
            len(facts.entities_of(kind)) >= 2 for kind in KINDS
        )
        missing = Counter(
            r.name
            for r in RELATIONS
            for e in facts.entities_of(r.subject)
            if r.name not in facts.values[e]
        )
        assert set(missing) <= {"spouse", "teacher"} and missing["spouse"] <= 1
        for entity, values in facts.values.items():
            if "author" in values:
                born: Any = facts.values[values["author"]]["born"]  # type: ignore[index]
                assert 20 <= values["published"] - born <= 55
            if "teacher" in values:
                born = facts.values[values["teacher"]]["born"]  # type: ignore[index]
                assert born < values["born"]
            if "spouse" in values:
                assert facts.values[values["spouse"]]["spouse"] is entity  # type: ignore[index]
            if "capital" in values and any(
                facts.values[t]["country"] is entity for t in facts.entities_of("town")
            ):
                assert facts.values[values["capital"]]["country"] is entity  # type: ignore[index]


@pytest.mark.parametrize(
    ("difficulty", "split", "wanted"),
    [
        (COMPACT, "train", "82484f79af55b2b3"),
        (FACTS, "dev", "64d753986b73cd3b"),
        (FULL, "test", "79069efce085eb54"),
    ],
    ids=["compact", "facts", "full"],
)
def test_worlds_do_not_change(difficulty: SearchDifficulty, split: str, wanted: str) -> None:
    assert digest(make_world(difficulty, 3, 5, split)) == wanted


def test_the_hash_of_the_process_does_not_matter() -> None:
    code = (
        "from turnwise.envs.search.generate import SearchDifficulty, make_world\n"
        "world = make_world(SearchDifficulty(entities=40), 0, 1, 'train')\n"
        "print([question.question for question in world.questions])"
    )
    one, two = (
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": "."},
        )
        for seed in ("1", "2")
    )
    assert one.stdout == two.stdout and len(one.stdout) > 500


def test_worlds_differ() -> None:
    hashes = {
        digest(make_world(COMPACT, seed, number, "train")) for seed in (0, 1) for number in (0, 1)
    }
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"style": "fulll"}, "did you mean 'full'"),
        ({"kinds": ("chains",)}, "did you mean 'chain'"),
        ({"entities": 5}, "12 to 240"),
        ({"per_world": 0}, "per_world=0 at least 1"),
        ({"style": "facts"}, "kind 'intersection'"),
        ({"hops": (0,)}, "1 to 4 hops"),
        ({"hops": ()}, "do not fit kinds"),
        ({"hops": ("2",)}, "do not fit kinds"),
        ({"hops": (1,), "kinds": ("comparison",)}, "at least 2 for comparisons"),
        ({"distractors": -1.0}, "at least 0"),
        ({"overlap": 1.5}, "from 0 to 1"),
    ],
)
def test_impossible_settings_are_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        SearchDifficulty(**settings)  # type: ignore[arg-type]


def test_a_world_without_enough_questions_says_so() -> None:
    few = SearchDifficulty(
        style="compact", entities=12, per_world=200, hops=(1,), kinds=("intersection",)
    )
    with pytest.raises(ConfigError, match="does not have 200 different questions"):
        make_world(few, 0, 0, "train")
