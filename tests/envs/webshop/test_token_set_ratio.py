"""`token_set_ratio` equals thefuzz's, by hand and against rapidfuzz if installed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.webshop.reward import indel_distance, processed, token_set_ratio


@pytest.mark.parametrize(
    ("a", "b", "ratio"),
    [
        ("essential oil", "essential oils", 96),
        ("cool powder snow", "powder snow", 100),
        ("x-large", "large", 100),
        ("black", "white", 0),
        ("", "black", 0),
        ("!!", "!!", 0),
        ("Red  Shoe!", "shoe red", 100),
        ("fuzzy was a bear but not a dog", "fuzzy was a bear but not a cat", 92),
        (("color", "navy"), "navy", 100),
        ("caf\u00e9", "caf", 100),
    ],
)
def test_known_values(a: object, b: object, ratio: int) -> None:
    assert token_set_ratio(a, b) == token_set_ratio(b, a) == ratio


def test_processing() -> None:
    assert processed("  Rock & Roll_2 ('é') ") == "rock   roll 2"


def lcs_by_table(a: str, b: str) -> int:
    row = [0] * (len(b) + 1)
    for x in a:
        last = 0
        for j, y in enumerate(b):
            last, row[j + 1] = row[j + 1], last + 1 if x == y else max(row[j], row[j + 1])
    return row[-1]


@given(st.text(alphabet="abc ", max_size=40), st.text(alphabet="abc ", max_size=40))
def test_indel_distance_by_the_table(a: str, b: str) -> None:
    assert indel_distance(a, b) == len(a) + len(b) - 2 * lcs_by_table(a, b)


LETTERS = "abcdeé xyz-|/0129\xa0ßÄ‘’，›_%\"'"


@given(st.text(alphabet=LETTERS, max_size=30), st.text(alphabet=LETTERS, max_size=30))
def test_equal_to_rapidfuzz(a: str, b: str) -> None:
    fuzz = pytest.importorskip(
        "rapidfuzz.fuzz",
        reason="rapidfuzz is not installed: the oracle of token_set_ratio is absent",
    )
    utils = pytest.importorskip("rapidfuzz.utils")
    strip = dict.fromkeys(range(128, 256))
    wanted = fuzz.token_set_ratio(
        utils.default_process(a.translate(strip)), utils.default_process(b.translate(strip))
    )
    assert token_set_ratio(a, b) == round(wanted)


def test_equal_to_rapidfuzz_on_phrases() -> None:
    fuzz = pytest.importorskip(
        "rapidfuzz.fuzz",
        reason="rapidfuzz is not installed: the oracle of token_set_ratio is absent",
    )
    utils = pytest.importorskip("rapidfuzz.utils")
    rng = random.Random(0)
    words = [
        "red",
        "x-large",
        "xx-large",
        "large",
        "pack",
        "of",
        "12",
        "24",
        "wash",
        "washable",
        "easy",
        "clean",
        "oil",
        "oils",
        "(tea)",
    ]
    for _ in range(3000):
        a, b = (" ".join(rng.choices(words, k=rng.randint(1, 6))) for _ in range(2))
        wanted = fuzz.token_set_ratio(utils.default_process(a), utils.default_process(b))
        assert token_set_ratio(a, b) == round(wanted), (a, b)


def test_processing_equals_rapidfuzz_on_every_common_character() -> None:
    utils = pytest.importorskip(
        "rapidfuzz.utils",
        reason="rapidfuzz is not installed: the oracle of token_set_ratio is absent",
    )
    codes = (
        [code for code in range(0x800) if not 128 <= code < 256]
        + list(range(0x1E00, 0x2C00))
        + list(range(0x3000, 0x9F00))
    )
    different = [
        f"U+{code:04X}"
        for code in codes
        if processed(f"a{chr(code)}b") != utils.default_process(f"a{chr(code)}b")
    ]
    assert not different
