from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.retrieval.stemmer import stem

PAPER = """
    caresses/caress ponies/poni ties/ti caress/caress cats/cat feed/feed agreed/agre
    plastered/plaster bled/bled motoring/motor sing/sing conflated/conflat troubled/troubl
    sized/size hopping/hop tanned/tan falling/fall hissing/hiss fizzed/fizz failing/fail filing/file
    happy/happi sky/sky relational/relat conditional/condit rational/ration valenci/valenc
    hesitanci/hesit digitizer/digit radicalli/radic differentli/differ vileli/vile
    analogousli/analog vietnamization/vietnam predication/predic operator/oper feudalism/feudal
    decisiveness/decis hopefulness/hope callousness/callous formaliti/formal sensitiviti/sensit
    sensibiliti/sensibl triplicate/triplic formative/form formalize/formal electriciti/electr
    electrical/electr hopeful/hope goodness/good revival/reviv allowance/allow inference/infer
    airliner/airlin gyroscopic/gyroscop adjustable/adjust defensible/defens irritant/irrit
    replacement/replac adjustment/adjust dependent/depend adoption/adopt homologou/homolog
    communism/commun activate/activ angulariti/angular homologous/homolog effective/effect
    bowdlerize/bowdler probate/probat rate/rate cease/ceas controll/control roll/roll
"""
"""Porter's own examples, each carried through all five steps: word/stem."""


@pytest.mark.parametrize("pair", PAPER.split())
def test_examples_of_the_paper(pair: str) -> None:
    word, stemmed = pair.split("/")
    assert stem(word) == stemmed


@pytest.mark.parametrize(
    ("word", "stemmed"),
    [("possibly", "possibl"), ("archeology", "archeolog"), ("analogy", "analog")],
)
def test_departures(word: str, stemmed: str) -> None:
    """Rules `bli` and `logi`, for which the paper's stemmer gives another stem."""
    assert stem(word) == stemmed


@pytest.mark.parametrize("word", ["", "a", "is", "as", "ed"])
def test_words_of_two_letters_stay(word: str) -> None:
    assert stem(word) == word


def test_suffixes_can_be_the_whole_word() -> None:
    assert [stem(word) for word in ("ies", "ing", "sses", "eed", "ion", "ness", "yyy")] == [
        "i", "ing", "ss", "eed", "ion", "ness", "yyi",
    ]  # fmt: skip


def test_characters_outside_the_basic_plane_count_twice() -> None:
    """In UTF-16, one such character and an s are long enough for the plural rule."""
    assert stem("\U0001d482s") == "\U0001d482"
    assert stem("és") == "és"


@given(st.text(alphabet="aeiouylstzbdngmcé'.:", max_size=14))
def test_never_longer_by_more_than_an_e(word: str) -> None:
    assert len(stem(word)) <= max(len(word), 2)
    assert stem(word)[:2] == word[:2] or len(stem(word)) < 3
