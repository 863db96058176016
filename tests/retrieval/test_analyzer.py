"""Examples from UAX #29 and Lucene's tokenizer tests, and the agreement of both word finders."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.retrieval.analyzer import MAX_WORD_UNITS, analyze, term, tokens
from turnwise.retrieval.wordbreak import OTHER, RANGES, Classes

WORDS = {
    "blue kettle, 1.7l (steel)": ["blue", "kettle", "1.7l", "steel"],
    "size:large b:c 1:2 o.k. 3,5;6 a,b a.1": ["size:large", "b:c", "1", "2", "o.k", "3,5;6", "a",
        "b", "a", "1"],
    "men's 'quoted' rock'n'roll 5'6": ["men's", "quoted", "rock'n'roll", "5'6"],
    "xnj_tshirt _a_ __ 2_000": ["xnj_tshirt", "_a_", "2_000"],
    "half-zip | a/b #4 50% $3.00": ["half", "zip", "a", "b", "4", "50", "3.00"],
    "don\u2019t caf\u00e9 nai\u0308ve 5\u215b x\u00b2": ["don\u2019t", "caf\u00e9", "nai\u0308ve",
        "5", "x"],
    "soft\u00adhyphen zero\u200dwidth zero\u200bspace": ["soft\u00adhyphen", "zero\u200dwidth",
        "zero", "space"],
    "acme\u00ae tea\u2122 \u00a92020": ["acme", "\u00ae", "tea", "\u2122", "\u00a9", "2020"],
    "\u7d05\u8336 \u3072\u3089 \u30ab\u30bf\u30ab\u30ca\u30fc \uff76\uff9e": [
        "\u7d05", "\u8336", "\u3072", "\u3089", "\u30ab\u30bf\u30ab\u30ca\u30fc", "\uff76\uff9e",
    ],
    "\ud55c\uad6d\uc5b4 \u0e0a\u0e32\u0e40\u0e02\u0e35\u0e22\u0e27": [
        "\ud55c\uad6d\uc5b4", "\u0e0a\u0e32\u0e40\u0e02\u0e35\u0e22\u0e27",
    ],
    "\u05e6\u05d4\"\u05dc \u05d2' x\"y": ["\u05e6\u05d4\"\u05dc", "\u05d2'", "x", "y"],
    "\U0001f469\u200d\U0001f680\U0001f44d\U0001f3fd\u2764\ufe0f": [
        "\U0001f469\u200d\U0001f680", "\U0001f44d\U0001f3fd", "\u2764\ufe0f",
    ],
    "1\ufe0f\u20e3 #\u20e3 \U0001f1ef\U0001f1f5\U0001f1eb": ["1\ufe0f\u20e3", "#\u20e3",
        "\U0001f1ef\U0001f1f5"],
    "\uff11\uff12\uff0e\uff15 \uff21\uff22 \u2167\u2013\u2168": ["\uff11\uff12\uff0e\uff15",
        "\uff21\uff22", "\u2167", "\u2168"],
    "a\u202fb a\u00a0b": ["a\u202fb", "a", "b"],
    "\U00020000\U0001d400\U0001d401": ["\U00020000", "\U0001d400\U0001d401"],
}  # fmt: skip


@pytest.mark.parametrize("text", WORDS, ids=ascii)
def test_words(text: str) -> None:
    assert tokens(text) == WORDS[text]


@given(st.text(alphabet=st.sampled_from("abZ09_ :.,;'\"-#*/\n\t"), max_size=40))
def test_the_fast_path_is_the_grammar(text: str) -> None:
    """A euro sign separates words and is not ASCII, so its neighbours are read by the grammar."""
    joined = text.replace(" ", "-")
    assert tokens(joined + "\u20ac") == tokens(joined)


@given(
    st.lists(
        st.text(alphabet="ab1'.:_\u00e9\u0301\u30ab\u4e00\u200d\U0001f600\u05d0\"", max_size=6),
        max_size=6,
    )
)
def test_blanks_separate(parts: list[str]) -> None:
    assert tokens(" ".join(parts)) == [token for part in parts for token in tokens(part)]


@given(st.text(max_size=60))
def test_words_stand_in_the_text_in_order(text: str) -> None:
    at = 0
    for token in tokens(text):
        at = text.index(token, at) + len(token)


def test_long_words_are_cut_in_utf16_units() -> None:
    assert [len(token) for token in tokens("x" * 600)] == [MAX_WORD_UNITS, MAX_WORD_UNITS, 90]
    assert [len(token) for token in tokens("\u00e9" * 300)] == [MAX_WORD_UNITS, 45]
    assert [len(token) for token in tokens("\U0001d400" * 200)] == [127, 73]
    assert [len(token) for token in tokens("1." * 200)] == [255, 143]


@pytest.mark.parametrize(
    "text",
    ["\U0001f469\u200d" * 400, "_" * 4000 + "\u20ac", "\u05d0'" * 2000, "z\u200d\u200d" * 2000],
)
def test_hostile_text_ends(text: str) -> None:
    found = tokens(text)
    assert sum(map(len, found)) <= len(text)
    assert all(token in text for token in found)


@pytest.mark.parametrize(
    ("token", "indexed"),
    [("The", None), ("womens", "women"), ("WOMEN'S", "women"), ("men\u2019s", "men"),
     ("dogs'", "dogs'"), ("it's", None),
     ("\u0130zmir", "izmir"), ("\u039f\u0394\u039f\u03a3", "\u03bf\u03b4\u03bf\u03c3"),
     ("Running", "run")],
)  # fmt: skip
def test_terms(token: str, indexed: str | None) -> None:
    assert term(token) == indexed


def test_analysis_keeps_repeats_and_order() -> None:
    assert analyze("The red, RED kettles of a man's kitchen") == [
        "red",
        "red",
        "kettl",
        "man",
        "kitchen",
    ]


def test_classes_are_disjoint_and_ranges_in_order() -> None:
    spans = []
    for text in RANGES.values():
        ends = [[int(end, 16) for end in span.split("-")] for span in text.split()]
        assert ends == sorted(ends)
        spans += [(end[0], end[-1]) for end in ends]
    spans.sort()
    assert all(first <= last for first, last in spans)
    assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_classes_of_code_points() -> None:
    classes = Classes()
    assert (
        "a1_ :\u0301\u4e00\u0e01\U0001f600\U0010ffff\x00".translate(classes)
        == f"A9E{OTHER}MxJSp{OTHER}{OTHER}"
    )
