from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.tool_math.rational import number, same


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18),
        ("-7", -7),
        ("−7", -7),
        ("+3", 3),
        ("1,080", 1080),
        ("1{,}080", 1080),
        (r"109,\!200,\!000", 109_200_000),
        (r"10\,000", 10_000),
        ("1,080.50", Fraction(2161, 2)),
        ("5.", 5),
        (".25", Fraction(1, 4)),
        ("1e3", 1000),
        ("2.5E-1", Fraction(1, 4)),
        ("$12$", 12),
        (r"\$12", 12),
        (r"-\$3", -3),
        ("3/4", Fraction(3, 4)),
        (r"\frac{3}{4}", Fraction(3, 4)),
        (r"-\dfrac{3}{4}", Fraction(-3, 4)),
        (r"\frac{-3}{4}", Fraction(-3, 4)),
        (r"\frac34", Fraction(3, 4)),
        (r"\tfrac12", Fraction(1, 2)),
        ("Fraction(5, 3)", Fraction(5, 3)),
        ("Rational(5,1)", 5),
        ("Integer(4)", 4),
    ],
)
def test_spellings_of_numbers(text: str, value: Fraction | int) -> None:
    found = number(text)
    assert found is not None and found.value == value


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "5,5", "10,80", "1,0800", "8 1 9", "1/0", r"\frac{1}{0}", "1e9999", "1" * 500,
        "2^3", "5%", "4_5", "1.2.3", "--5",
    ],
)  # fmt: skip
def test_texts_that_are_no_numbers(text: str) -> None:
    assert number(text) is None


@given(st.integers())
def test_every_integer_is_read(value: int) -> None:
    found, grouped = number(str(value)), number(f"{value:,}")
    assert found is not None and grouped is not None
    assert found.value == grouped.value == value


@given(st.fractions())
def test_every_fraction_is_read(value: Fraction) -> None:
    found = number(f"\\frac{{{value.numerator}}}{{{value.denominator}}}")
    assert found is not None and found.value == value


@pytest.mark.parametrize(
    ("gold", "given_text", "equal"),
    [
        ("16", "16.0000000000001", True),
        ("204", "204.00000000000003", True),
        ("16", "15.9999999999", True),
        ("16", "16.0", True),
        ("16", "16.00001", False),
        ("16", "16.001", False),
        ("1/3", "0.333333", True),
        ("1/3", "0.3333333333333333", True),
        ("1/3", "0.333", False),
        ("2/3", "0.666667", True),
        ("0", "1e-12", True),
        ("0.0000004", "0.0000001", False),
        ("3.14", "3.14159265", False),
        ("100000000000000000001", "1e20", False),
        ("7", "8", False),
    ],
)
def test_floats_stand_for_what_they_round(gold: str, given_text: str, equal: bool) -> None:
    wanted, found = number(gold), number(given_text)
    assert wanted is not None and found is not None
    assert same(wanted, found) is equal


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_integers_are_the_same_exactly_when_equal(a: int, b: int) -> None:
    one, other = number(str(a)), number(f"{b}.000000")
    assert one is not None and other is not None
    assert same(one, other) is (a == b)
