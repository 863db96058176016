"""Normalisation, exact match and F1 against values computed by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.search.env import SearchAction, parse
from turnwise.envs.search.grading import exact_match, f1, normalise


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Beatles!", "beatles"), ("an apple, a day", "apple day"), ("U.S.A.", "usa"),
        ("theory", "theory"), ("A", ""),
        ("state-of-the-art", "stateoftheart"), ("Zürich\n", "zürich"), ("«Faust»", "«faust»"),
        ("the the", ""),
    ],
)  # fmt: skip
def test_what_is_compared(text: str, normal: str) -> None:
    assert normalise(text) == normal


@pytest.mark.parametrize(
    ("given_", "answers", "em", "score"),
    [
        ("the Eiffel Tower", ("Eiffel tower.",), 1.0, 1.0),
        ("Eiffel", ("Eiffel Tower",), 0.0, 2 / 3),
        ("tower tower", ("Eiffel Tower",), 0.0, 0.5),
        ("Paris", ("London", "paris, France"), 0.0, 2 / 3),
        ("Paris", ("London", "Paris"), 1.0, 1.0),
        ("Berlin", ("London",), 0.0, 0.0),
        ("yes it is", ("yes",), 0.0, 0.0),
        ("Yes", ("yes",), 1.0, 1.0),
        ("1851", ("1852",), 0.0, 0.0),
        ("x", (), 0.0, 0.0),
        ("the", ("London",), 0.0, 0.0),
    ],
)
def test_scores(given_: str, answers: tuple[str, ...], em: float, score: float) -> None:
    assert exact_match(given_, answers) == em and f1(given_, answers) == pytest.approx(score)


@given(st.text(max_size=30), st.text(max_size=30))
def test_f1_is_symmetric_bounded_and_one_for_an_exact_match(one: str, other: str) -> None:
    assert f1(one, [other]) == f1(other, [one]) and 0.0 <= f1(one, [other]) <= 1.0
    assert exact_match(one, [one]) == f1(one, [one, other]) == 1.0
    assert exact_match(one, [other]) <= f1(one, [other])


@given(st.text(min_size=1, max_size=30).filter(str.strip))
def test_any_text_can_stand_between_the_brackets(text: str) -> None:
    assert parse(f"search[{text}]") == SearchAction("search", " ".join(text.split()))


def test_what_is_no_action() -> None:
    assert (
        parse("answer[a][b]") == SearchAction("answer", "a][b")
        and parse("finish[x]") is None
        and parse("search[x] now") is None
    )
