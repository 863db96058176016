"""Runs of a repository's test suite in sandboxes, and which tests a bug can affect.

A bug inside a function affects only tests that enter the function, so only those need to run. This
is exact as long as no test relies on work done during another one. Work known to be shared
(imports, fixtures of wider scope, functions that cache results, and everything these call) makes a
bug affect every test; a test that starts processes or traces itself is affected by every bug.
"""

from __future__ import annotations

import ast
import json
import os
import secrets
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.grading.grader import passing_tests
from turnwise.envs.swe.syntax import Function, functions, parse
from turnwise.envs.swe.tasks.repository import Repository
from turnwise.errors import DataError
from turnwise.sandbox import open_sandbox
from turnwise.sandbox.contract import Sandbox, SandboxError

OBSERVER = Path(__file__).with_name("observer.py")
FAILURES = Path(__file__).with_name("failures.py")
RUNNER = Path(__file__).parents[1] / "grading" / "runner.py"
PRELOADED = (
    "pytest", "_pytest.python", "_pytest.unittest", "_pytest.terminal", "doctest", "unittest.mock",
)  # fmt: skip
"""Imported once for all sandboxes; otherwise every run starts with a third of a second
of imports.
"""
MAX_ANSWER_BYTES = 200_000_000
CACHING_WORDS = ("cache", "memo", "lru", "once", "singleton")
"""A decorator whose name contains one of these is taken to cache results."""


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """Result of running tests."""

    outcomes: Mapping[str, str]
    errors: tuple[str, ...] = ()
    """Files that could not be collected."""
    missing: tuple[str, ...] = ()
    """Modules that test files could not import, and fixtures that tests did not find."""
    failures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Reports of failed tests (`turnwise.envs.swe.generate.failures.failure_report`)."""
    coverage: Mapping[str, Any] | None = None
    ending: str = ""
    """Reason for missing outcomes: `timeout`, `memory`, `died`; empty after a complete run."""
    seconds: float = 0.0
    cpu: float = 0.0
    """Processor seconds of the run, which do not depend on the load of the machine."""

    def with_outcome(self, outcome: str) -> frozenset[str]:
        """Return the tests with an outcome, such as `passed`."""
        return frozenset(test for test, one in self.outcomes.items() if one == outcome)


class SuiteRunner:
    """Runs tests of a repository in sandboxes over a single host directory with its tree."""

    def __init__(self, repository: Repository, folder: str, backend: str) -> None:
        self.repository, self.folder, self.backend = repository, folder, backend
        self.parts = {"runner": RUNNER.read_text("utf8"), "failures": FAILURES.read_text("utf8")}
        self.program = OBSERVER.read_text("utf8")
        self._open: set[Sandbox] = set()

    def run(
        self,
        tests: Sequence[str],
        changed: Mapping[str, bytes] | None = None,
        chosen: Collection[str] | None = None,
        marks: str = "",
        trace: bool = False,
        longest: float = 45.0,
        seconds: float = 600.0,
        cpu: float = 600.0,
    ) -> SuiteRun:
        """Run test files.

        Args:
            tests: paths of test files.
            changed: repository files with other content than the original.
            chosen: ids of the tests to run; None for all tests of the files.
            marks: expression of pytest's `-m`; tests it does not select are skipped.
            trace: record what each test executes.
            longest: processor seconds of one test under tracing (four times as many of wall clock);
                a longer one fails.
            seconds: wall-clock limit of the run.
            cpu: limit of its processor seconds; exceeding it is a timeout too.

        Raises:
            SandboxError: if the sandbox itself failed.
        """
        answer = f".observed-{secrets.token_hex(8)}"
        test_folders = sorted({os.path.dirname(path) for path in tests} - {""})
        picked = sorted(chosen) if chosen is not None else None
        request = {
            "tests": list(tests),
            "chosen": picked,
            "marks": marks,
            "trace": trace,
            "longest": longest,
            "answer": answer,
            "cpu": cpu,
            "roots": self.repository.roots,
            "test_folders": test_folders,
            **self.parts,
            "caching": sorted(caching_functions(self.repository)) if trace else [],
        }
        with open_sandbox(
            replace(python.spec(self.folder, requires=self.repository.requires), preload=PRELOADED),
            self.backend,
        ) as sandbox:
            self._open.add(sandbox)
            try:
                for path, data in (changed or {}).items():
                    sandbox.write(path, data)
                return self._run(sandbox, json.dumps(request), answer, seconds)
            finally:
                self._open.discard(sandbox)

    def graded(self, tests: Collection[str]) -> frozenset[str]:
        """Return the tests that also pass in the sandbox that grades submissions."""
        repository = self.repository
        about = repository.test_files, repository.roots, repository.requires
        return passing_tests(
            repository.tree, tests, *about, partial(open_sandbox, backend=self.backend)
        )

    def stop(self) -> None:
        """Kill running tests; their callers in other threads get `died`."""
        for sandbox in list(self._open):
            sandbox.close()

    def _run(self, sandbox: Sandbox, request: str, answer: str, seconds: float) -> SuiteRun:
        session = sandbox.session()
        result = session.run(f"{self.program}\nmain(json.loads({request!r}))\n", timeout=seconds)
        if result.error in ("infrastructure", "exception"):
            last = result.stderr.strip()[-300:] or "the sandbox failed"
            raise SandboxError(f"the tests of {self.repository.name} could not be run: {last}")
        try:
            report = json.loads(sandbox.read(answer, MAX_ANSWER_BYTES))
        except (SandboxError, ValueError):
            # The test process wrote no report: it was killed, or ended itself.
            ending = "died" if result.error == "none" else result.error
            return SuiteRun({}, ending=ending, seconds=result.seconds)
        if "overtime" in report:
            return SuiteRun({}, ending="timeout", seconds=result.seconds)
        errors, missing = tuple(report["errors"]), tuple(report["missing"])
        seen = report["outcomes"], errors, missing, report["failures"]
        return SuiteRun(*seen, report.get("coverage"), "", result.seconds, report["cpu"])


@contextmanager
def open_suite_runner(repository: Repository, backend: str) -> Iterator[SuiteRunner]:
    """Write a repository to a temporary directory and yield a runner over it.

    Raises:
        DataError: for a backend that cannot hide installed packages.
    """
    if backend == "auto":
        from turnwise.sandbox.probe import choose

        backend = choose(python.spec(), False)
    if backend not in python.BACKENDS:
        raise DataError(
            f"the sandbox {backend!r} cannot hide the packages installed here: generate tasks with "
            f"one of {python.BACKENDS}"
        )
    with tempfile.TemporaryDirectory(prefix="turnwise-swe-") as folder:
        os.chmod(folder, 0o755)
        write_tree(repository.tree, Path(folder))
        runner = SuiteRunner(repository, folder, backend)
        try:
            yield runner
        finally:
            runner.stop()


def write_tree(tree: Mapping[str, bytes], folder: Path) -> None:
    """Write a tree into a directory."""
    for path, data in tree.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


class CoverageMap:
    """The tests that a bug in a function can affect.

    Args:
        recorded: the observer's record.
        suite: the tests that count.
    """

    def __init__(self, recorded: Mapping[str, Any], suite: Collection[str]) -> None:
        self._suite = frozenset(suite)
        self._tests: list[str] = recorded["tests"]
        self._always = self._suite & set(recorded["always"])
        self._lines: dict[str, frozenset[int]] = {
            path: frozenset(seen) for path, seen in recorded.get("lines", {}).items()
        }
        self._users: dict[str, list[tuple[int, list[int]]]] = {}
        for path, line, numbers in recorded["functions"]:
            self._users.setdefault(path, []).append((line, numbers))

    def runs(self, path: str, function: Function, first: int, last: int) -> bool:
        """Return whether a test ran one of these lines in its own process, or may have.

        A bug in lines that no test runs is not worth trying. Functions called too often to be
        followed completely count as run.
        """
        seen = self._lines.get(path)
        if seen is None:
            # No test enters the file, unless lines were not recorded at all.
            return not self._lines
        unknown = any(-line in seen for line in range(function.first, function.last + 1))
        return unknown or any(line in seen for line in range(first, last + 1))

    def tests(self, path: str, function: Function) -> frozenset[str]:
        """Return the tests that a bug in a function can affect.

        They enter the function or one inside it, or are affected by every bug.
        """
        users: set[int] = set()
        for line, numbers in self._users.get(path, ()):
            if function.first <= line <= function.last:
                users.update(numbers)
        if -1 in users:
            return self._suite
        return self._always | (self._suite & {self._tests[number] for number in users})


def caching_functions(repository: Repository) -> set[tuple[str, int]]:
    """Return the (path, first line) of functions that cache results.

    Judged by the names of their decorators.
    """
    found = set()
    for path in repository.code_files:
        try:
            tree = parse(repository.tree[path])
        except (SyntaxError, ValueError):
            continue
        for function, definition in functions(tree):
            words = " ".join(
                ast.unparse(decorator) for decorator in definition.decorator_list
            ).lower()
            if any(word in words for word in CACHING_WORDS):
                found.add((path, function.first))
    return found
