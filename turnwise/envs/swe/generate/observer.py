"""Pytest run in the generator's sandbox.

It reports the outcome, executed functions and failure of each test.

The source of this file is executed in the sandbox, so it imports only the standard library and
pytest. Unlike the grader's runner it trusts the code it runs, which is not rewarded here. Three
kinds of work are kept apart from what a test itself executes, because one test can rely on work
done during another: imports and shared fixtures, functions that cache results, and other processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

SHARED = ""
"""Name used for all tests, for functions that ran outside any of them."""
MAX_LINES_PER_FUNCTION = 3000
"""Lines traced of one function; what it runs after them is unknown."""
MAX_FAILURE_REPORTS = 200
"""Failed tests with a report."""
OPTIONS = (
    "-c", "/dev/null", "-p", "no:cacheprovider", "--import-mode=importlib", "-q", "--color=no",
    "--tb=no", "-o", "addopts=",
)  # fmt: skip


class FunctionTracer:
    """Records the functions that each test runs.

    Args:
        caching: (path, first line) of functions that cache results; what they call counts for all
            later tests.
    """

    def __init__(self, caching: set[tuple[str, int]]) -> None:
        self.caching = {(os.path.abspath(path), line) for path, line in caching}
        self.shared: set[Any] = set()
        self.now = self.shared
        self.depth = 0
        self.tests: dict[str, set[Any]] = {}
        self.always: set[str] = set()
        self.test = SHARED
        self.here = os.getcwd() + "/"
        self.lines: dict[Any, set[int]] = {}
        self.left: dict[Any, int] = {}
        sys.addaudithook(self.audit)

    def call(self, frame: Any, event: str, argument: Any) -> Any:
        code = frame.f_code
        self.now.add(code)
        if self.depth:
            self.shared.add(code)
        if self.caching and (code.co_filename, code.co_firstlineno) in self.caching:
            self.shared.add(code)
            self.depth += 1
            frame.f_trace_lines = False
            self.left[code], self.lines[code] = 0, set()
            return self.leave
        left = self.left.get(code)
        if left is None:
            left = self.left[code] = (
                MAX_LINES_PER_FUNCTION if code.co_filename.startswith(self.here) else 0
            )
            self.lines[code] = set()
        return self.line if left > 0 else None

    def line(self, frame: Any, event: str, argument: Any) -> Any:
        code = frame.f_code
        self.lines[code].add(frame.f_lineno)
        self.left[code] -= 1
        return self.line if self.left[code] > 0 else None

    def leave(self, frame: Any, event: str, argument: Any) -> Any:
        if event == "return":
            self.depth -= 1
        return self.leave

    def audit(self, event: str, arguments: Any) -> None:
        if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system") and self.test:
            self.always.add(self.test)

    def start(self) -> None:
        threading.settrace(self.call)
        sys.settrace(self.call)

    def begin(self, test: str) -> None:
        self.test, self.now = test, self.tests.setdefault(test, set())

    def end(self) -> None:
        if sys.gettrace() != self.call:
            # The test installed a tracer of its own: nothing is known about it.
            self.always.add(self.test)
            self.start()
        self.test, self.now = SHARED, self.shared

    @contextlib.contextmanager
    def outside(self) -> Iterator[None]:
        """Count work inside the context as shared by several tests."""
        kept, self.now = self.now, self.shared
        yield
        self.now = kept

    def record(self) -> dict[str, Any]:
        """Return the record as JSON data.

        `functions` lists [path, first line, numbers of the tests that run it], with -1 for shared
        work. `lines` maps a path to the lines that ran; -n marks a function at line n that was not
        followed to the end.
        """
        here = self.here
        names = sorted(self.tests)
        users: dict[tuple[str, int], list[int]] = {}
        for number, codes in [
            (-1, self.shared),
            *((i, self.tests[name]) for i, name in enumerate(names)),
        ]:
            for path, line in {(code.co_filename, code.co_firstlineno) for code in codes}:
                if path.startswith(here):
                    users.setdefault((path.removeprefix(here), line), []).append(number)
        functions = [[path, line, tests] for (path, line), tests in sorted(users.items())]
        lines: dict[str, set[int]] = {}
        for code, seen in self.lines.items():
            if code.co_filename.startswith(here):
                known = seen | (
                    {-code.co_firstlineno} if self.left[code] <= 0 or not seen else set()
                )
                lines.setdefault(code.co_filename.removeprefix(here), set()).update(known)
        ran = {path: sorted(seen) for path, seen in lines.items()}
        return {"tests": names, "functions": functions, "always": sorted(self.always), "lines": ran}


class SlowTestInterrupt(BaseException):
    """Ends a slow test; not an `Exception`, so that tests do not catch it."""


class SlowTestTimer:
    """Interrupts slow tests.

    Args:
        longest: processor seconds of one test; four times as many of wall clock.
    """

    def __init__(self, longest: float) -> None:
        self.longest = longest
        self.began: tuple[float, float] | None = None
        signal.signal(signal.SIGALRM, self.look)
        signal.setitimer(signal.ITIMER_REAL, longest / 10, longest / 10)

    def begin(self) -> None:
        self.began = (time.process_time(), time.monotonic())

    def look(self, *_: Any) -> None:
        if self.began is None:
            return
        cpu, wall = time.process_time() - self.began[0], time.monotonic() - self.began[1]
        if cpu > self.longest or wall > 4 * self.longest:
            self.begin()  # interrupt again if it carries on
            raise SlowTestInterrupt


class OutcomePlugin:
    """Pytest plugin that records the outcome of every test."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.outcome_of, self.failure_report = (
            request["runner"]["outcome_of"],
            request["failures"]["failure_report"],
        )
        self.files = {os.path.abspath(path) for path in request["tests"]}
        self.chosen = set(request["chosen"]) if request["chosen"] is not None else None
        self.outcomes: dict[str, str] = {}
        self.errors: list[str] = []
        self.missing: set[str] = set()
        self.failures: dict[str, Any] = {}
        self.phases: list[tuple[str, str, bool]] = []
        self.tracer = (
            FunctionTracer({(p, n) for p, n in request["caching"]}) if request["trace"] else None
        )
        self.timer = SlowTestTimer(request["longest"]) if request["trace"] else None

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.chosen is not None:
            items[:] = [item for item in items if item.nodeid in self.chosen]

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.errors.append(report.nodeid)
            self.missing.update(re.findall(r"No module named '([\w.]+)'", str(report.longrepr)))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.phases = []
        if self.tracer is not None:
            self.tracer.begin(nodeid)
        if self.timer is not None:
            self.timer.begin()

    def pytest_runtest_logreport(self, report: Any) -> None:
        when = "subtest" if getattr(report, "context", None) is not None else report.when
        self.phases.append((when, report.outcome, hasattr(report, "wasxfail")))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if self.tracer is not None:
            self.tracer.end()
        if self.timer is not None:
            self.timer.began = None
        self.outcomes[nodeid] = "twice" if nodeid in self.outcomes else self.outcome_of(self.phases)

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        if type(call.excinfo.value).__name__ == "FixtureLookupError" and call.excinfo.value.argname:
            self.missing.add(f"fixture {call.excinfo.value.argname}")
        if (
            len(self.failures) < MAX_FAILURE_REPORTS
            and node.nodeid not in self.failures
            and getattr(report, "when", "") == "call"
        ):
            with contextlib.suppress(Exception):
                self.failures[node.nodeid] = self.failure_report(call.excinfo.value, self.files)


