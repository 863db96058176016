"""Plain data keeps its exact type on the way, and equal means what `==` means between built-in
values.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.swe.grading.oracle import (
    Raised,
    RecordedCall,
    ReferenceAnswers,
    decoded,
    disagreements,
    equal,
    nearby_arguments,
    still_valid,
)
from turnwise.envs.swe.grading.replay import answer, encoded

ATOMS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
)
HASHABLE = st.recursive(
    ATOMS,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.frozensets(inner, max_size=3),
    max_leaves=5,
)
PLAIN = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(HASHABLE, inner, max_size=3)
        | st.sets(HASHABLE, max_size=3)
    ),
    max_leaves=8,
)


@given(PLAIN)
def test_plain_data_comes_back_as_it_was(value: Any) -> None:
    back = decoded(json.loads(json.dumps(encoded(value))))
    assert back == value and type(back) is type(value) and equal(back, value)


class Sly(str):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


@pytest.mark.parametrize("value", [Sly("x"), [Sly("x")], {"a": Sly("x")}, object(), type, len])
def test_what_is_not_exactly_built_in_equals_nothing(value: Any) -> None:
    known = ReferenceAnswers((RecordedCall("m", "f", "((), {})"),), (["answer", encoded("x")],))
    assert len(disagreements(known, [["answer", json.loads(json.dumps(encoded(value)))]])) == 1


@pytest.mark.parametrize(
    "answered",
    [
        None,
        ["answer", ["int", 3]],
        ["answer", ["list", 5]],
        ["answer", ["list"]],
        ["answer", {}],
        ["answer", "x"],
    ],
)
def test_answers_out_of_form_equal_nothing(answered: Any) -> None:
    known = ReferenceAnswers((RecordedCall("m", "f", "((), {})"),), (["answer", ["int", "0x3"]],))
    assert disagreements(known, [answered]) == [
        f"{known.calls[0]} answers otherwise than the reference"
    ]


@pytest.mark.parametrize(
    "one, two, same",
    [
        (1, 1.0, True),
        (1, True, True),
        (0.1 + 0.2, 0.3, True),
        (1.0, 1.1, False),
        (float("nan"), float("nan"), True),
        ([1, 2], (1, 2), False),
        ([1.0], [1], True),
        ({1: [0.3]}, {1: [0.1 + 0.2]}, True),
        ({1}, {1: 1}, False),
        (decoded(encoded(iter([1, 2]))), [1, 2], True),
        (decoded(encoded(iter([1]))), {1}, False),
        ("1", 1, False),
        (Raised("ValueError"), Raised("ValueError"), True),
        (Raised("ValueError"), Raised("KeyError"), False),
        (None, 0, False),
    ],
)
def test_equal_is_what_a_test_would_accept(one: Any, two: Any, same: bool) -> None:
    assert equal(one, two) is same and equal(two, one) is same


def test_calls_are_made_by_name_and_told_with_what_they_raise() -> None:
    assert answer("math", "gcd", "((12, 18), {})") == ["int", "0x6"]
    assert answer("json", "loads", "(('{',), {})") == ["raised", "ValueError"]
    assert answer("math", "absent", "((), {})") == ["raised", "AttributeError"]
    assert answer("builtins", "zip", "(([1, 2], 'ab'), {})") == [
        "iterator",
        [encoded((1, "a")), encoded((2, "b"))],
    ]


def test_neighbours_are_of_the_same_shape() -> None:
    assert list(
        nearby_arguments(
            "(('Two words, 2024-02-29', 7, -1, True), {'mark': '!', 'more': [1.5, 0]})"
        )
    ) == [
        "(('Uxp xpset, 2024-02-29', 8, -1, True), {'mark': '!', 'more': [2.5, 0]})",
        "(('Wzr zrugv, 2024-02-29', 10, -1, True), {'mark': '!', 'more': [4.5, 0]})",
    ]
    assert (
        list(nearby_arguments("((None, 1, '!'), {})")) == []
        and list(nearby_arguments("(open('x'),)")) == []
    )


def test_a_table_of_what_the_tests_ask_is_no_answer() -> None:
    calls = tuple(RecordedCall("m", "f", f"(({number},), {{}})") for number in range(6))
    known = ReferenceAnswers(
        calls, tuple(["answer", encoded(number)] for number in range(6)), asked=2
    )

    def answered(*values: int) -> list[Any]:
        return [["answer", encoded(value)] for value in values]

    assert (
        disagreements(known, answered(0, 1, 2, 3, 4, 5)) == []
        and disagreements(known, answered(0, 1, 2, 3, 0, 0)) == []
    )
    assert disagreements(known, answered(0, 1, 0, 0, 0, 5)) == [
        "m.f answers as the reference only what the tests ask (3 of 4 others)"
    ]
    assert disagreements(known, answered(7, 1, 2, 3, 4, 5)) == [
        "m.f called with ((0,), {}) answers otherwise than the reference"
    ]


def test_what_the_reference_answers_otherwise_by_now_is_held_against_nobody() -> None:
    calls = tuple(RecordedCall("m", "f", f"(({number},), {{}})") for number in range(4))
    then, now, given = (
        tuple(["answer", encoded(value)] for value in values)
        for values in ((0, 1, 2, 3), (0, 9, 2, 9), (5, 9, 2, 9))
    )
    known, answers = still_valid(ReferenceAnswers(calls, then, asked=3), given, now)
    assert known == ReferenceAnswers((calls[0], calls[2]), (then[0], then[2]), 2) and answers == [
        given[0],
        given[2],
    ]
    assert disagreements(known, answers) == [
        "m.f called with ((0,), {}) answers otherwise than the reference"
    ]
