"""Reports of failed tests in terms a user could have observed.

What was called, what it returned, and what was expected.

The source of this file is executed in the generator's sandbox with
`turnwise.envs.swe.generate.observer`, so it imports only the standard library. It reads the failing
line of a test and evaluates its parts once more in the test's frame; values are reported only if
they still differ.
"""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

MAX_VALUE_CHARS = 160
"""Longest text of a value that is reported."""
EVALUATION_S = 2.0
"""Time limit in seconds of a second evaluation, which may not terminate."""
EQUALS = (
    "assertEqual", "assertEquals", "assertListEqual", "assertDictEqual", "assertTupleEqual",
    "assertSequenceEqual", "eq_",
)  # fmt: skip


def failure_report(problem: BaseException, files: set[str]) -> dict[str, Any]:
    """Return what a failed test evaluated, expected and got, as far as its last line shows.

    Keys, each present only if known: `call` (an expression that calls the repository's code),
    `function` (the name of what it calls), `on` (variable and type, if that is a method of a local
    object), `expected` and `got` (texts of values), `error` (type and message of an exception other
    than an assertion), and `missing` (an exception that should have been raised).
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
    report: dict[str, Any] = {}
    # `pytest.fail` raises `Failed`.
    if not isinstance(problem, AssertionError) and type(problem).__name__ != "Failed":
        text = str(problem)
        report["error"] = [type(problem).__name__, text if fits(text) else ""]
    if missing := expected_exception(tree, found.tb_lineno):
        report["missing"] = missing
        statement = statement.body[0] if isinstance(statement, ast.With) else statement
    for left, right in sides(statement):
        expression = traced(left, tree, found.tb_lineno, frame)
        if (call := our_call(expression, frame, files)) is not None:
            return report | compared(left, expression, call, right, frame, "error" in report)
    return report


def compared(
    left: ast.expr, expression: ast.expr, call: ast.Call, right: Any, frame: Any, failed: bool
) -> dict[str, Any]:
    """Return an expression as text, its value, and the value of `right` if there is one."""
    report: dict[str, Any] = {"call": shown(expression, frame), "function": ast.unparse(call.func)}
    root: ast.expr = call.func
    while isinstance(root, ast.Attribute):
        root = root.value
    if isinstance(root, ast.Name) and root.id in frame.f_locals:
        report["on"] = [root.id, type(frame.f_locals[root.id]).__name__]
    if right is None:
        return report
    with contextlib.suppress(Exception), limited():
        expected = valued(right, frame)
        if failed:
            return report | ({"expected": repr(expected)} if fits(repr(expected)) else {})
        got = valued(left, frame)
        if type(expected) is bool and type(got) is not bool:
            # `assert f(x)` accepts any true value.
            return report | ({"got": repr(got)} if fits(repr(got)) else {})
        if expected != got and fits(repr(expected)) and fits(repr(got)):
            report |= {"expected": repr(expected), "got": repr(got)}
    return report


def innermost(tree: ast.AST, line: int) -> ast.stmt:
    """Return the smallest statement that contains a line.

    For the first line of a `with`, return the `with`.
    """
    best: Any = None
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt) or not node.lineno <= line <= (
            node.end_lineno or node.lineno
        ):
            continue
        if (
            best is None
            or (node.end_lineno or 0) - node.lineno <= (best.end_lineno or 0) - best.lineno
        ):
            best = node
    assert isinstance(best, ast.stmt)
    return best


def sides(statement: ast.stmt) -> list[tuple[ast.expr, ast.expr | None]]:
    """Return the expressions a statement may be testing.

    Each comes with the one it should equal, or None.
    """
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
    if (
        isinstance(value, ast.Call)
        and value.args
        and isinstance(value.func, ast.Attribute | ast.Name)
    ):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else value.func.id
        if name in EQUALS and len(value.args) >= 2:
            return [(value.args[0], value.args[1]), (value.args[1], value.args[0])]
        if name.startswith("assert"):
            return [
                (
                    value.args[0],
                    {"assertTrue": ast.Constant(True), "assertFalse": ast.Constant(False)}.get(
                        name
                    ),
                )
            ]
    return [(value, None)]


def traced(node: ast.expr, tree: ast.AST, line: int, frame: Any) -> ast.expr:
    """Replace a name by the expression last assigned to it in the same function, above the line."""
    if not isinstance(node, ast.Name):
        return node
    first = frame.f_code.co_firstlineno
    assignments = []
    for inner in ast.walk(tree):
        if (
            isinstance(inner, ast.Assign)
            and first <= inner.lineno < line
            and isinstance(inner.targets[0], ast.Name)
        ):
            assignments += [inner] * (inner.targets[0].id == node.id)
    return max(assignments, key=lambda n: n.lineno).value if assignments else node


def our_call(node: ast.expr, frame: Any, files: set[str]) -> ast.Call | None:
    """Return the outermost call of the repository's own code in an expression."""
    for inner in ast.walk(node):
        if not isinstance(inner, ast.Call) or any(
            isinstance(n, ast.Call) for n in ast.walk(inner.func)
        ):
            continue
        with contextlib.suppress(Exception):
            function = valued(inner.func, frame)
            module = sys.modules.get(
                getattr(function, "__module__", None) or type(function).__module__
            )
            home = getattr(module, "__file__", None) or ""
            if home.startswith(os.getcwd() + "/") and home not in files:
                return inner
    return None


def expected_exception(tree: ast.AST, line: int) -> str:
    """Return the exception that a surrounding `pytest.raises` expects, or ""."""
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and node.lineno <= line <= (node.end_lineno or node.lineno):
            context = node.items[0].context_expr
            if (
                isinstance(context, ast.Call)
                and context.args
                and ast.unparse(context.func).endswith(("raises", "assertRaises"))
            ):
                return ast.unparse(context.args[0])
    return ""


def shown(expression: ast.expr, frame: Any) -> str:
    """Return an expression as text, without the test's own names.

    Plain and short values take their place.
    """
    copy = ast.parse(ast.unparse(expression), mode="eval")
    return ast.unparse(ValueInliner({**frame.f_globals, **frame.f_locals}).visit(copy))


class ValueInliner(ast.NodeTransformer):
    """Replaces names by their values if these are plain data."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self.names.get(node.id)
        if type(value) not in (bool, int, float, str, bytes, list, tuple, dict, set) or not fits(
            repr(value)
        ):
            return node
        try:
            return ast.parse(repr(value), mode="eval").body
        except SyntaxError:
            return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        return node

    visit_ListComp = visit_SetComp = visit_Lambda  # type: ignore[assignment]
    visit_DictComp = visit_GeneratorExp = visit_Lambda  # type: ignore[assignment]


def valued(node: ast.expr, frame: Any) -> Any:
    """Evaluate an expression in the test's frame."""
    code = compile(ast.fix_missing_locations(ast.Expression(node)), "evidence", "eval")
    return eval(code, frame.f_globals, frame.f_locals)


def fits(text: str) -> bool:
    """Return whether a text can be reported: short, on one line, without addresses."""
    return len(text) <= MAX_VALUE_CHARS and "\n" not in text and " at 0x" not in text


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Raise `TimeoutError` if the body takes longer than `EVALUATION_S`."""

    def late(*_: Any) -> None:
        raise TimeoutError

    kept = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, EVALUATION_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, kept)
