"""Output as the model sees it: clipped in the middle, and one line of an error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.tool_math.turns import call_output, clip
from turnwise.sandbox.contract import Result

TRACEBACK = (
    'Traceback (most recent call last):\n  File "<cell>", line 1, in <module>\n'
    "ZeroDivisionError: division by zero\n"
)


@given(st.text(max_size=80), st.integers(2, 60))
def test_head_and_tail_are_kept(text: str, limit: int) -> None:
    seen = clip(text, limit)
    assert seen.clipped == (len(text) > limit)
    if not seen.clipped:
        assert seen.text == text
        return
    head, tail = limit - limit // 2, limit // 2
    assert (
        seen.text
        == f"{text[:head]}\n[{len(text) - limit} characters left out]\n{text[len(text) - tail :]}"
    )


def test_output_and_the_last_line_of_a_traceback() -> None:
    assert call_output(Result("7\n", "", None), 512, 5, True).text == "7"
    seen = call_output(Result("7\n", TRACEBACK, None, "exception"), 512, 5, True)
    assert seen.text == "7\nZeroDivisionError: division by zero" and not seen.clipped
    assert (
        call_output(Result("", "E: " + "x" * 900, None, "exception"), 512, 5, True).text
        == "E: " + "x" * 197
    )
    assert call_output(Result("", "", None, "exception"), 512, 5, True).text == "Exception"


def test_a_warning_does_not_hide_the_result() -> None:
    assert call_output(Result("7\n", "RuntimeWarning: overflow\n", None), 512, 5, True).text == "7"


def test_output_dropped_by_the_sandbox_counts_as_clipped() -> None:
    assert call_output(Result("7\n", "", None, truncated=True), 512, 5, True).clipped


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("timeout", "longer than 2.5 s"),
        ("memory", "more memory"),
        ("output", "more output"),
        ("died", "ended"),
    ],
)
def test_the_output_explains_how_an_interpreter_was_lost(error: str, said: str) -> None:
    stopped = Result("so far", "", None, error)  # type: ignore[arg-type]
    kept = call_output(stopped, 512, 2.5, True).text
    assert kept.startswith("so far\n") and said in kept and kept.endswith("variables are lost")
    silent = Result("", "", None, error)  # type: ignore[arg-type]
    assert not call_output(silent, 512, 2.5, False).text.endswith("lost")
