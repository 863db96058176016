"""Output of commands as agents see it."""

from __future__ import annotations

import pytest

from turnwise.envs.swe.tools import clip, describe_result, normalise
from turnwise.sandbox.contract import Result


def test_exit_code_and_output() -> None:
    seen = describe_result(Result("out\n", "", 3), 100, 5)
    assert (seen.text, seen.output, seen.exit_code, seen.clipped) == (
        "exit code 3\nout",
        "out",
        3,
        False,
    )
    assert describe_result(Result("", "", 0), 100, 5).text == "exit code 0"


def test_what_was_written_meanwhile_comes_first() -> None:
    assert describe_result(Result("now\n", "", 0, late="before\n"), 100, 5).output == "before\nnow"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("timeout", "stopped after 5 s"),
        ("memory", "memory"),
        ("output", "wrote more"),
        ("died", "shell ended"),
    ],
)
def test_other_endings_are_said(error: str, words: str) -> None:
    seen = describe_result(Result("so far\n", "", None, error), 100, 5)  # type: ignore[arg-type]
    assert words in seen.text and seen.text.endswith("\nso far") and seen.exit_code is None


def test_the_middle_is_left_out() -> None:
    text, clipped = clip("a" * 60 + "b" * 60, 20)
    assert clipped and text == "a" * 10 + "\n[100 characters left out]\n" + "b" * 10
    assert clip("abc", 3) == ("abc", False)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2 failed, 3 passed in 0.12s", "2 failed, 3 passed in 0.00s"),
        ("1 passed in 75.31s (0:01:15)", "1 passed in 0.00s"),
        ("Ran 3 tests in 0.004s", "Ran 3 tests in 0.00s"),
        ("<Table object at 0x7f03ac5512d0>", "<Table object at 0x0>"),
        ("mask = 0xdeadbeef", "mask = 0xdeadbeef"),
        ("it is in 5 places", "it is in 5 places"),
    ],
)
def test_what_differs_from_run_to_run_is_written_in_one_way(text: str, same: str) -> None:
    assert normalise(text) == same
