r"""Answers against references. Each trap of math-verify that is avoided is a test (`TRAPS`)."""

from __future__ import annotations

import importlib.util
import threading

import pytest

from tests.envs.tool_math import math_files
from turnwise.envs.tool_math import grade, grading_pool
from turnwise.envs.tool_math.answers import latex
from turnwise.envs.tool_math.grading import (
    MAX_ANSWER_CHARS,
    Grade,
    _decide,
    graded,
    reference_answer,
)
from turnwise.envs.tool_math.grading_pool import GraderError, shared_pool

needs_math = pytest.mark.skipif(
    importlib.util.find_spec("math_verify") is None, reason="math-verify is not installed: [math]"
)

TRAPS = [
    # A gold that is not wrapped is read in part.
    (r"\left(3,\frac{\pi}{2}\right)", "3", False),
    (r"\left(3,\frac{\pi}{2}\right)", r"(3, \pi/2)", True),
    # Floats of tools.
    (r"\sqrt{2}", "1.4142135623730951", True),
    (r"\sqrt{2}", "1.41", False),
    # Bases.
    ("4210_5", "4210", False),
    ("277_8", "277", False),
    ("277_8", "191", False),
    ("277", "277_8", False),
    ("1323_{4}", "1323_4", True),
    ("24_{10}", "24", True),
    ("24", "24_{10}", True),
    (r"\text{A5}_{11}", "A5_{11}", True),
    # Percent, units, currency.
    (r"10\%", "10", True),
    (r"10\%", "0.1", True),
    (r"7\text{ hours}.", "7", True),
    (r"1599 \text{ dollars}", r"\$1599", True),
    (r"90^\circ", "90", True),
    # Lists and sets: repeated and extra entries.
    ("5", "5,5", False),
    ("5", "5, 6", False),
    ("5", r"5 \text{ or } 7", False),
    ("5", r"5 \text{ and } 5", False),
    ("5", r"\{5,6\}", False),
    ("5", r"5 \pm 2", False),
    ("5,7", "7,5", True),
    ("5,7", "5,7,7", False),
    (r"2+\sqrt{6}, 2-\sqrt{6}", r"2 \pm \sqrt{6}", True),
    (r"\{1,2,3\}", "1,2,3", True),
    ("17,44", "1744", False),
    # Tuples and intervals, gold first.
    ("(1,2)", "(2,1)", False),
    ("1<x<2", "(1,2)", True),
    ("(1,2)", "1<x<2", False),
    ("[1,2]", "(1,2)", False),
    (r"x \in [1,2]", "[1,2]", True),
    ("(5,12)", "5,12", True),
    # Spellings of Python.
    ("1000", "1e3", True),
    ("5", "Fraction(5,1)", True),
    (r"\frac{5}{3}", "Rational(5, 3)", True),
    (r"\text{true}", "True", True),
    ("true", "True", True),
    ("5", "5.", True),
    ("x^2+1", "x**2+1", True),
    ("x^{10}+1", "x**10 + 1", True),
    (r"2\pi", "2*pi", True),
    (r"\frac{3\sqrt{3}}{2}", "3*sqrt(3)/2", True),
    (r"(-\infty,1]", "(-oo, 1]", True),
    ("3+4i", "3 + 4*I", True),
    (r"-\frac34i", "-0.75i", True),
    # Equations.
    ("5", "x=5", True),
    ("x=5", "5", True),
    ("5", "7=5", False),
    ("5", "5=7", False),
    ("y=2x+1", "2x+1", True),
    # Words.
    (r"\text{(C)}", "C", True),
    ("C", r"\textbf{(C)}", True),
    (r"\text{odd}", "ddo", False),
    (r"\text{MAKE}", "KEMA", False),
    (r"\text{May}", "may", True),
    (r"\text{Yes}", "No", False),
    # Numbers that are written apart, with separators, as times.
    ("819", "8 1 9", False),
    (r"10000\pi", r"10,000\pi", True),
    (r"10,000\pi", r"10000\pi", True),
    (r"1,\!080", "1,080", True),
    ("10:30", "10:31", False),
    (r"1\frac12", "3/2", True),
    (r"2^{10}", "1024", True),
    # Matrices, whose line breaks are no spacing.
    (r"\begin{pmatrix} -5 \\ 2 \end{pmatrix}", r"\begin{pmatrix} -5\\2\end{pmatrix}", True),
    (r"\begin{pmatrix} -5 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 2\\-5\end{pmatrix}", False),
    # Prose in a box is not searched.
    ("5", "garbage 5", False),
]


@needs_math
@pytest.mark.parametrize(("gold", "answer", "right"), TRAPS)
def test_traps(gold: str, answer: str, right: bool) -> None:
    assert grade(gold, f"so \\boxed{{{answer}}}") is right
    assert grade(f"\\boxed{{{gold}}}", f"\\boxed{{{answer}}}") is right, (
        "a gold may come in its box"
    )


def test_the_last_box_counts_and_boxes_do_not_merge() -> None:
    assert grade("5", r"\boxed{3} wait, \boxed{5}")
    assert not grade("3", r"\boxed{3} wait, \boxed{5}")
    assert not grade("5", r"\boxed{5} no, \boxed{3}")


