"""What runs in the generator's box: the test suite, with what became of each test, what it executed, and how it failed.

Handed to the box's Python as it is, so only the standard library and pytest are used. Unlike the grader's runner it may believe
the code it runs: nobody there wants a reward. What a test executed is a set of functions; three kinds of work are told apart,
because the result of one test can rest on work done during another: imports and shared fixtures, functions that remember their
answers, and other processes.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

SHARED = ""
"""Stands for every test where a function ran outside of any one."""
LONG = 160
"""Longest text of a value that is told."""
TOLD = 200
"""Failures whose evidence is told."""
EVALUATING = 2.0
OPTIONS = ("-c", "/dev/null", "-p", "no:cacheprovider", "--import-mode=importlib", "-q", "--color=no", "--tb=no", "-o", "addopts=")
EQUALS = ("assertEqual", "assertEquals", "assertListEqual", "assertDictEqual", "assertTupleEqual", "assertSequenceEqual", "eq_")


class Tracer:
    """Which functions run, by the test that is running.

    Args:
        remembering: (path, first line) of functions that keep their answers: what they call serves later tests too.
    """

    def __init__(self, remembering: set[tuple[str, int]]) -> None:
        self.remembering = {(os.path.abspath(path), line) for path, line in remembering}
        self.shared: set[Any] = set()
        self.now = self.shared
        self.depth = 0
        self.tests: dict[str, set[Any]] = {}
        self.always: set[str] = set()
        self.test = SHARED
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
            return self.leave
        return None

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
        if sys.gettrace() != self.call:  # the test traces on its own account: nothing is known about it
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
        """Functions as [path, first line], and the tests that run each, by number; -1 for work that is shared."""
        here = os.getcwd() + "/"
        names = sorted(self.tests)
        users: dict[tuple[str, int], list[int]] = {}
        for number, codes in [(-1, self.shared), *((i, self.tests[name]) for i, name in enumerate(names))]:
            for path, line in {(code.co_filename, code.co_firstlineno) for code in codes}:
                if path.startswith(here):
                    users.setdefault((path.removeprefix(here), line), []).append(number)
        functions = [[path, line, tests] for (path, line), tests in sorted(users.items())]
        return {"tests": names, "functions": functions, "always": sorted(self.always)}


class Observer:
    """A pytest plugin that keeps what became of every test."""

    def __init__(self, request: dict[str, Any], judged: Any) -> None:
        self.judged = judged
        self.files = {os.path.abspath(path) for path in request["tests"]}
        self.chosen = set(request["chosen"]) if request["chosen"] is not None else None
        self.outcomes: dict[str, str] = {}
        self.errors: list[str] = []
        self.failures: dict[str, Any] = {}
        self.phases: list[tuple[str, str, bool]] = []
        self.tracer = Tracer({(p, n) for p, n in request["remembering"]}) if request["trace"] else None

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.chosen is not None:
            items[:] = [item for item in items if item.nodeid in self.chosen]

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.errors.append(report.nodeid)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.phases = []
        if self.tracer is not None:
            self.tracer.begin(nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        when = "subtest" if getattr(report, "context", None) is not None else report.when
        self.phases.append((when, report.outcome, hasattr(report, "wasxfail")))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if self.tracer is not None:
            self.tracer.end()
        self.outcomes[nodeid] = "twice" if nodeid in self.outcomes else self.judged(self.phases)

    def pytest_exception_interact(self, node: Any, call: Any, report: Any) -> None:
        if len(self.failures) < TOLD and node.nodeid not in self.failures and getattr(report, "when", "") == "call":
            with contextlib.suppress(Exception):
                self.failures[node.nodeid] = evidence(call.excinfo.value, self.files)


def sharing(tracer: Tracer) -> Any:
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


def evidence(problem: BaseException, files: set[str]) -> dict[str, Any]:
    """What a failed test evaluated, what it expected and what it got, as far as its last line tells.

    `call` (an expression that calls the repository's code) and `on` (variable and type, where that is a local object's method),
    `expected` and `got` (texts of values), `error` (type and message of an exception that is not an assertion's), `missing` (an
    exception that should have come).
    """
    trace, found = problem.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in files:
            found = trace
        trace = trace.tb_next
    if found is None:
        return {}
    frame = found.tb_frame
    with open(frame.f_code.co_filename, "rb") as file:
        tree = ast.parse(file.read())
    statement = innermost(tree, found.tb_lineno)
    told: dict[str, Any] = {}
    if not isinstance(problem, AssertionError) and type(problem).__name__ != "Failed":  # what `pytest.fail` raises
        text = str(problem)
        told["error"] = [type(problem).__name__, text if fits(text) else ""]
    if missing := awaited(tree, found.tb_lineno):
        told["missing"] = missing
        statement = statement.body[0] if isinstance(statement, ast.With) else statement
    for left, right in sides(statement):
        expression = traced(left, tree, found.tb_lineno, frame)
        if (call := our_call(expression, frame, files)) is not None:
            return told | compared(left, expression, call, right, frame, "error" in told)
    return told


def compared(left: ast.expr, expression: ast.expr, call: ast.Call, right: Any, frame: Any, failed: bool) -> dict[str, Any]:
    """An expression as text, what it is equal to, and what it should be equal to (`right`, where there is one)."""
    told: dict[str, Any] = {"call": shown(expression, frame)}
    root: ast.expr = call.func
    while isinstance(root, ast.Attribute):
        root = root.value
    if isinstance(root, ast.Name) and root.id in frame.f_locals:
        told["on"] = [root.id, type(frame.f_locals[root.id]).__name__]
    if right is None:
        return told
    with contextlib.suppress(Exception), limited():
        expected = valued(right, frame)
        if failed:
            return told | ({"expected": repr(expected)} if fits(repr(expected)) else {})
        got = valued(left, frame)
        if expected != got and fits(repr(expected)) and fits(repr(got)):
            told |= {"expected": repr(expected), "got": repr(got)}
    return told


def innermost(tree: ast.AST, line: int) -> ast.stmt:
    """The smallest statement that a line is part of; of a `with`, itself where the line is its first."""
    best: Any = None
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or not node.lineno <= line <= (node.end_lineno or node.lineno):
            continue
        if best is None or (node.end_lineno or 0) - node.lineno <= (best.end_lineno or 0) - best.lineno:
            best = node
    assert isinstance(best, ast.stmt)
    return best


def sides(statement: ast.stmt) -> list[tuple[ast.expr, ast.expr | None]]:
    """What a statement may be testing, each with what it should be equal to (None where that is not said)."""
    if isinstance(statement, ast.Assert):
        test = statement.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            one, two = test.left, test.comparators[0]
            equal = isinstance(test.ops[0], ast.Eq | ast.Is)
            return [(one, two if equal else None), (two, one if equal else None)]
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return [(test.operand, ast.Constant(False))]
        return [(test, ast.Constant(True))]
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.expr):
        return []
    if isinstance(value, ast.Call) and value.args and isinstance(value.func, ast.Attribute | ast.Name):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else value.func.id
        if name in EQUALS and len(value.args) >= 2:
            return [(value.args[0], value.args[1]), (value.args[1], value.args[0])]
        if name.startswith("assert"):
            return [(value.args[0], {"assertTrue": ast.Constant(True), "assertFalse": ast.Constant(False)}.get(name))]
    return [(value, None)]


def traced(node: ast.expr, tree: ast.AST, line: int, frame: Any) -> ast.expr:
    """A name as what was last assigned to it, in the same function, above the line."""
    if not isinstance(node, ast.Name):
        return node
    first = frame.f_code.co_firstlineno
    made = []
    for inner in ast.walk(tree):
        if isinstance(inner, ast.Assign) and first <= inner.lineno < line and isinstance(inner.targets[0], ast.Name):
            made += [inner] * (inner.targets[0].id == node.id)
    return max(made, key=lambda n: n.lineno).value if made else node


def our_call(node: ast.expr, frame: Any, files: set[str]) -> ast.Call | None:
    """The outermost call of the repository's own code in an expression."""
    for inner in ast.walk(node):
        if not isinstance(inner, ast.Call) or any(isinstance(n, ast.Call) for n in ast.walk(inner.func)):
            continue
        with contextlib.suppress(Exception):
            function = valued(inner.func, frame)
            module = sys.modules.get(getattr(function, "__module__", None) or type(function).__module__)
            home = getattr(module, "__file__", None) or ""
            if home.startswith(os.getcwd() + "/") and home not in files:
                return inner
    return None


