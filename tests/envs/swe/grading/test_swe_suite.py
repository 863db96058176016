"""The request to the grader's sandbox, and the reading of its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from turnwise.envs.swe.grading import Rules, suite
from turnwise.sandbox.contract import Result, SandboxError

TREE = {
    "tally/__init__.py": b"", "tally/words.py": b"", "src/extra/deep/mod.py": b"",
    "src/single.py": b"", "tests/test_a.py": b"x", "conftest.py": b"", "bad-name/x.py": b"",
    "README.md": b"",
}  # fmt: skip
REPORT = {
    "outcomes": {"a": "passed", "b": "failed"}, "twice": [], "errors": [], "malformed": 0,
    "exit": 1, "stopped": "", "test": "", "tail": "", "calls": [], "events": [], "changed": [],
    "missing": 0,
}  # fmt: skip


class Box:
    """Answers with a report under the seal it was given, or with what it is told to."""

    def __init__(self, report: dict[str, Any] | None = None, result: Result | None = None) -> None:
        self.report, self.result, self.files = report, result, {}  # type: ignore[var-annotated]

    def write(self, path: str, data: bytes) -> None:
        self.files[path] = data

    def run(self, command: list[str], timeout: float | None = None, stdin: str = "") -> Result:
        self.request = json.loads(stdin)
        return self.result or Result(
            "noise" + self.request["seal"] + json.dumps({**REPORT, **(self.report or {})}), "", 0
        )


def ran(
    report: dict[str, Any] | None = None, result: Result | None = None, **words: Any
) -> tuple[suite.SuiteResult, Box]:
    sandbox = Box(report, result)
    return suite.run(
        sandbox, TREE, ["tests/test_a.py"], ["", "src"], ["conftest.py"], Rules(), **words
    ), sandbox  # type: ignore[arg-type]


def test_a_box_is_filled_and_told_what_is_whose() -> None:
    found, sandbox = ran()
    assert found.outcomes == REPORT["outcomes"] and found.suspicious == () and sandbox.files == TREE
    request = sandbox.request
    assert (
        request["tests"] == ["tests/test_a.py"]
        and request["roots"] == ["/work", "/work/src"]
        and request["conftest"]
    )
    assert (
        request["test_folders"] == ["/work/tests"]
        and list(request["pristine"]) == ["conftest.py"]
        and request["record"] is None
    )
    theirs, ours = request["files"]
    assert (
        sorted(ours) == ["/work/conftest.py", "/work/tests/test_a.py"]
        and "/work/tally/words.py" in theirs
    )
    assert (
        len(request["key"]) == 64 and ran()[1].request["key"] != request["key"] != request["seal"]
    )


def test_only_modules_that_the_reference_has_go_first() -> None:
    _, sandbox = ran(known={"tally/words.py": b""})
    assert sandbox.request["tops"] == ["tally"]


@pytest.mark.parametrize(
    "report, word",
    [
        ({"malformed": 2}, "2 lines of the results were not the runner's"),
        ({"missing": 1}, "1 lines of the results were left out"),
        (
            {"changed": ["tests/test_a.py"]},
            "1 files of the tests were changed during the run, tests/test_a.py",
        ),
        ({"twice": ["b"]}, "1 tests were reported more than once, b among them"),
    ],
)
def test_what_no_honest_run_does_is_a_sentence(report: dict[str, Any], word: str) -> None:
    found, _ = ran(report)
    assert len(found.suspicious) == 1 and word in found.suspicious[0]
    assert ("b" in found.outcomes) is ("twice" not in report)


@pytest.mark.parametrize("error", ["timeout", "memory", "output", "infrastructure"])
def test_what_the_machine_did_is_no_outcome(error: Any) -> None:
    with pytest.raises(SandboxError, match=error):
        ran(result=Result("", "", None, error))


def test_a_box_without_a_report_has_passed_nothing() -> None:
    for result in (
        Result("no seal", "said", 137),
        Result("", "", 0),
        Result('{"outcomes": {"a": "passed"}}', "", 0),
    ):
        found, _ = ran(result=result)
        assert (
            found.outcomes == {}
            and found.stopped == "killed"
            and "without a report" in found.suspicious[0]
        )
    with pytest.raises(SandboxError, match="no python3"):
        ran(result=Result("", "not found", 127))


def test_modules_are_named_by_the_longest_root() -> None:
    assert suite.modules(TREE, ["", "src"], ["tests/test_a.py"]) == {
        "/work/tally/__init__.py": "tally",
        "/work/tally/words.py": "tally.words",
        "/work/src/extra/deep/mod.py": "extra.deep.mod",
        "/work/src/single.py": "single",
        "/work/conftest.py": "conftest",
    }
    assert (
        suite.top_level_modules(TREE, ["src"]) == ["extra", "single"]
        and suite.modules(TREE, ["elsewhere"], []) == {}
    )
