"""Issues describe failures as a user would, and never name a test."""

from __future__ import annotations

import random
from typing import Any

import pytest

from turnwise.envs.swe.generate.issue_text import MAX_BEHAVIOURS, leaks, write_issue

HIDDEN = ("tests/test_numbers.py::TestRoman::test_from_roman[IV-4]",)
WRONG = {"call": "numbers.from_roman('IV')", "expected": "4", "got": "6"}
ERROR = {"call": "numbers.plain(1)", "error": ["TypeError", "bad operand"]}
MISSING = {"call": "numbers.check(-1)", "missing": "ValueError"}


def issue(*failures: dict[str, Any], seed: int = 0) -> str:
    return write_issue(
        failures, HIDDEN, "pocketkit", "1.0", ["pocketkit.numbers"], random.Random(seed)
    )


def test_a_wrong_value_is_reported_with_call_result_and_expectation() -> None:
    text = issue(WRONG)
    assert text.startswith("`numbers.from_roman('IV')` gives a wrong result\n")
    assert (
        ">>> numbers.from_roman('IV')\n6\n```" in text
        and "I expected `4`." in text
        and "pocketkit 1.0" in text
    )


def test_an_error_and_an_error_that_did_not_come() -> None:
    assert "TypeError: bad operand" in issue(ERROR) and "There should be no error here." in issue(
        ERROR
    )
    assert "should raise `ValueError`" in issue(MISSING) and "does not raise ValueError" in issue(
        MISSING
    )
    other = issue({**MISSING, "error": ["TypeError", "x"]})
    assert (
        "raises TypeError" in other
        and "should raise `ValueError`" in other
        and "no error" not in other
    )


def test_an_error_where_a_value_was_expected_names_the_value() -> None:
    text = issue({**ERROR, "expected": "3"})
    assert "TypeError: bad operand" in text and "I expected `3`." in text


def test_the_object_of_a_call_is_explained() -> None:
    text = issue(
        {"call": "cache.keys()", "on": ["cache", "RecentCache"], "expected": "[]", "got": "[1]"}
    )
    assert "Here `cache` is of type `RecentCache`." in text
    assert "Here" not in issue({"call": "cache.keys()", "on": ["cache", "module"]})


def test_the_most_telling_comes_first_and_each_function_once() -> None:
    text = issue(
        ERROR,
        {**WRONG, "call": "numbers.from_roman('MMMCMXCIX')"},
        WRONG,
        MISSING,
        {"call": "a.b()"},
        {"call": "c.d()"},
    )
    assert text.startswith("`numbers.from_roman('IV')`")
    assert text.count(">>>") == MAX_BEHAVIOURS and text.count("from_roman(") == 2
    twice = issue(
        *({"call": f"'{n}' + numbers.suffix({n})", "function": "numbers.suffix"} for n in range(5))
    )
    assert twice.count(">>>") == 1


@pytest.mark.parametrize(
    "failures",
    [
        {},
        {"error": ["ValueError", "x"]},
        {"call": "self.parse(1)", "on": ["self", "TestRoman"], "expected": "1", "got": "2"},
        {"call": "test_from_roman('x')", "expected": "1", "got": "2"},
        {"call": "f('x')", "error": ["ValueError", "in tests/test_numbers.py"]},
        {"call": "f('test_numbers')", "expected": "1", "got": "2"},
        {"call": "f(tmp_path)", "expected": "1", "got": "2"},
        {"call": "f('`')", "expected": "1", "got": "2"},
    ],
)
def test_what_tells_too_little_or_too_much_becomes_a_vague_report(failures: dict[str, Any]) -> None:
    text = issue(failures)
    assert text.startswith("`pocketkit.numbers` does not behave as documented\n") and not leaks(
        text, HIDDEN
    )
    assert "several" not in text


def test_a_vague_report_names_every_module() -> None:
    text = write_issue([], HIDDEN, "p", "1", ["p.a", "p.b"], random.Random(0))
    assert text.startswith("`p.a` and `p.b` do not behave as documented")


def test_the_words_depend_on_the_seed_alone() -> None:
    assert issue(WRONG, seed=3) == issue(WRONG, seed=3)
    assert len({issue(WRONG, seed=seed) for seed in range(30)}) > 4


@pytest.mark.parametrize(
    "text",
    [
        "see test_from_roman",
        "class TestRoman fails",
        "in test_numbers.py",
        "tests/x",
        "run pytest",
        "test_other",
    ],
)
def test_names_of_tests_are_leaks(text: str) -> None:
    assert leaks(text, HIDDEN)


@pytest.mark.parametrize(
    "text",
    [
        "the latest roman",
        "numbers.from_roman('IV')",
        "contest_name",
        "attests to it",
        "a test of time",
    ],
)
def test_ordinary_words_are_not(text: str) -> None:
    assert not leaks(text, HIDDEN)
