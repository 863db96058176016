"""Two operators that take away: a statement that has an effect, or all that a function does."""

from __future__ import annotations

import ast

from turnwise.envs.swe.mutate.operators import Replacement
from turnwise.envs.swe.mutate.site import Site, Source


def statement_deleted(source: Source, site: Site) -> Replacement:
    """A call, an assignment or a `raise` is not there.

    An assignment counts where the function can go on without it: to an attribute or an item, or to
    a name that it sets elsewhere too. Otherwise the bug would be a NameError, which names itself.
    """
    node = site.node
    if isinstance(node, ast.AugAssign | ast.Raise | ast.Delete) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        return *source.span(node), b"pass"
    if isinstance(node, ast.Assign) and all(_dispensable(target, site) for target in node.targets):
        return *source.span(node), b"pass"
    return None


def body_removed(source: Source, site: Site) -> Replacement:
    """A function does nothing any more; its docstring stays."""
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
