"""A verdict is never made of what the machine did, and the reference is asked once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest

from tests.envs.swe.grading.swe_cheats import BROKEN, PRISTINE, TASK
from turnwise.envs.swe.grading import Rules, Verdict, grade, grader
from turnwise.envs.swe.grading.canaries import TwinSource
from turnwise.envs.swe.grading.recorder import builtin
from turnwise.envs.swe.grading.runner import outcome_of
from turnwise.errors import ConfigError
from turnwise.sandbox import open_sandbox
from turnwise.sandbox.contract import Error, Result, Sandbox, SandboxError, Spec
from turnwise.sandbox.probe import reason

needs_jail = pytest.mark.skipif(bool(reason("jail")), reason=f"jail: {reason('jail')}")


def jailed(spec: Spec) -> Sandbox:
    return open_sandbox(spec, "jail")


class Failing:
    """A sandbox whose runs end for the machine's reasons."""

    def __init__(self, error: Error) -> None:
        self.error = error

    def __enter__(self) -> Failing:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, path: str, data: bytes) -> None:
        pass

    def run(self, command: object, timeout: float | None = None, stdin: str = "") -> Result:
        return Result("", "", None, self.error)


@pytest.mark.parametrize("error", ["timeout", "memory", "infrastructure"])
def test_a_box_that_fails_is_an_error_and_has_no_reward(error: Error) -> None:
    rules = Rules(seconds=77.0)
    opened = cast(Any, lambda spec: Failing(error))
    verdict = grade(TASK, PRISTINE, BROKEN, opened, rules)
    assert error in verdict.error and not verdict.resolved
    with pytest.raises(ConfigError, match="no reward"):
        verdict.reward()


def test_a_box_that_cannot_be_made_is_an_error() -> None:
    def refuse(spec: Spec) -> Sandbox:
        raise SandboxError("no jail here")

    assert grade(TASK, PRISTINE, BROKEN, refuse, Rules(seconds=78.0)).error == "no jail here"


@needs_jail
def test_the_time_limit_of_the_box_is_no_grade() -> None:
    assert "timeout" in grade(TASK, PRISTINE, BROKEN, jailed, Rules(seconds=0.05)).error


@needs_jail
def test_a_reference_that_does_not_pass_is_the_tasks_fault() -> None:
    verdict = grade(
        replace(TASK, id="bad", fail_to_pass=("tests/test_words.py::test_absent",)),
        PRISTINE,
        BROKEN,
        jailed,
    )
    assert (
        "task bad: the reference itself does not pass tests/test_words.py::test_absent"
        in verdict.error
    )
    moved = replace(TASK, id="moved", fail_to_pass=("tests/test_gone.py::test_x",))
    assert "which the reference does not have" in grade(moved, PRISTINE, BROKEN, jailed).error


@needs_jail
def test_memory_that_the_code_takes_is_the_codes_fault() -> None:
    source = BROKEN["tally/words.py"].replace(
        b'    return " ".join(word for word in text.split())', b"    return bytearray(10**10)"
    )
    assert source != BROKEN["tally/words.py"]
    verdict = grade(TASK, PRISTINE, {**BROKEN, "tally/words.py": source}, jailed)
    assert verdict == Verdict(False, 0.0, 1.0)


@needs_jail
def test_the_repositorys_own_conftest_is_used_and_the_agents_is_not() -> None:
    tree = dict(PRISTINE)
    tree["tests/conftest.py"] = b"import pytest\n\n\n@pytest.fixture\ndef three():\n    return 3\n"
    tree["tests/test_numbers.py"] = (
        b"from tally.words import total\n\n\ndef test_three(three):\n"
        b"    assert total([three]) == three\n"
    )
    kept = tuple(test for test in TASK.pass_to_pass if "numbers" not in test)
    task = replace(
        TASK,
        pass_to_pass=(*kept, "tests/test_numbers.py::test_three"),
        test_files=(*TASK.test_files, "tests/conftest.py"),
    )
    assert grade(task, tree, tree, jailed) == Verdict(True, 1.0, 1.0)
    agents = {
        **tree,
        "tests/conftest.py": b"raise SystemExit(0)\n",
        "tally/words.py": BROKEN["tally/words.py"],
    }
    assert grade(task, tree, agents, jailed) == Verdict(False, 0.0, 1.0)


