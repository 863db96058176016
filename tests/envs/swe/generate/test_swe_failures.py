"""Failure reports: what a failed line evaluated, expected and got."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from turnwise.envs.swe.generate.failures import failure_report

PACKAGE = """
class Bag:
    def __init__(self, items): self.items = items
    def first(self): return self.items[0]

def double(x): return x * 3
def broken(x): raise KeyError(x)
def strange(x): return object()
def endless(x):
    import time
    if x.append(1) or len(x) > 1:
        time.sleep(60)
    return 1
"""


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the lines of a test over a package `parcel`, and answers with the evidence of its
    failure.
    """
    (tmp_path / "parcel.py").write_text(PACKAGE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "parcel", raising=False)

    def run(lines: str) -> dict[str, Any]:
        return {name: value for name, value in whole(lines).items() if name != "function"}

    def whole(lines: str) -> dict[str, Any]:
        path = tmp_path / "test_parcel.py"
        head = (
            "import unittest\nimport pytest\nimport parcel\n"
            "LIMITS = [1, 2]\n"
            "case = unittest.TestCase()\n\n"
            "def test_it(number=4):\n"
        )
        path.write_text(head + textwrap.indent(textwrap.dedent(lines), "    "))
        spec = importlib.util.spec_from_file_location("test_parcel", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        try:
            module.test_it()
        except BaseException as problem:
            return failure_report(problem, {str(path)})
        raise AssertionError("the lines should fail")

    yield run
    sys.modules.pop("parcel", None)


WRONG = {"expected": "8", "got": "12"}


@pytest.mark.parametrize(
    "lines",
    [
        "assert parcel.double(4) == 8",
        "assert 8 == parcel.double(4)",
        "assert parcel.double(number) == number * 2",
        "expected = 8\nassert expected == parcel.double(4), 'said'",
        "result = parcel.double(number)\nassert result == 8",
        "result = parcel.double(number)\nassert 8 == result",
        "case.assertEqual(parcel.double(4), 8)",
        "case.assertEqual(8, parcel.double(4))",
        "from parcel import double as parcel_double\nfor n in [4]:\n"
        "    assert parcel.double(n) == 8",
    ],
)
def test_both_sides_of_a_comparison(report: Any, lines: str) -> None:
    assert report(lines) == {"call": "parcel.double(4)", **WRONG}


def test_a_call_inside_an_expression_is_reported_with_it(report: Any) -> None:
    assert report("assert str(parcel.double(4)).strip() == '8'") == {
        "call": "str(parcel.double(4)).strip()",
        "expected": "'8'",
        "got": "'12'",
    }


def test_values_stand_in_place_of_names(report: Any) -> None:
    assert report("assert parcel.double(LIMITS) == [1, 2, 1, 2]")["call"] == "parcel.double([1, 2])"
    assert report("bag = object()\nparcel.broken(bag)")["call"] == "parcel.broken(bag)"


def test_methods_tell_the_type_of_their_object(report: Any) -> None:
    found = report("bag = parcel.Bag([number])\nassert bag.first() == 5")
    assert found == {"call": "bag.first()", "on": ["bag", "Bag"], "expected": "5", "got": "4"}


def test_errors(report: Any) -> None:
    assert report("assert parcel.broken(3) == 8") == {
        "call": "parcel.broken(3)",
        "expected": "8",
        "error": ["KeyError", "3"],
    }
    assert report("parcel.broken(3)") == {"call": "parcel.broken(3)", "error": ["KeyError", "3"]}
    assert report("bag = parcel.broken(3)") == {
        "call": "parcel.broken(3)",
        "error": ["KeyError", "3"],
    }


def test_exceptions_that_should_have_come(report: Any) -> None:
    quiet = "with pytest.raises(ValueError):\n    parcel.double(number)"
    assert report(quiet) == {"missing": "ValueError", "call": "parcel.double(4)"}
    other = "with pytest.raises(ValueError):\n    parcel.broken(number)"
    assert report(other) == {
        "missing": "ValueError",
        "error": ["KeyError", "4"],
        "call": "parcel.broken(4)",
    }


def test_truth(report: Any) -> None:
    assert report("assert not parcel.double(4)") == {"call": "parcel.double(4)", "got": "12"}
    assert report("assert parcel.double(4) < 3") == {"call": "parcel.double(4)"}
    assert report("case.assertTrue(parcel.double(4) == 8)")["call"] == "parcel.double(4) == 8"


@pytest.mark.parametrize(
    "lines",
    [
        "assert 1 == 2",
        "assert str(1) == '2'",
        "assert number.bit_length() == 0",
        "raise ValueError('x' * 500)",
    ],
)
def test_what_calls_nothing_of_the_package_tells_no_call(report: Any, lines: str) -> None:
    assert "call" not in report(lines)


def test_values_with_addresses_and_long_ones_are_not_reported(report: Any) -> None:
    assert report("assert parcel.strange(1) == 2") == {"call": "parcel.strange(1)"}
    assert report("assert parcel.double('ab' * 50) == 2") == {"call": "parcel.double('ab' * 50)"}


def test_what_does_not_end_a_second_time_is_given_up(
    report: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("turnwise.envs.swe.generate.failures.EVALUATION_S", 0.2)
    found = report("seen = []\nassert parcel.endless(seen) == 2")
    assert "got" not in found and found["call"].startswith("parcel.endless(")


def test_a_failure_outside_of_the_tests_tells_nothing() -> None:
    try:
        raise ValueError("elsewhere")
    except ValueError as problem:
        assert failure_report(problem, {"/nowhere/test_x.py"}) == {}