def test_finding_the_answer_in_a_text() -> None:
    assert graded("5", r"\boxed{5 cut off") == Grade(False, None, "no_answer", "no_answer")
    assert graded("5", r"\boxed{}").status == "no_answer"
    assert graded("5", "").status == "no_answer"
    assert graded("5", "first\nsecond 5").status == "no_answer"
    assert graded("5", " 5 ") == Grade(True, "5", "graded", "text")
    assert graded("1080", "long\n#### 1,080") == Grade(True, "1,080", "graded", "text")
    assert grade(
        r"\begin{pmatrix} 1 \\" + "\n" + r"2 \end{pmatrix}",
        r"\begin{pmatrix} 1 \\" + "\n" + r"2 \end{pmatrix}",
    )


def test_long_and_deep_answers_are_wrong_without_parsing() -> None:
    assert graded("5", "\\boxed{" + "1+" * MAX_ANSWER_CHARS + "1}").status == "too_long"
    assert graded("5", "\\boxed{" + "(" * 60 + "5" + ")" * 60 + "}").status == "too_long"
    gold = "+".join(["x"] * MAX_ANSWER_CHARS)
    assert graded(gold, f"\\boxed{{{gold}}}").correct, (
        "a gold that is long may be answered at length"
    )


@pytest.mark.parametrize("gold", ["", "  ", r"\boxed{}", "$$"])
def test_an_empty_gold_is_an_error(gold: str) -> None:
    with pytest.raises(GraderError, match="empty"):
        grade(gold, r"\boxed{}")


def test_golds_are_unwrapped() -> None:
    assert reference_answer(r"$\frac12$") == r"\frac12"
    assert reference_answer(r"So $\boxed{7}$") == "7"


def test_without_algebra_other_spellings_are_wrong_and_no_worker_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise AssertionError("a pool was asked for")

    monkeypatch.setattr("turnwise.envs.tool_math.grading.shared_pool", refuse)
    assert graded(r"\sqrt{12}", r"\boxed{2\sqrt{3}}", algebra=False) == Grade(
        False, r"2\sqrt{3}", "graded", "spelling"
    )
    assert graded(r"\frac{1}{2}", r"\boxed{0.5}", algebra=False).correct
    assert graded(r"\text{Sunday}", r"\boxed{Sunday}", algebra=False).correct
    # Numbers, words and equal text need no algebra in the first place.
    assert (
        grade("1080", r"\boxed{1,080.0}")
        and grade(r"\pi", r"\boxed{\pi}")
        and not grade("7", r"\boxed{8}")
    )


def test_without_the_extra_algebra_is_an_error_and_not_a_wrong_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = grading_pool.GradingPool(size=1)
    monkeypatch.setattr("turnwise.envs.tool_math.grading.shared_pool", lambda: pool)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert grade("7", r"\boxed{7.0}")
    with pytest.raises(GraderError, match=r"turnwise\[math\]"):
        grade(r"\sqrt{12}", r"\boxed{4\sqrt{3} - 2\sqrt{3}}")


@needs_math
def test_grading_works_in_threads() -> None:
    found: list[bool] = []

    def work(k: int) -> None:
        found.append(grade(f"\\sqrt{{{k * k * 3}}}", f"\\boxed{{{k}\\sqrt{{3}}}}"))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 6


# Official golds
# --------------


def test_gsm8k_golds_against_themselves_and_their_solutions() -> None:
    rows = math_files.rows("gsm8k_test.jsonl")
    assert len(rows) == 1319
    assert all(grade(row["answer"], f"The answer is \\boxed{{{row['answer']}}}.") for row in rows)
    assert all(grade(row["answer"], row["answer"]) for row in rows)
    assert all(grade(row["answer"], row["solution"]) for row in rows)


def test_shifted_gsm8k_golds_are_wrong_unless_equal() -> None:
    golds = [row["answer"] for row in math_files.rows("gsm8k_test.jsonl")]
    accepted = [
        (a, b)
        for a, b in zip(golds, golds[1:] + golds[:1], strict=True)
        if grade(a, f"\\boxed{{{b}}}")
    ]
    assert [
        pair for pair in accepted if int(pair[0].replace(",", "")) != int(pair[1].replace(",", ""))
    ] == []


def test_math_golds_against_themselves() -> None:
    golds = [row["answer"] for row in math_files.rows("math_train_sample.jsonl")]
    assert all(grade(gold, f"so \\boxed{{{gold}}}") and grade(gold, gold) for gold in golds)


@needs_math
@pytest.mark.slow
def test_math_golds_against_themselves_by_algebra_alone() -> None:
    golds = dict.fromkeys(row["answer"] for row in math_files.rows("math_train_sample.jsonl"))
    pool = shared_pool()
    assert [gold for gold in golds if pool.compare(latex(gold), latex(gold)) != "equal"] == []


@needs_math
@pytest.mark.slow
def test_shifted_math_golds_are_wrong() -> None:
    golds = [row["answer"] for row in math_files.rows("math_train_sample.jsonl")]
    pairs = [
        (a, b)
        for a, b in zip(golds, golds[1:] + golds[:1], strict=True)
        if _decide(a, b) != (True, "text")
    ]
    assert [pair for pair in pairs if grade(pair[0], f"\\boxed{{{pair[1]}}}")] == []
