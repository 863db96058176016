"""What runs in the generator's sandbox: the test suite, with what became of each test, what it
executed, and how it failed.

Handed to the sandbox's Python as it is, so only the standard library and pytest are used. Unlike the
grader's runner it may believe the code it runs: nobody there wants a reward. What a test executed
is a set of functions; three kinds of work are told apart, because the result of one test can rest
on work done during another: imports and shared fixtures, functions that remember their answers, and
other processes.
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
"""Stands for every test where a function ran outside of any one."""
MAX_LINES_PER_FUNCTION = 3000
"""Lines that are followed of one function; what it runs later is not known."""
MAX_FAILURE_REPORTS = 200
"""Failures whose evidence is told."""
OPTIONS = (
    "-c",
    "/dev/null",
    "-p",
    "no:cacheprovider",
    "--import-mode=importlib",
    "-q",
    "--color=no",
    "--tb=no",
    "-o",
    "addopts=",
)


class FunctionTracer:
    """Which functions run, by the test that is running.

    Args:
        remembering: (path, first line) of functions that keep their answers: what they call serves
            later tests too.
    """

    def __init__(self, remembering: set[tuple[str, int]]) -> None:
        self.remembering = {(os.path.abspath(path), line) for path, line in remembering}
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
        if self.remembering and (code.co_filename, code.co_firstlineno) in self.remembering:
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
        if (
            sys.gettrace() != self.call
        ):  # the test traces on its own account: nothing is known about it
            self.always.add(self.test)
            self.start()
        self.test, self.now = SHARED, self.shared

    @contextlib.contextmanager
    def outside(self) -> Iterator[None]:
        """Work for several tests: a fixture that they share."""
        kept, self.now = self.now, self.shared
        yield
        self.now = kept

    def told(self) -> dict[str, Any]:
        """Functions as [path, first line], and the tests that run each, by number; -1 for work that
        is shared.

        And by path the lines that ran; none of a function in it of which not all was seen.
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
        told = {path: sorted(seen) for path, seen in lines.items()}
        return {
            "tests": names,
            "functions": functions,
            "always": sorted(self.always),
            "lines": told,
        }


class SlowTestInterrupt(BaseException):
    """Ends a test that takes too long, whatever it catches."""


class SlowTestTimer:
    """Ends tests that take too long.

    Args:
        longest: processor seconds of one test; of the wall clock, four times as many.
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
            self.begin()  # once more for one that goes on all the same
            raise SlowTestInterrupt


class OutcomePlugin:
    """A pytest plugin that keeps what became of every test."""

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
            FunctionTracer({(p, n) for p, n in request["remembering"]})
            if request["trace"]
            else None
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
    """A plugin that gives the work of fixtures wider than one test to all tests."""
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
    """What a module's source defines."""
    names: dict[str, Any] = {"__name__": name}
    exec(compile(source, name, "exec", dont_inherit=True), names)
    return names


def main(request: dict[str, Any]) -> None:
    """Run the tests of a request, write what became of them as JSON to the file it names, and end
    the process.
    """

    def told(answer: dict[str, Any]) -> None:
        with open(request["answer"], "wb") as file:
            file.write(json.dumps(answer).encode("utf8", "replace"))
        os._exit(0)

    signal.signal(signal.SIGXCPU, lambda *_: told({"overtime": True}))
    resource.setrlimit(resource.RLIMIT_CPU, (int(request["cpu"]) + 1, int(request["cpu"]) + 3))
    # The descriptors stay: whoever waits for this process takes a closed output for its end.
    sys.stdin = open(os.devnull, encoding="utf8")  # noqa: SIM115  (to the end of the process)
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf8")  # noqa: SIM115
    sys.dont_write_bytecode = True
    request["answer"] = os.path.abspath(request["answer"])
    for name in (
        "runner",
        "failures",
    ):  # what a test's outcome is, the grader says; how it failed, our other half
        request[name] = load_source(request[name], name)
    import pytest

    sys.path[:0] = [os.path.abspath(root) for root in request["roots"]]
    sys.path.extend(os.path.abspath(path) for path in request["beside"])
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
        answer["coverage"] = observer.tracer.told()
    told(answer)
