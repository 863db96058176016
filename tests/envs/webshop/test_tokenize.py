"""Titles are tokenized as by spaCy."""

from __future__ import annotations

import pytest

from tests.envs.webshop.official_files import official_directory
from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.nouns import every_alphabetic_token, tokenize


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("T-Shirt, 2-Pack", "T - Shirt , 2 - Pack"),
        ("Men's Women’s kids'", "Men 's Women ’s kids '"),
        ("Table/2 Chairs/One", "Table/2 Chairs / One"),
        ("(Pink+Blue)", "( Pink+Blue )"),
        ("12oz 6.5x6.5ft 4K 10W", "12 oz 6.5x6.5 ft 4 K 10W"),
        ("Dr. Co., Inc. end.", "Dr. Co. , Inc. end ."),
        ("Don't cannot wed well", "Do n't can not we d well"),
        ("10am and/or $5 5$", "10 am and/or $ 5 5 $"),
        ("Brand® A™B wow...so", "Brand ® A ™ B wow ... so"),
        ("red,blue end.Start --dash-- a--b", "red , blue end . Start --dash-- a -- b"),
        ('16" x 16" #1 50%', '16 " x 16 " # 1 50 %'),
        ("", ""),
    ],
)
def test_cut(text: str, cut: str) -> None:
    assert " ".join(tokenize(text)) == cut


def test_nothing_is_lost() -> None:
    text = "…'[Men's/Women's] “X-Large” (2XL), 50%-off!! ~nice~ don’t"
    assert "".join(tokenize(text)) == "".join(text.split())


def test_equal_to_spacy_where_it_is_installed() -> None:
    spacy = pytest.importorskip(
        "spacy", reason="spaCy is not installed: the oracle of the tokenizer is absent"
    )
    english = spacy.blank("en")
    for text in (
        "Women's 3-Piece Set w/ Bag (2Pcs)",
        "I'm 5ft. tall, you're 6'2\"",
        "USB-C/HDMI 4K@60Hz, 10ft",
    ):
        assert tokenize(text) == [token.text for token in english(text)]


def test_official_titles_are_cut_as_spacy_cuts_them() -> None:
    spacy = pytest.importorskip(
        "spacy", reason="spaCy is not installed: the oracle of the tokenizer is absent"
    )
    english = spacy.blank("en")
    catalogue = Catalogue.official(official_directory())
    for asin in catalogue.asins:
        title = catalogue[asin].title
        assert every_alphabetic_token(title) == tuple(
            token.text.lower() for token in english(title) if token.is_alpha
        ), asin
