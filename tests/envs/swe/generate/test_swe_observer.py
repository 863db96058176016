"""The observer records outcomes, the functions each test runs, and shared work."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from turnwise.envs.swe.generate.observer import FunctionTracer, OutcomePlugin, load_source
from turnwise.envs.swe.grading.runner import outcome_of

LIB = """\
def one():
    return two()


def two():
    return 2


def remembered():
    return three()


def three():
    return 3
"""


@pytest.fixture
def lib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (tmp_path / "lib.py").write_text(LIB)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(LIB, str(tmp_path / "lib.py"), "exec"), names)
    return names


@pytest.fixture
def tracer(lib: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> FunctionTracer:
    monkeypatch.setattr(sys, "addaudithook", lambda hook: None)  # it could never be taken out again
    return FunctionTracer({("lib.py", 9)})


def traced(tracer: FunctionTracer, test: str, *calls: Any) -> None:
    kept = sys.gettrace()
    tracer.begin(test)
    tracer.start()
    try:
        for call in calls:
            call()
    finally:
        tracer.end()
        sys.settrace(kept)


def users(tracer: FunctionTracer) -> dict[int, list[str]]:
    """First line of a function -> the tests that run it; `shared` for work of nobody's."""
    record = tracer.record()
    return {
        line: ["shared" if number < 0 else record["tests"][number] for number in tests]
        for _, line, tests in record["functions"]
    }


def test_each_test_has_the_functions_it_runs(tracer: FunctionTracer, lib: dict[str, Any]) -> None:
    traced(tracer, "a", lib["one"])
    traced(tracer, "b", lib["two"])
    assert users(tracer) == {1: ["a"], 5: ["a", "b"]} and tracer.record()["always"] == []


def test_what_remembers_its_answers_is_shared_with_all_it_calls(
    tracer: FunctionTracer, lib: dict[str, Any]
) -> None:
    traced(tracer, "a", lib["remembered"], lib["two"])
    assert users(tracer) == {9: ["shared"], 13: ["shared", "a"], 5: ["a"]} or set(
        users(tracer)[13]
    ) >= {"shared"}


def test_fixtures_of_several_tests_are_shared(tracer: FunctionTracer, lib: dict[str, Any]) -> None:
    def fixture() -> None:
        with tracer.outside():
            lib["two"]()

    traced(tracer, "a", fixture)
    assert users(tracer)[5] == ["shared"]


def test_a_test_that_starts_a_process_is_always_run(tracer: FunctionTracer) -> None:
    tracer.begin("a")
    tracer.audit("subprocess.Popen", ())
    tracer.audit("open", ())
    assert tracer.record()["always"] == ["a"]


def test_a_test_that_traces_on_its_own_account_is_always_run(
    tracer: FunctionTracer, lib: dict[str, Any]
) -> None:
    traced(tracer, "a", lambda: sys.settrace(None))
    assert tracer.record()["always"] == ["a"]


def observer(**request: Any) -> OutcomePlugin:
    known = {
        "runner": {"outcome_of": outcome_of},
        "failures": {"failure_report": lambda error, files: str(error)},
    }
    return OutcomePlugin(
        {**known, "tests": ["t.py"], "chosen": None, "caching": [], "trace": False, **request}
    )


def ran(seen: OutcomePlugin, name: str, *outcomes: str) -> None:
    seen.pytest_runtest_logstart(name)
    for when, outcome in zip(("setup", "call", "teardown"), outcomes, strict=False):
        seen.pytest_runtest_logreport(SimpleNamespace(when=when, outcome=outcome))
    seen.pytest_runtest_logfinish(name)


def test_outcomes_are_the_graders_words() -> None:
    seen = observer()
    ran(seen, "a", "passed", "passed", "passed")
    ran(seen, "b", "passed", "failed", "passed")
    ran(seen, "c", "skipped", "passed")
    ran(seen, "b", "passed", "passed", "passed")
    seen.pytest_collectreport(
        SimpleNamespace(failed=True, nodeid="bad.py", longrepr="No module named 'absent'")
    )
    assert seen.outcomes == {"a": "passed", "b": "twice", "c": "skipped"} and seen.errors == [
        "bad.py"
    ]


def test_only_the_chosen_are_run() -> None:
    items = [SimpleNamespace(nodeid=name) for name in "abc"]
    observer(chosen=["b", "z"]).pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == ["b"]
    observer().pytest_collection_modifyitems(items)
    assert len(items) == 1


def test_a_report_is_of_the_call_and_its_failure_ends_nothing() -> None:
    seen = observer()
    call = SimpleNamespace(excinfo=SimpleNamespace(value=ValueError("no")))
    seen.pytest_exception_interact(SimpleNamespace(nodeid="a"), call, SimpleNamespace(when="call"))
    seen.pytest_exception_interact(SimpleNamespace(nodeid="b"), call, SimpleNamespace(when="setup"))
    seen.failure_report = lambda error, files: 1 / 0
    seen.pytest_exception_interact(SimpleNamespace(nodeid="c"), call, SimpleNamespace(when="call"))
    assert seen.failures == {"a": "no"}


def test_a_source_is_taken_with_its_names() -> None:
    assert load_source("x = __name__\n", "given")["x"] == "given"