CLOCK = {
    "clock.py": b"""import datetime
import gzip
import time


def stamp(data):
    return gzip.compress(data)


def year(form):
    return datetime.date.today().strftime(form)


def day(text):
    return str(datetime.datetime.strptime(text, "%d.%m.%Y").date())


def many(n):
    return "x" * n


def age(born, now=None):
    return (now or time.localtime().tm_year) - born
""",
    "test_clock.py": b"""import gzip
from clock import age, day, many, stamp, year


def test_stamp():
    assert gzip.decompress(stamp(b"a")) == b"a"


def test_year():
    assert year("%Y") > "2025"


def test_day():
    assert day("29.02.2024") == "2024-02-29"


def test_many():
    assert len(many(50_000)) == 50_000


def test_age():
    assert age(2000) > 20 and age(2000, 2010) == 10
""",
}


@needs_jail
def test_answers_that_depend_on_the_clock_or_are_long_are_not_compared() -> None:
    tests = tuple(f"test_clock.py::test_{name}" for name in ("age", "day", "many", "stamp", "year"))
    task = replace(
        TASK,
        id="clock",
        fail_to_pass=tests[:1],
        pass_to_pass=tests[1:],
        test_files=("test_clock.py",),
    )
    known = grader.reference_run(task, CLOCK, jailed, Rules())
    asked = {
        str(call).partition("clock.")[2] for call in known.answers.calls[: known.answers.asked]
    }
    assert asked == {"day called with (('29.02.2024',), {})", "age called with ((2000, 2010), {})"}
    assert grade(task, CLOCK, CLOCK, jailed) == Verdict(True, 1.0, 1.0)


@needs_jail
def test_the_reference_is_asked_once_for_all_tasks_with_its_tests() -> None:
    opened: list[Spec] = []

    def counted(spec: Spec) -> Sandbox:
        opened.append(spec)
        return jailed(spec)

    every = (*TASK.fail_to_pass, *TASK.pass_to_pass)
    one, two = (
        replace(
            TASK, id=str(n), fail_to_pass=every[n:][:1], pass_to_pass=(*every[:n], *every[n + 1 :])
        )
        for n in (0, 3)
    )
    rules = Rules(seconds=299.0)
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                lambda task: grader.reference_run(task, PRISTINE, counted, rules),
                (one, two, one, two),
            )
        )
    assert (
        all(known is found[0] for known in found) and len(opened) == 4
    )  # two runs of the tests, and two of the calls
    assert {place.name for place in found[0].twinnable} >= {
        "test_title_mark",
        "test_longest",
        "Numbers::test_negative",
    }


LEAKY = {
    "pot.py": b"""FILLED = []


def fill(x):
    FILLED.append(x)
    return x


def empty():
    FILLED.clear()
    return 0
""",
    "test_leaky.py": b"""import pot


def test_fill():
    assert pot.fill(3) == 3
    pot.empty()


def test_nothing_is_left():
    assert pot.FILLED == []
""",
    "test_tidy.py": b"import pot\n\n\ndef test_empty():\n    assert pot.empty() == 0\n",
}


@needs_jail
def test_a_test_whose_twin_would_trouble_others_has_none() -> None:
    tests = (
        "test_leaky.py::test_fill",
        "test_leaky.py::test_nothing_is_left",
        "test_tidy.py::test_empty",
    )
    task = replace(
        TASK,
        id="leaky",
        fail_to_pass=tests[:1],
        pass_to_pass=tests[1:],
        test_files=("test_leaky.py", "test_tidy.py"),
    )
    known = grader.reference_run(task, LEAKY, jailed, Rules())
    assert known.twinnable == (TwinSource("test_tidy.py", "test_empty"),)
    assert grade(task, LEAKY, LEAKY, jailed) == Verdict(True, 1.0, 1.0)


