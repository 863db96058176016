from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.tool_math.answers import gsm8k_answer, last_boxed, solution_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{5}", "5"),
        (r"\boxed{3} wait, \boxed{5}", "5"),
        (r"\boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{x = \boxed{5}}", "5"),
        (r"\boxed {7}", "7"),
        (r"\fbox{8}", "8"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ x \right.}", r"\left\{ x \right."),
        (r"a } stray brace, \boxed{2}", "2"),
        (r"an { open one, \boxed{2}", "2"),
        (r"\\boxed{5}", "5"),
        (r"\\\boxed{5}", "5"),
        (
            r"\boxed{\begin{pmatrix} 1 \\ {2} \end{pmatrix}}",
            r"\begin{pmatrix} 1 \\ {2} \end{pmatrix}",
        ),
        (r"\boxed{3} and then \boxed{5 cut off", "3"),
        (r"\boxed{3 never closed, \boxed{5}", "5"),
        (r"\boxed{}", ""),
        (r"\boxed{5 cut off", None),
        (r"\boxed 5", None),
        ("boxed{5}", None),
        ("", None),
    ],
)
def test_the_last_balanced_box(text: str, answer: str | None) -> None:
    assert last_boxed(text) == answer


@given(st.text(alphabet="abc{}\\ 12", max_size=40), st.text(alphabet="x1+ ", max_size=20))
def test_a_box_is_found_whatever_stands_before_it(before: str, inside: str) -> None:
    # A backslash right before the box would belong to it or to a line break.
    assert last_boxed(before + f" \\boxed{{{inside}}}") == inside.strip()


def test_the_scan_is_linear() -> None:
    def seconds(count: int) -> float:
        text = "\\boxed{" * count
        start = time.process_time()
        assert last_boxed(text) is None
        return time.process_time() - start

    seconds(1000)
    # A quadratic scan would take a hundred times as long for ten times the text.
    assert seconds(100_000) < 40 * max(seconds(10_000), 1e-3)


def test_reference_solutions() -> None:
    assert solution_answer(r"Thus $\boxed 5$ is it.") == "5"
    assert solution_answer(r"Thus $\boxed{5}$, not $\boxed 6$.") == "5"
    assert solution_answer("She has 2 * 9 = 18.\n#### 18") == "18"
    assert solution_answer("nothing") is None


def test_gsm8k_ends_in_hashes() -> None:
    assert gsm8k_answer("a\n#### 1,080") == "1,080"
    assert gsm8k_answer("#### 1\nno:\n#### -2 ") == "-2"
    assert gsm8k_answer("see #### 5") is None
    assert gsm8k_answer("####") is None
