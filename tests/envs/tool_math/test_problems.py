"""Generated problems: pure functions, disjoint splits, answers confirmed by a second method."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from turnwise.envs.tool_math import Problem, generate, rational
from turnwise.envs.tool_math.generators import FAMILIES, reasoning
from turnwise.envs.tool_math.generators.family import exact, polynomial, term
from turnwise.envs.tool_math.grading import graded
from turnwise.envs.tool_math.problems import LEVELS, SPLITS, part_of, problem
from turnwise.errors import ConfigError, TaskError

ROOT = Path(__file__).resolve().parents[3]


def printed(code: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<expert>", "exec"), {"__name__": "__expert__"})
    return out.getvalue().strip()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_program_finds_the_answer_that_the_problem_was_made_with(
    family: str, level: int
) -> None:
    for index in range(4):
        made = problem(family, level, index)
        assert graded(made.answer, f"\\boxed{{{printed(made.code)}}}", algebra=False).correct, made


def test_there_are_enough_families_and_wordings() -> None:
    assert len(FAMILIES) >= 12
    assert len({family.split("/")[0] for family in FAMILIES}) >= 8
    for family in FAMILIES:
        # Numbers and names aside, a family asks in several ways.
        openings = {" ".join(problem(family, 3, index).question.split()[:2]) for index in range(30)}
        assert len(openings) >= 3, family


def test_questions_are_finished_text() -> None:
    for made in generate(27 * 5 * 2):
        assert made.question[-1] in ".?", made.question
        assert "{}" not in made.question and "  " not in made.question, made.question
        assert made.question.count("$") % 2 == made.question.count("\\$") % 2, made.question


def test_a_problem_is_a_function_of_its_arguments() -> None:
    code = "from turnwise.envs.tool_math import generate\n"
    code += "print(0, [(p.id, p.question, p.answer) for p in generate(60, seed=3)])"
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1
    assert runs.pop().strip() == f"0 {[(p.id, p.question, p.answer) for p in generate(60, seed=3)]}"
    assert generate(60, seed=3) != generate(60, seed=4)
    assert generate(20) == generate(60)[:20], "a smaller count is a prefix of a larger one"


def test_a_recorded_problem_has_not_changed() -> None:
    made = problem("number_theory/modular_power", 1, 0)
    assert problem("number_theory/modular_power", 1, 0) == made
    assert made.id == "number_theory/modular_power/1/train/0/0"
    assert made.tags == ("family=number_theory/modular_power", "level=1")
    assert printed(made.code) == made.answer


def test_splits_share_no_problem_in_any_words() -> None:
    held = {split: {made.code for made in generate(150, split, levels=(1, 2))} for split in SPLITS}
    assert all(len(codes) == 150 for codes in held.values())
    assert (
        not held["train"] & held["dev"]
        and not held["train"] & held["test"]
        and not held["dev"] & held["test"]
    )
    for split, codes in held.items():
        assert all(part_of(code) in SPLITS[split] for code in codes)


def test_levels_grow() -> None:
    for family in (
        "arithmetic/integers",
        "algebra/linear_system",
        "probability/dice",
        "everyday/shopping",
    ):
        sizes = [
            sum(len(problem(family, level, index).question) for index in range(40))
            for level in (1, 3, 5)
        ]
        assert sizes[0] < sizes[1] < sizes[2], family


def test_families_and_levels_take_turns() -> None:
    made = generate(6, families=("dates/weekday", "algebra/roots"), levels=(2,))
    assert [p.id.rsplit("/", 4)[0] for p in made] == ["dates/weekday", "algebra/roots"] * 3
    assert len({p.code for p in made}) == 6


def test_invalid_arguments_of_generate() -> None:
    with pytest.raises(ConfigError, match="did you mean 'algebra/roots'"):
        generate(1, families=("algebra/root",))
    with pytest.raises(ConfigError, match="level 6"):
        generate(1, levels=(6,))
    with pytest.raises(TaskError, match="train, dev, test"):
        generate(1, "valid")
    with pytest.raises(ConfigError, match="0 or more"):
        generate(-1)
    with pytest.raises(ConfigError, match="different problems"):
        generate(5000, "test", families=("probability/dice",), levels=(1,))
    assert generate(0) == ()


def test_exact_values_are_written_as_they_are_read() -> None:
    for value in (Fraction(3, 4), Fraction(-7, 2), Fraction(5), Fraction(0), Fraction(-12)):
        read = rational.number(exact(value))
        assert read is not None and read.value == value


def test_polynomials_are_written_as_in_books() -> None:
    assert polynomial([1, -2, 0, 1]) == "x^3 - 2x^2 + 1"
    assert polynomial([-1, 1, 0]) == "-x^2 + x"
    assert polynomial([3] + [0] * 10) == "3x^{10}"
    assert polynomial([0]) == "0"
    assert term(1, "") == " + 1" and term(0, "x") == ""


needs_gym = pytest.mark.skipif(
    importlib.util.find_spec("reasoning_gym") is None, reason="reasoning-gym is not installed"
)


@needs_gym
@pytest.mark.slow
@pytest.mark.parametrize("family", reasoning.FAMILIES)
def test_families_of_reasoning_gym_have_numbers_for_answers(family: str) -> None:
    for level in (1, 5):
        made = problem(family, level, 0)
        assert made == problem(family, level, 0)
        assert (
            made.source == "reasoning-gym"
            and made.question
            and rational.number(made.answer) is not None
        )
    train, test = (
        {made.question for made in generate(6, split, families=(family,))}
        for split in ("train", "test")
    )
    assert not train & test


@needs_gym
@pytest.mark.slow
def test_the_grader_decides_as_reasoning_gym_does() -> None:
    import reasoning_gym

    data = reasoning_gym.create_dataset("chain_sum", size=5, seed=1)
    for item in data:
        for given in (item["answer"], str(int(item["answer"]) + 1)):
            assert graded(item["answer"], f"\\boxed{{{given}}}").correct == (
                data.score_answer(given, item) == 1.0
            )


def test_without_reasoning_gym_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"turnwise\[reasoning-gym\]"):
        generate(1, families=("reasoning_gym/gcd",))
    with pytest.raises(ConfigError, match="dataset"):
        generate(1, families=("reasoning_gym/sudoku",))


def test_problems_are_records() -> None:
    assert Problem("a", "q", "1") == Problem("a", "q", "1", 0, "", "", ())
    with pytest.raises(AttributeError):
        Problem("a", "q", "1").answer = "2"  # type: ignore[misc]