def sharing(tracer: FunctionTracer) -> Any:
    """Return a plugin that counts the work of fixtures wider than one test as shared."""
    import pytest

    class Sharing:
        @pytest.hookimpl(wrapper=True)
        def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Any:
            if fixturedef.scope == "function":
                return (yield)
            with tracer.outside():
                return (yield)

    return Sharing()


def load_source(source: str, name: str) -> dict[str, Any]:
    """Execute a module's source and return its names."""
    names: dict[str, Any] = {"__name__": name}
    exec(compile(source, name, "exec", dont_inherit=True), names)
    return names


def main(request: dict[str, Any]) -> None:
    """Run the tests of a request, write the report, and end the process.

    The report is JSON, in the file that the request names.
    """

    def finish(answer: dict[str, Any]) -> None:
        with open(request["answer"], "wb") as file:
            file.write(json.dumps(answer).encode("utf8", "replace"))
        os._exit(0)

    signal.signal(signal.SIGXCPU, lambda *_: finish({"overtime": True}))
    resource.setrlimit(resource.RLIMIT_CPU, (int(request["cpu"]) + 1, int(request["cpu"]) + 3))
    # Keep the descriptors open: the session takes a closed output for the end of the process.
    sys.stdin = open(os.devnull, encoding="utf8")  # noqa: SIM115
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf8")  # noqa: SIM115
    sys.dont_write_bytecode = True
    request["answer"] = os.path.abspath(request["answer"])
    for name in ("runner", "failures"):
        request[name] = load_source(request[name], name)
    import pytest

    sys.path[:0] = [os.path.abspath(root) for root in request["roots"]]
    sys.path.extend(os.path.abspath(path) for path in request["test_folders"])
    observer = OutcomePlugin(request)
    plugins: list[Any] = [observer]
    if observer.tracer is not None:
        plugins.append(sharing(observer.tracer))
        observer.tracer.start()
    sys.argv[:] = ["pytest"]
    marked = ["-m", request["marks"]] if request["marks"] else []
    code = pytest.main(
        [
            *OPTIONS,
            *marked,
            "--rootdir",
            os.getcwd(),
            "--continue-on-collection-errors",
            *request["tests"],
        ],
        plugins=plugins,
    )
    sys.settrace(None)
    answer = {
        "code": int(code),
        "outcomes": observer.outcomes,
        "errors": observer.errors,
        "failures": observer.failures,
    }
    answer["missing"] = sorted(observer.missing)
    answer["cpu"] = time.process_time()
    if observer.tracer is not None:
        answer["coverage"] = observer.tracer.record()
    finish(answer)
