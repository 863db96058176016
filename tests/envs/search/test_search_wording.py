"""Wordings: every relation has words, distractors state nothing, names are invented."""

from __future__ import annotations

import pytest

from turnwise.envs.search import full_wording
from turnwise.envs.search.facts import KINDS, RELATIONS, YEAR, Entity, Relation
from turnwise.envs.search.full_wording import FullWording
from turnwise.envs.search.names import SHORT_ONSETS, VOWELS, Words
from turnwise.envs.search.wording import CompactWording, FactsWording, WorldWording
from turnwise.envs.seeding import Draw
from turnwise.retrieval.analyzer import analyze

WORDINGS: list[WorldWording] = [CompactWording(), FactsWording(), FullWording()]
STYLES = ["compact", "facts", "full"]


@pytest.mark.parametrize("wording", WORDINGS, ids=STYLES)
@pytest.mark.parametrize("relation", RELATIONS, ids=[relation.name for relation in RELATIONS])
def test_every_relation_has_words(wording: WorldWording, relation: Relation) -> None:
    draw = Draw("words", relation.name)
    subject, other = Entity(relation.subject, "Bako", "guild"), Entity("person", "Teli", "poet")
    value = 1850 if relation.object == YEAR else other
    for _ in range(8):
        (stated,) = wording.passages(draw, subject, {relation.name: value})
        text = stated.text
        assert (
            ("1850" if value == 1850 else "Teli") in text and "{" not in text and text.endswith(".")
        )
        assert stated.relations == (relation.name,) and stated.title.split()[0] == "Bako"
        assert set(wording.query(relation, "Bako").split()) <= set(stated.title.split())
        asked = wording.ask(draw, relation, "Bako")
        assert asked.endswith("?") and "Bako" in asked and "{" not in asked
        if relation.object == YEAR:
            question = wording.earlier(draw, relation, "Bako", "Teli")
            assert question.index("Bako") < question.index("Teli")
        else:
            assert "Bako" in wording.phrase(draw, relation, "Bako")
            described = wording.which(
                wording.both(relation.subject, (relation, other), (relation, other))
            )
            assert described.count("Teli") == 2 and described.endswith("?")


@pytest.mark.parametrize("wording", WORDINGS, ids=STYLES)
def test_distractors_name_two_and_state_nothing(wording: WorldWording) -> None:
    entities = [Entity("town", name, "town") for name in ("Bako", "Teli", "Mura")]
    for number in range(20):
        title, text = wording.distractor(Draw("notes", number), number, entities)
        assert str(number) in title and sum(entity.name in text for entity in entities) >= 2
        assert not any(
            word in text for word in ("born", "wrote", "married", "mayor", "capital", "founded")
        )


@pytest.mark.parametrize("wording", WORDINGS, ids=STYLES)
def test_names_use_no_word_of_the_wording(wording: WorldWording) -> None:
    draw = Draw("names")
    words, known = Words(draw, "train", wording.short_words, wording.reserved), list[Entity]()
    for number in range(100):
        known.append(wording.entity(draw, words, KINDS[number % 5], known, 0.3))
    assert len({entity.name for entity in known}) == 100
    assert all(set(entity.name.lower().split()) - wording.reserved for entity in known)


def test_short_words_are_a_syllable_and_a_number_without_inflection() -> None:
    words = Words(Draw("short"), "dev", True, frozenset({"ba17"}))
    made = [words.new() for _ in range(150)]
    assert len(set(made)) == 150 and "ba17" not in made
    for word in made:
        assert (
            word[0] in SHORT_ONSETS
            and word[1] in VOWELS
            and len(word) == 4
            and word[2:].isdecimal()
            and analyze(word) == [word]
        )


def test_every_fact_is_stated_once_in_its_own_passage() -> None:
    town, mayor = Entity("town", "ba17", "town"), Entity("person", "te04", "person")
    values = {"country": Entity("land", "mu30", "land"), "mayor": mayor}
    made = FactsWording().passages(Draw("facts"), town, values)
    assert [(stated.title, stated.text) for stated in made] == [
        ("ba17 country", "mu30."),
        ("ba17 mayor", "te04."),
    ]
    assert [stated.relations for stated in made] == [("country",), ("mayor",)]
    (whole,) = CompactWording().passages(Draw("facts"), town, values)
    assert whole.title == "ba17" and set(whole.relations) == set(values)
    assert sorted(whole.text.removesuffix(".").split(". ")) == [
        "country mu30",
        "mayor te04",
        "town",
    ]


def test_the_tables_cover_the_relations() -> None:
    names = {relation.name for relation in RELATIONS}
    years = {relation.name for relation in RELATIONS if relation.object == YEAR}
    assert set(full_wording.STATED) == set(full_wording.ASKED) == names
    assert (
        set(full_wording.PHRASES) == set(full_wording.CLAUSES) == names - years
        and set(full_wording.EARLIER) == years
    )
