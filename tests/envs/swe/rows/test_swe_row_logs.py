"""Logs as test programs print them, and the statuses parsed from them."""

from __future__ import annotations

import pytest

from turnwise.envs.swe.rows.logs import parse
from turnwise.errors import ConfigError

PYTEST_LOG = """============ test session starts ============
tests/test_a.py::test_verbose PASSED                       [ 10%]
tests/test_a.py::test_par[a b] FAILED                      [ 20%]
=========== short test summary info ===========
\x1b[32mPASSED\x1b[0m tests/test_a.py::test_one
PASSED tests/test_a.py::test_two[x - y]
FAILED tests/test_a.py::test_three - AssertionError: assert 1 == 2
ERROR tests/test_b.py - ImportError: no
SKIPPED [1] tests/test_a.py:7: later
XFAIL tests/test_a.py::test_four - reason
"""
DJANGO_LOG = """test_one (auth.tests.FormTests) ... ok
test_two (auth.tests.FormTests)
Words about the second. ... ok
test_three (auth.tests.FormTests) ... FAIL
test_four (auth.tests.FormTests) ... skipped 'no database'
test_five (auth.tests.FormTests) ... printed by the test
ok
test_six (auth.tests.FormTests) ... expected failure
======================================================================
ERROR: test_seven (auth.tests.FormTests)
"""
SYMPY_LOG = """sympy/core/tests/test_basic.py[3]
test_structure ok
test_equality F
test_old f                                                             [FAIL]
________________ sympy/core/tests/test_basic.py:test_late ________________
"""
R2E_LOG = """PASSED tests/x.py::above
=== short test summary info ===
PASSED r2e_tests/test_1.py::TestX::test_y
PASSED r2e_tests/test_1.py::test_z[a]
FAILED r2e_tests/test_1.py::test_w - assert 0
ERROR r2e_tests/test_2.py
"""


def test_pytest_logs() -> None:
    log = parse("pytest", PYTEST_LOG)
    assert (
        log["tests/test_a.py::test_one"] == "PASSED"
        and log["tests/test_a.py::test_verbose"] == "PASSED"
    )
    assert (
        log["tests/test_a.py::test_par[a b]"] == "FAILED"
        and log["tests/test_a.py::test_three"] == "FAILED"
    )
    assert log["tests/test_b.py"] == "ERROR" and log["tests/test_a.py::test_four"] == "XFAIL"
    assert (
        log["tests/test_a.py::test_two[x - y]"] == "PASSED"
        and log["tests/test_a.py::test_two[x"] == "PASSED"
        and len(log) == 9
    )


def test_of_two_statuses_the_worse_one_counts() -> None:
    log = parse("pytest", "PASSED t.py::x\nFAILED t.py::x - no\nPASSED t.py::x\n")
    assert log == {"t.py::x": "FAILED"}


def test_parameters_that_are_paths_lose_their_folders() -> None:
    assert parse("pytest_options", "PASSED t.py::x[/tmp/a/b.txt]\nPASSED t.py::y[//host/a]\n") == {
        "t.py::x[/b.txt]": "PASSED",
        "t.py::y[//host/a]": "PASSED",
    }


def test_django_logs() -> None:
    log = parse("django", DJANGO_LOG)
    place = "(auth.tests.FormTests)"
    wanted = {
        "one": "PASSED",
        "three": "FAILED",
        "four": "SKIPPED",
        "five": "PASSED",
        "six": "XFAIL",
        "seven": "ERROR",
    }
    assert {name: log[f"test_{name} {place}"] for name in wanted} == wanted
    assert log["Words about the second."] == "PASSED"


def test_sympy_logs() -> None:
    log = parse("sympy", SYMPY_LOG)
    assert log == {
        "test_structure": "PASSED",
        "test_equality": "FAILED",
        "test_old": "XFAIL",
        "test_late": "FAILED",
    }


def test_r2e_logs() -> None:
    assert parse("r2e", R2E_LOG) == {
        "TestX.test_y": "PASSED",
        "test_z[a]": "PASSED",
        "test_w": "FAILED",
        "r2e_tests/test_2.py": "ERROR",
    }


def test_a_parser_that_is_not_here_says_so() -> None:
    with pytest.raises(ConfigError, match="unknown log parser 'maven'"):
        parse("maven", "")
