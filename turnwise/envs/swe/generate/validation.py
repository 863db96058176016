"""Validation of bugs, of which some make a task.

Some tests have to fail, most to pass, all to be collected, and a second run has to agree.
"""

from __future__ import annotations

import configparser
import contextlib
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from turnwise.envs.swe.generate.journal import Journal
from turnwise.envs.swe.generate.mutations import Edit, rebuild, record
from turnwise.envs.swe.generate.suite_runner import CoverageMap, SuiteRunner
from turnwise.envs.swe.syntax import statement
from turnwise.envs.swe.tasks.repository import suite_files
from turnwise.envs.swe.tasks.task import Mutation, Tree, digest
from turnwise.errors import DataError

MAX_FAILING_SHARE = 0.5
"""Share of the suite that may fail."""
UNKNOWN_CAUSE = "it may need packages that the sandbox does not have"
REASONS = ("valid", "survived", "broad", "collection", "timeout", "died", "flaky", "overlap")
"""Results of a validation; `valid` makes a task."""


@dataclass(frozen=True, slots=True)
class Bug:
    """Edits applied together: a single one, or several in related functions."""

    parts: tuple[tuple[str, Edit], ...]
    """Pairs (path, edit), sorted by path and position."""

    @property
    def operator(self) -> str:
        """The operator's name, or `combined`."""
        return self.parts[0][1].operator if len(self.parts) == 1 else "combined"

    def mutations(self, tree: Mapping[str, bytes]) -> tuple[Mutation, ...]:
        """Return the edits as a task stores them."""
        return tuple(record(path, tree[path], edit) for path, edit in self.parts)

    def changed(self, tree: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return the changed files. Raises `DataError` if the edits overlap."""
        mutations = self.mutations(tree)
        return {
            path: rebuild(tree[path], [m for m in mutations if m.path == path])
            for path in {m.path for m in mutations}
        }


@dataclass(frozen=True, slots=True)
class BugResult:
    """Result of validating a bug."""

    reason: str
    """One of `REASONS`."""
    fails: tuple[str, ...] = ()
    """Tests that fail because of it, sorted."""
    failures: tuple[Mapping[str, Any], ...] = field(default=())
    seconds: float = 0.0
    cpu: float = 0.0
    """Processor seconds of the complete runs."""


@dataclass(frozen=True, slots=True)
class SuiteBaseline:
    """The suite's behaviour without bugs."""

    suite: tuple[str, ...]
    """Tests that passed twice and in the grader's sandbox, sorted."""
    files: tuple[str, ...]
    """Test files that can be collected."""
    reach: CoverageMap
    seconds: float
    cpu: float
    unstable: int
    """Number of tests left out: their outcome differed between runs, or they did not pass."""
    lost: int = 0
    """Number of test files that could not be imported."""
    missing: str = ""
    """A sentence about packages the tests lack, or ""."""


class BugValidator:
    """Runs the tests a bug can affect and decides whether it makes a task.

    Args:
        runner: runs tests of the repository.
        journal: stores results, and answers from earlier runs.
        whole_suite: run every test for every bug, not only those it can affect.
    """

    def __init__(self, runner: SuiteRunner, journal: Journal, whole_suite: bool = False) -> None:
        self.runner, self.journal, self.whole_suite = runner, journal, whole_suite
        self.tree = runner.repository.tree
        self.baseline = self._baseline()

    def _baseline(self) -> SuiteBaseline:
        known = self.journal.get("baseline")
        if known is None:
            known = self._observe_twice()
            self.journal.put("baseline", known)
        suite = tuple(known["suite"])
        reach = CoverageMap(known["coverage"], suite)
        seen = known["seconds"], known["cpu"], known["unstable"]
        absent = known.get("lost", 0), known.get("missing", "")
        return SuiteBaseline(suite, tuple(known["files"]), reach, *seen, *absent)

    def _observe_twice(self) -> dict[str, Any]:
        name = self.runner.repository.name
        first = self.runner.run(
            suite_files(self.runner.repository.test_files),
            marks=selected_marks(self.tree),
            trace=True,
        )
        if first.ending:
            raise DataError(
                f"the tests of {name} did not finish ({first.ending}): it cannot be made into tasks"
            )
        files = [
            path
            for path in suite_files(self.runner.repository.test_files)
            if path not in first.errors
        ]
        # The second run skips tests that fail or are too slow.
        passed = first.with_outcome("passed")
        second = self.runner.run(files, chosen=passed)
        suite = sorted(self.runner.graded(passed & second.with_outcome("passed")))
        if second.ending or not suite:
            raise DataError(
                f"no test of {name} passes here ({len(first.errors)} files could not be imported, "
                f"{len(first.outcomes)} tests were run): {_missing(first.missing) or UNKNOWN_CAUSE}"
            )
        unstable = len(first.outcomes.keys() | second.outcomes.keys()) - len(suite)
        coverage, times = first.coverage, {"seconds": second.seconds, "cpu": second.cpu}
        imports = {"lost": len(first.errors), "missing": _missing(first.missing)}
        return {
            "suite": suite,
            "files": files,
            "coverage": coverage,
            "unstable": unstable,
            **times,
            **imports,
        }

    def reached(self, bug: Bug) -> frozenset[str]:
        """Return the tests that have to run to validate a bug."""
        if self.whole_suite:
            return frozenset(self.baseline.suite)
        return frozenset().union(
            *(self.baseline.reach.tests(path, edit.function) for path, edit in bug.parts)
        )

    def detectable(self, bug: Bug) -> bool:
        """Return whether some test runs the function and the statement of each of its edits."""
        reach = self.baseline.reach
        ran = (
            reach.runs(path, edit.function, *statement(self.tree[path], edit.start))
            for path, edit in bug.parts
        )
        return bool(self.reached(bug)) and all(ran)

    def validate(self, bug: Bug) -> BugResult:
        """Validate a bug, or return the result stored in the journal."""
        key = digest(repr((bug.mutations(self.tree), self.whole_suite)).encode())
        known = self.journal.get(key)
        if known is None:
            result = self._validate(bug)
            known = {
                "reason": result.reason,
                "fails": result.fails,
                "evidence": result.failures,
                "times": [result.seconds, result.cpu],
            }
            self.journal.put(key, known)
        return BugResult(
            known["reason"], tuple(known["fails"]), tuple(known["evidence"]), *known["times"]
        )

    def _validate(self, bug: Bug) -> BugResult:
        tests = self.reached(bug)
        if not tests:
            return BugResult("survived")
        try:
            changed = bug.changed(self.tree)
        except DataError:
            return BugResult("overlap")
        files = sorted({test.partition("::")[0] for test in tests})
        limit = 5.0 + 4.0 * self.baseline.cpu
        spent, cpu, seen = 0.0, 0.0, []
        for _ in range(2):
            run = self.runner.run(
                files, changed, tests, seconds=60.0 + 20.0 * self.baseline.seconds, cpu=limit
            )
            spent, cpu = spent + run.seconds, cpu + run.cpu
            if run.ending:
                return BugResult(
                    "timeout" if run.ending == "timeout" else "died", seconds=spent, cpu=cpu
                )
            if run.errors:
                return BugResult("collection", seconds=spent, cpu=cpu)
            fails = tuple(sorted(tests - run.with_outcome("passed")))
            if not fails or len(fails) > MAX_FAILING_SHARE * len(self.baseline.suite):
                return BugResult("broad" if fails else "survived", fails, seconds=spent, cpu=cpu)
            seen.append(fails)
        if seen[0] != seen[1]:
            return BugResult("flaky", seconds=spent, cpu=cpu)
        reports = tuple(run.failures[test] for test in seen[0] if test in run.failures)
        return BugResult("valid", seen[0], reports, spent, cpu)


def _missing(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    return (
        f"its tests lack {', '.join(names[:6])}: name with --requires the packages that bring them"
    )


SECTIONS = (
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)


def selected_marks(tree: Tree) -> str:
    """Return the `-m` expression of the repository's pytest settings, such as `not slow`, or "".

    Settings are otherwise ignored, since an agent could write them. But tests that a project leaves
    out by default take hours, need a network or are flaky, so they are left out here too.
    """
    words = next(_options(tree), [])
    found = ""
    for number, word in enumerate(words):
        if word == "-m" and number + 1 < len(words):
            found = words[number + 1]
        elif word.startswith("-m") and word != "-m":
            found = word[2:].removeprefix("=")
    return found


def _options(tree: Tree) -> Iterator[list[str]]:
    """Yield the `addopts` of each file that has them, in pytest's order.

    Unreadable files are skipped.
    """
    broken = (ValueError, TypeError, AttributeError, configparser.Error)
    for path, section in (SECTIONS[0], SECTIONS[1], ("pyproject.toml", ""), *SECTIONS[2:]):
        text = tree.get(path, b"").decode("utf8", "replace")
        with contextlib.suppress(*broken):
            given = _pyproject(text) if not section else _section(text, section)
            if given is not None:
                yield given if isinstance(given, list) else shlex.split(given)


def _pyproject(text: str) -> str | list[str] | None:
    table: dict[str, Any] = tomllib.loads(text).get("tool", {}).get("pytest", {})
    for settings in (table, table.get("ini_options", {})):
        if isinstance(settings.get("addopts"), (str, list)):
            return settings["addopts"]
    return None


def _section(text: str, section: str) -> str | None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser.get(section, "addopts", fallback=None)
