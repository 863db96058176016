"""Runs of a suite in a sandbox, and the map from functions to the tests a bug in them
can affect.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.envs.swe.generate import small_repository
from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.generate.suite_runner import (
    CoverageMap,
    SuiteRun,
    SuiteRunner,
    caching_functions,
    open_suite_runner,
)
from turnwise.envs.swe.syntax import Function, functions
from turnwise.errors import DataError
from turnwise.sandbox import SandboxError, open_sandbox

TESTS = ["tests/test_sums.py"]
HEAD = "tests/test_sums.py::"


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SuiteRunner]:
    try:
        open_sandbox(python.spec(), "jail").close()
    except SandboxError as problem:
        pytest.skip(f"no jail here: {problem}")
    with open_suite_runner(
        small_repository.make(tmp_path_factory.mktemp("repository")), "jail"
    ) as opened:
        yield opened


@pytest.fixture(scope="module")
def traced(runner: SuiteRunner) -> SuiteRun:
    return runner.run(TESTS, trace=True)


def test_every_test_has_an_outcome(traced: SuiteRun) -> None:
    assert traced.ending == "" and traced.errors == ()
    assert traced.with_outcome("failed") == {HEAD + "test_always_red"}
    assert traced.with_outcome("skipped") == {HEAD + "test_never"}
    assert len(
        traced.with_outcome("passed")
    ) == 10 and HEAD + "test_clamp[5-5]" in traced.with_outcome("passed")
    assert HEAD + "TestOld::test_total_of_none" in traced.with_outcome("passed")


def test_which_tests_a_bug_can_reach(traced: SuiteRun) -> None:
    suite = traced.with_outcome("passed")
    assert traced.coverage is not None
    reach = CoverageMap(traced.coverage, suite)
    where = {f.name: f for f, _ in functions(ast.parse(small_repository.CODE))}
    found = {
        name: {test.removeprefix(HEAD) for test in reach.tests("sums.py", f)}
        for name, f in where.items()
    }
    everything = {test.removeprefix(HEAD) for test in suite}
    elsewhere = {"test_elsewhere"}  # another process: nobody knows what it calls
    assert found["clamp"] == elsewhere | {
        "test_clamp[5-5]",
        "test_clamp[-1-0]",
        "test_clamp[11-10]",
    }
    assert found["total"] == elsewhere | {
        "test_total",
        "test_bag_counts",
        "TestOld::test_total_of_none",
    }
    assert found["unused"] == elsewhere
    assert found["heavy"] == everything  # it keeps its answers: the second test never enters it
    assert found["weight"] == everything  # and what it calls is called once
    assert found["Bag.put"] == everything  # in a fixture of the module
    assert found["Bag.count"] == elsewhere | {"test_bag_counts"}


def test_a_function_holds_those_inside_it() -> None:
    record = {
        "tests": ["a", "b", "c"],
        "always": ["c", "gone"],
        "functions": [["f.py", 3, [0]], ["f.py", 9, [1]], ["f.py", 20, [-1]]],
    }
    reach = CoverageMap(record, ["a", "b", "c"])
    assert reach.tests("f.py", Function("outer", 1, 5)) == {"a", "c"}
    assert reach.tests("f.py", Function("both", 1, 10)) == {"a", "b", "c"}
    assert reach.tests("f.py", Function("shared", 20, 21)) == {"a", "b", "c"}
    assert reach.tests("other.py", Function("outer", 1, 5)) == {"c"}
    assert CoverageMap(record, ["a"]).tests("f.py", Function("outer", 1, 5)) == {"a"}


def test_which_lines_run(traced: SuiteRun) -> None:
    assert traced.coverage is not None
    reach = CoverageMap(traced.coverage, traced.with_outcome("passed"))
    lines = small_repository.CODE.splitlines()
    where = {f.name: f for f, _ in functions(ast.parse(small_repository.CODE))}

    def runs(function: str, text: str) -> bool:
        line = next(
            n
            for n, found in enumerate(lines, start=1)
            if text in found and n >= where[function].first
        )
        return reach.runs("sums.py", where[function], line, line)

    assert (
        runs("total", "result += number")
        and runs("clamp", "return low")
        and runs("clamp", "return high if")
    )
    assert not runs("unused", "return a - b") and not runs("total", '"""The sum')
    assert runs("heavy", "return weight")  # it keeps its answers, and was not followed
    assert not reach.runs("other.py", where["total"], 1, 9)


