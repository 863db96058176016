"""Mutation operators: twelve that change a node, and two that remove code.

Each maps a site to the bytes to replace and their replacement, or to None. They are the mistakes of
mutation testing (DeMillo, Lipton and Sayward 1978) as they look in Python: a wrong comparison, an
inverted condition, swapped arguments. Results that are not valid Python are discarded later
(`mutations.sound`).
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TypeAlias

from turnwise.envs.swe.syntax import PythonSource, Site

Replacement: TypeAlias = tuple[int, int, bytes] | None
Operator: TypeAlias = Callable[[PythonSource, Site], Replacement]

COMPARISONS: dict[type[ast.cmpop], tuple[bytes, bytes]] = {
    ast.Lt: (b"<", b"<="), ast.LtE: (b"<=", b"<"), ast.Gt: (b">", b">="),
    ast.GtE: (b">=", b">"), ast.Eq: (b"==", b"!="), ast.NotEq: (b"!=", b"=="),
    ast.Is: (b"is", b"is not"), ast.IsNot: (b"is not", b"is"), ast.In: (b"in", b"not in"),
    ast.NotIn: (b"not in", b"in"),
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], tuple[bytes, bytes]] = {
    ast.Add: (b"+", b"-"), ast.Sub: (b"-", b"+"), ast.Mult: (b"*", b"+"),
    ast.FloorDiv: (b"//", b"/"), ast.Div: (b"/", b"//"), ast.Mod: (b"%", b"//"),
    ast.BitAnd: (b"&", b"|"), ast.BitOr: (b"|", b"&"), ast.LShift: (b"<<", b">>"),
    ast.RShift: (b">>", b"<<"),
}  # fmt: skip
SMALL_INTEGER_LIMIT = 50
"""Integers from here on are rather sizes and codes than indices and counts."""


def _between(
    source: PythonSource, left: ast.AST, right: ast.AST, old: bytes, new: bytes
) -> Replacement:
    """Replace the operator between two operands, if nothing but it and spaces is between them."""
    start, end = source.span(left)[1], source.span(right)[0]
    gap = source.data[start:end]
    if b" ".join(gap.split()) != old or b"\n" in gap:
        return None
    lead = len(gap) - len(gap.lstrip())
    tail = len(gap) - len(gap.rstrip())
    new = new if lead or not new[:1].isalpha() else b" " + new
    new = new if tail or not new[-1:].isalpha() else new + b" "
    return start + lead, end - tail, new


def compare_flip(source: PythonSource, site: Site) -> Replacement:
    """Turn `a < b` into `a <= b`, `a == b` into `a != b`."""
    node = site.node
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
        return _between(source, node.left, node.comparators[0], *COMPARISONS[type(node.ops[0])])
    return None


def arithmetic_swap(source: PythonSource, site: Site) -> Replacement:
    """Turn `a + b` into `a - b`; not for string operands, where it would only raise a TypeError."""
    node = site.node
    if not isinstance(node, ast.BinOp) or type(node.op) not in ARITHMETIC:
        return None
    if any(isinstance(side, ast.JoinedStr) or _text(side) for side in (node.left, node.right)):
        return None
    return _between(source, node.left, node.right, *ARITHMETIC[type(node.op)])


def boolean_swap(source: PythonSource, site: Site) -> Replacement:
    """Turn `a and b` into `a or b`."""
    node = site.node
    if not isinstance(node, ast.BoolOp):
        return None
    old, new = (b"and", b"or") if isinstance(node.op, ast.And) else (b"or", b"and")
    return _between(source, node.values[0], node.values[1], old, new)


def not_dropped(source: PythonSource, site: Site) -> Replacement:
    """Turn `not a` into `a`."""
    node = site.node
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        start, end = source.span(node)
        return start, end, source.data[start:end].removeprefix(b"not").lstrip()
    return None


def integer_off_by_one(source: PythonSource, site: Site) -> Replacement:
    """Turn `1` into `2`."""
    node = site.node
    if (
        isinstance(node, ast.Constant)
        and type(node.value) is int
        and 0 <= node.value < SMALL_INTEGER_LIMIT
    ):
        return *source.span(node), str(node.value + 1).encode()
    return None


def boolean_flip(source: PythonSource, site: Site) -> Replacement:
    """Turn `True` into `False`."""
    node = site.node
    if isinstance(node, ast.Constant) and type(node.value) is bool:
        return *source.span(node), str(not node.value).encode()
    return None


def condition_negated(source: PythonSource, site: Site) -> Replacement:
    """Turn `if a:` into `if not (a):`."""
    node = site.node
    if isinstance(node, ast.If) and not isinstance(node.test, ast.Constant):
        return *source.span(node.test), b"not (" + source.text(node.test) + b")"
    return None


def branch_dropped(source: PythonSource, site: Site) -> Replacement:
    """Replace a short `if` without `else` by `pass`."""
    node = site.node
    if (
        isinstance(node, ast.If)
        and not node.orelse
        and len(node.body) <= 3
        and source.text(node).startswith(b"if")
    ):
        return *source.span(node), b"pass"
    return None


def return_none(source: PythonSource, site: Site) -> Replacement:
    """Turn `return a` into `return None`."""
    node = site.node
    if (
        isinstance(node, ast.Return)
        and node.value is not None
        and not isinstance(node.value, ast.Constant)
    ):
        return *source.span(node), b"return None"
    return None


def loop_exit_swapped(source: PythonSource, site: Site) -> Replacement:
    """Turn `break` into `continue` and vice versa."""
    if isinstance(site.node, ast.Break):
        return *source.span(site.node), b"continue"
    if isinstance(site.node, ast.Continue):
        return *source.span(site.node), b"break"
    return None


def arguments_swapped(source: PythonSource, site: Site) -> Replacement:
    """Turn `f(a, b)` into `f(b, a)`."""
    node = site.node
    if (
        not isinstance(node, ast.Call)
        or len(node.args) != 2
        or any(isinstance(arg, ast.Starred) for arg in node.args)
    ):
        return None
    first, second = node.args
    between = source.data[source.span(first)[1] : source.span(second)[0]]
    return (
        source.span(first)[0],
        source.span(second)[1],
        source.text(second) + between + source.text(first),
    )


def ternary_swapped(source: PythonSource, site: Site) -> Replacement:
    """Turn `a if c else b` into `b if c else a`."""
    node = site.node
    if not isinstance(node, ast.IfExp):
        return None
    # Spans leave out a node's parentheses, and these nodes parse differently without them.
    loose = ast.IfExp | ast.Lambda | ast.NamedExpr | ast.Yield
    parts = [(part, source.text(part)) for part in (node.orelse, node.test, node.body)]
    texts = tuple(b"(%s)" % text if isinstance(part, loose) else text for part, text in parts)
    return *source.span(node), b"%s if %s else %s" % texts


def _text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


OPERATORS: tuple[Operator, ...] = (
    compare_flip, arithmetic_swap, boolean_swap, not_dropped, integer_off_by_one, boolean_flip,
    condition_negated, branch_dropped, return_none, loop_exit_swapped, arguments_swapped,
    ternary_swapped,
)  # fmt: skip


def statement_deleted(source: PythonSource, site: Site) -> Replacement:
    """Replace a call, an assignment or a `raise` by `pass`.

    Assignments are limited to those the function can run without: to an attribute or an item, or to
    a name that is set elsewhere too. Others would raise a NameError that gives the bug away.
    """
    node = site.node
    if isinstance(node, ast.AugAssign | ast.Raise | ast.Delete) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        return *source.span(node), b"pass"
    if isinstance(node, ast.Assign) and all(_dispensable(target, site) for target in node.targets):
        return *source.span(node), b"pass"
    return None


def body_removed(source: PythonSource, site: Site) -> Replacement:
    """Replace the body of a function by `pass`; its docstring stays."""
    body = site.definition.body
    if site.parent is not site.definition or site.node is not body[0]:
        return None
    rest = (
        body[1:]
        if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
        else body
    )
    if not rest or (len(rest) == 1 and isinstance(rest[0], ast.Pass | ast.Raise | ast.Expr)):
        return None
    start, end = source.span(rest[0])[0], source.span(rest[-1])[1]
    if (
        isinstance(rest[0], ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and rest[0].decorator_list
    ):
        start = source.span(rest[0].decorator_list[0])[0] - 1
    return start, end, b"pass"


def _dispensable(target: ast.expr, site: Site) -> bool:
    if isinstance(target, ast.Attribute | ast.Subscript):
        return True
    if not isinstance(target, ast.Name):
        return False
    arguments = site.definition.args
    given = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    if any(argument.arg == target.id for argument in given):
        return True
    stored = [
        n
        for n in ast.walk(site.definition)
        if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and n.id == target.id
    ]
    return len(stored) > 1
