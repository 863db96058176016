"""Runs of a repository's suite in a sandbox, and which tests a bug can reach.

A bug inside a function changes nothing for tests that never enter that function, so only those that
do need to run. That is exact as long as no test rests on work done during another. Work that is
known to be shared (imports, fixtures of a wider scope, functions that remember their answers and
all that these call) makes a bug reach every test; a test that starts processes or traces itself is
reached by every bug.
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
    "pytest",
    "_pytest.python",
    "_pytest.unittest",
    "_pytest.terminal",
    "doctest",
    "unittest.mock",
)
"""Imported once for all sandboxes: without them every run would begin with a third of a second of
imports.
"""
MAX_ANSWER_BYTES = 200_000_000
CACHING_WORDS = ("cache", "memo", "lru", "once", "singleton")
"""A decorator whose name holds one of these keeps answers."""


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """What became of a run of tests."""

    outcomes: Mapping[str, str]
    errors: tuple[str, ...] = ()
    """Files that could not be collected."""
    missing: tuple[str, ...] = ()
    """Modules that test files could not import, and fixtures that tests did not find."""
    failures: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Evidence of failed tests (`turnwise.envs.swe.observer.evidence`)."""
    coverage: Mapping[str, Any] | None = None
    ending: str = ""
    """Why there is no outcome: `timeout`, `memory`, `died`; empty where it came to its end."""
    seconds: float = 0.0
    cpu: float = 0.0
    """Processor seconds of the run: those of a busy machine are the same."""

    def of(self, outcome: str) -> frozenset[str]:
        """Tests with an outcome, such as `passed`."""
        return frozenset(test for test, told in self.outcomes.items() if told == outcome)


class SuiteRunner:
    """Opens sandboxes that hold a repository: its tree lies once in a directory of the host, under
    every sandbox.
    """

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
            changed: files of the repository that are other than they were.
            chosen: ids of the tests to run; None for all of those files.
            marks: an expression of pytest's `-m`: tests that it does not select are not run.
            trace: whether to record what each test executes.
            longest: processor seconds of one test while that is recorded (of the wall, four times
            as many); a longer one fails.
            seconds: wall clock of the run.
            cpu: processor seconds of the run; more is a timeout too.

        Raises:
            SandboxError: where the sandbox itself failed.
        """
        answer = f".observed-{secrets.token_hex(8)}"
        beside = sorted({os.path.dirname(path) for path in tests} - {""})
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
            "beside": beside,
            **self.parts,
            "remembering": sorted(caching_functions(self.repository)) if trace else [],
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
        """Those tests that pass where submissions are graded too."""
        repository = self.repository
        about = repository.test_files, repository.roots, repository.requires
        return passing_tests(
            repository.tree, tests, *about, partial(open_sandbox, backend=self.backend)
        )

    def stop(self) -> None:
        """Kill what runs: its callers, in other threads, are told that it died."""
        for sandbox in list(self._open):
            sandbox.close()

    def _run(self, sandbox: Sandbox, request: str, answer: str, seconds: float) -> SuiteRun:
        session = sandbox.session()
        result = session.run(f"{self.program}\nmain(json.loads({request!r}))\n", timeout=seconds)
        if result.error in ("infrastructure", "exception"):
            last = result.stderr.strip()[-300:] or "the sandbox failed"
            raise SandboxError(f"the tests of {self.repository.name} could not be run: {last}")
        try:
            told = json.loads(sandbox.read(answer, MAX_ANSWER_BYTES))
        except (
            SandboxError,
            ValueError,
        ):  # the process of the tests has written none: it was killed, or ended itself
            return SuiteRun(
                {},
                ending="died" if result.error == "none" else result.error,
                seconds=result.seconds,
            )
        if "overtime" in told:
            return SuiteRun({}, ending="timeout", seconds=result.seconds)
        seen = told["outcomes"], tuple(told["errors"]), tuple(told["missing"]), told["failures"]
        return SuiteRun(*seen, told.get("coverage"), "", result.seconds, told["cpu"])


@contextmanager
def open_suite_runner(repository: Repository, backend: str) -> Iterator[SuiteRunner]:
    """Lay a repository in a directory for sandboxes to stand on, and remove it in the end.

    Raises:
        DataError: for a backend that shows what is installed here.
    """
    if backend == "auto":
        from turnwise.sandbox.probe import choose

        backend = choose(python.spec(), False)
    if backend not in python.BACKENDS:
        raise DataError(
            f"the sandbox {backend!r} shows the packages installed here: generate tasks with "
            f"one of {python.BACKENDS}"
        )
    with tempfile.TemporaryDirectory(prefix="turnwise-swe-") as folder:
        os.chmod(folder, 0o755)
        write_tree(repository.tree, Path(folder))
        sandbox = SuiteRunner(repository, folder, backend)
        try:
            yield sandbox
        finally:
            sandbox.stop()


def write_tree(tree: Mapping[str, bytes], folder: Path) -> None:
    """Write a tree into a directory."""
    for path, data in tree.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)


class CoverageMap:
    """Which tests a bug in a function can reach.

    Args:
        told: what the observer recorded.
        suite: the tests that count.
    """

    def __init__(self, told: Mapping[str, Any], suite: Collection[str]) -> None:
        self._suite = frozenset(suite)
        self._tests: list[str] = told["tests"]
        self._always = self._suite & set(told["always"])
        self._lines: dict[str, frozenset[int]] = {
            path: frozenset(seen) for path, seen in told.get("lines", {}).items()
        }
        self._users: dict[str, list[tuple[int, list[int]]]] = {}
        for path, line, numbers in told["functions"]:
            self._users.setdefault(path, []).append((line, numbers))

    def runs(self, path: str, function: Function, first: int, last: int) -> bool:
        """Whether a test was seen to run one of these lines, in its own process, or may have.

        A bug in lines that none runs is none: it is not worth trying. Nothing is known where the
        function was called too often for all of it to be followed.
        """
        seen = self._lines.get(path)
        if seen is None:
            return (
                not self._lines
            )  # of a file that no test enters, or of a suite that was not followed at all
        unknown = any(-line in seen for line in range(function.first, function.last + 1))
        return unknown or any(line in seen for line in range(first, last + 1))

    def tests(self, path: str, function: Function) -> frozenset[str]:
        """The tests that enter a function or one inside it (a lambda, a comprehension), and those
        that every bug reaches.
        """
        users: set[int] = set()
        for line, numbers in self._users.get(path, ()):
            if function.first <= line <= function.last:
                users.update(numbers)
        if -1 in users:
            return self._suite
        return self._always | (self._suite & {self._tests[number] for number in users})


def caching_functions(repository: Repository) -> set[tuple[str, int]]:
    """Functions that keep their answers, by what their decorators are called: (path, first line)."""
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