@needs_jail
def test_programs_that_tests_start_find_what_tests_require() -> None:
    program = b"""import subprocess
import sys


def test_other():
    subprocess.run([sys.executable, '-c', 'import pytest'], check=True)
"""
    tree = {**LEAKY, "test_program.py": program}
    tests = ("test_tidy.py::test_empty", "test_program.py::test_other")
    assert grader.passing_tests(
        tree, tests, ("test_tidy.py", "test_program.py"), ("",), (), jailed
    ) == set(tests)


@needs_jail
@pytest.mark.parametrize("slow", ["test_a", "import"])
def test_what_takes_too_long_cannot_be_asked_for(
    slow: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grader, "Rules", partial(Rules, test_seconds=1.0))
    wait = "import time\n\n{}\ndef test_a():\n    {}\n\n\ndef test_b():\n    pass\n"
    text = wait.format(
        "time.sleep(60)\n" if slow == "import" else "",
        "time.sleep(60)" if slow == "test_a" else "pass",
    )
    tests = ("test_slow.py::test_a", "test_slow.py::test_b")
    found = grader.passing_tests(
        {**LEAKY, "test_slow.py": text.encode()}, tests, ("test_slow.py",), ("",), (), jailed
    )
    assert found == (set() if slow == "import" else {tests[1]})


@needs_jail
def test_a_class_that_cannot_be_collected_ends_no_grading() -> None:
    odd = b"""import warnings

warnings.simplefilter("error")


class TestOdd:
    def __init__(self):
        pass


def test_a():
    pass
"""
    tests = ("test_odd.py::test_a", "test_tidy.py::test_empty")
    found = grader.passing_tests(
        {**LEAKY, "test_odd.py": odd}, tests, ("test_odd.py", "test_tidy.py"), ("",), (), jailed
    )
    assert found == set(tests)


def test_rewards_of_a_verdict() -> None:
    half = Verdict(False, 0.5, 0.5)
    assert half.reward() == 0.0 and half.reward("ratio") == 0.25
    assert Verdict(False, 0.5, 1.0, tampered=True).reward("ratio") == 0.0
    assert (
        Verdict(False, 1.0, 1.0).reward("ratio") == 0.0
        and Verdict(True, 1.0, 1.0).reward("ratio") == 1.0
    )
    assert Verdict(True, 1.0, 1.0).rewards == {
        "resolved": 1.0,
        "f2p_rate": 1.0,
        "p2p_rate": 1.0,
        "tampered": 0.0,
    }
    with pytest.raises(ConfigError, match="cannot grade"):
        Rules(seconds=0)


WHOLE = [("setup", "passed", False), ("call", "passed", False), ("teardown", "passed", False)]


@pytest.mark.parametrize(
    "phases, word",
    [
        (WHOLE, "passed"),
        (WHOLE[:2], "failed"),
        ([], "failed"),
        ([*WHOLE, ("teardown", "failed", False)], "failed"),
        ([*WHOLE, ("subtest", "failed", False)], "failed"),
        ([("setup", "skipped", False), WHOLE[2]], "skipped"),
        ([WHOLE[0], ("call", "skipped", True), WHOLE[2]], "xfailed"),
        ([WHOLE[0], ("call", "passed", True), WHOLE[2]], "xpassed"),
    ],
)
def test_a_test_passes_only_where_all_of_it_does(
    phases: list[tuple[str, str, bool]], word: str
) -> None:
    assert outcome_of(phases) == word


@pytest.mark.parametrize(
    "value, plain",
    [((1, "a", [b"x", {None: 1.5}]), True), (float("inf"), False), (object(), False), (True, True)],
)
def test_only_plain_arguments_are_recorded(value: object, plain: bool) -> None:
    assert builtin(value) is plain