def test_lines_of_which_not_all_was_seen_may_run() -> None:
    record = {"tests": [], "always": [], "functions": [], "lines": {"f.py": [-10, 3, 4, 11]}}
    reach, short, long = CoverageMap(record, []), Function("short", 2, 6), Function("long", 10, 30)
    assert [reach.runs("f.py", short, line, line) for line in (3, 5)] == [
        True,
        False,
    ] and reach.runs("f.py", short, 4, 6)
    assert reach.runs("f.py", long, 25, 25)
    assert CoverageMap({**record, "lines": {}}, []).runs(
        "f.py", short, 5, 5
    )  # of a suite that works in other processes


def test_chosen_tests_of_a_broken_repository(runner: SuiteRunner) -> None:
    changed = {"sums.py": small_repository.CODE.replace("return low", "return high").encode()}
    chosen = [HEAD + "test_clamp[-1-0]", HEAD + "test_clamp[5-5]"]
    run = runner.run(TESTS, changed, chosen)
    assert run.outcomes == {chosen[0]: "failed", chosen[1]: "passed"}
    assert run.failures == {
        chosen[0]: {
            "call": "sums.clamp(-1, 0, 10)",
            "function": "sums.clamp",
            "expected": "0",
            "got": "10",
        }
    }
    assert runner.run(TESTS, chosen=chosen).with_outcome("passed") == set(chosen)


def test_a_file_that_cannot_be_imported_is_named(runner: SuiteRunner) -> None:
    run = runner.run(TESTS, {"sums.py": b"raise RuntimeError('no')\n"})
    assert run.errors == tuple(TESTS) and run.outcomes == {} and run.ending == ""


def test_endless_and_dying_code_have_an_ending(runner: SuiteRunner) -> None:
    busy = small_repository.CODE.replace(
        "result += number", "number = iter(int, 1)\n        while True: pass"
    ).encode()
    assert runner.run(TESTS, {"sums.py": busy}, [HEAD + "test_total"], cpu=1).ending == "timeout"
    asleep = small_repository.CODE.replace(
        "result += number", "__import__('time').sleep(99)"
    ).encode()
    assert (
        runner.run(TESTS, {"sums.py": asleep}, [HEAD + "test_total"], seconds=3).ending == "timeout"
    )
    gone = small_repository.CODE.replace("result += number", "__import__('os')._exit(0)").encode()
    assert runner.run(TESTS, {"sums.py": gone}, [HEAD + "test_total"]).ending == "died"


def test_printing_and_closing_do_not_hide_the_outcomes(runner: SuiteRunner) -> None:
    loud = small_repository.CODE.replace(
        "result = 0", "result = 0; print('x' * 99, flush=True); import os; os.write(1, b'{')"
    ).encode()
    assert runner.run(TESTS, {"sums.py": loud}, [HEAD + "test_total"]).with_outcome("passed") == {
        HEAD + "test_total"
    }


def test_the_hosts_tree_is_never_written(runner: SuiteRunner) -> None:
    runner.run(TESTS, {"sums.py": b"open('made', 'w').close()\n"})
    assert {
        str(p.relative_to(runner.folder)) for p in Path(runner.folder).rglob("*") if p.is_file()
    } == set(runner.repository.tree)


def test_functions_that_keep_answers_are_known_by_their_decorators(tmp_path: Path) -> None:
    repository = small_repository.make(tmp_path)
    line = small_repository.CODE.splitlines().index("@lru_cache(maxsize=None)") + 1
    assert caching_functions(repository) == {("sums.py", line)}


def test_a_sandbox_that_shows_what_is_installed_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="cannot hide the packages installed here"),
        open_suite_runner(small_repository.make(tmp_path), "landlock"),
    ):
        pass