def awaited(tree: ast.AST, line: int) -> str:
    """Name of the exception that a line is expected to raise, by a `with pytest.raises(...)` around it; empty where none is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and node.lineno <= line <= (node.end_lineno or node.lineno):
            made = node.items[0].context_expr
            if isinstance(made, ast.Call) and made.args and ast.unparse(made.func).endswith(("raises", "assertRaises")):
                return ast.unparse(made.args[0])
    return ""


def shown(expression: ast.expr, frame: Any) -> str:
    """An expression as text, with the values of the test's own names where these are plain and short."""
    copy = ast.parse(ast.unparse(expression), mode="eval")
    return ast.unparse(Values({**frame.f_globals, **frame.f_locals}).visit(copy))


class Values(ast.NodeTransformer):
    """Writes values in place of names that stand for plain data."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self.names.get(node.id)
        if type(value) not in (bool, int, float, str, bytes, list, tuple, dict, set) or not fits(repr(value)):
            return node
        try:
            return ast.parse(repr(value), mode="eval").body
        except SyntaxError:
            return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_Lambda  # type: ignore[assignment]


def valued(node: ast.expr, frame: Any) -> Any:
    """An expression of a test, evaluated where the test stands."""
    code = compile(ast.fix_missing_locations(ast.Expression(node)), "evidence", "eval")
    return eval(code, frame.f_globals, frame.f_locals)


def fits(text: str) -> bool:
    """Whether a text can be told: short, on one line, without addresses."""
    return len(text) <= LONG and "\n" not in text and " at 0x" not in text


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """At most a moment: what is evaluated again may not come to an end."""

    def late(*_: Any) -> None:
        raise TimeoutError

    kept = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, EVALUATING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, kept)


def main() -> None:
    """Read a request, run its tests, write one line of JSON where standard output was."""
    request = json.loads(sys.stdin.read())
    resource.setrlimit(resource.RLIMIT_CPU, (int(request["cpu"]) + 1, int(request["cpu"]) + 3))
    out = os.dup(1)
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(quiet, number)
    runner: dict[str, Any] = {"__name__": "runner"}
    exec(request["runner"], runner)  # what a test's outcome is, the grader says
    import pytest

    sys.path[:0] = [os.path.abspath(root) for root in request["roots"]]
    sys.path.extend(os.path.abspath(path) for path in request["beside"])
    observer = Observer(request, runner["judged"])
    plugins: list[Any] = [observer]
    if observer.tracer is not None:
        plugins.append(sharing(observer.tracer))
        observer.tracer.start()
    sys.argv[:] = ["pytest"]
    code = pytest.main([*OPTIONS, "--rootdir", os.getcwd(), "--continue-on-collection-errors", *request["tests"]], plugins=plugins)
    sys.settrace(None)
    answer = {"code": int(code), "outcomes": observer.outcomes, "errors": observer.errors, "failures": observer.failures}
    answer["cpu"] = time.process_time()
    if observer.tracer is not None:
        answer["coverage"] = observer.tracer.told()
    data = (request["seal"] + json.dumps(answer) + "\n").encode("utf8", "replace")
    while data:
        data = data[os.write(out, data) :]
    os._exit(0)


if __name__ == "__main__":
    main()
