"""Names of a source file.

Modules under other names, and classes that derive from built-in values.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass

BUILTIN = frozenset({
    "str", "bytes", "int", "float", "complex", "bool", "list", "tuple", "dict", "set",
    "frozenset", "object", "type", "bytearray",
})  # fmt: skip
VALUES = BUILTIN - {"object"} | {
    "UserString",
    "UserList",
    "UserDict",
    "OrderedDict",
    "defaultdict",
    "Counter",
    "deque",
}
"""Classes whose equality tests rely on."""
LIBRARY = sys.stdlib_module_names | {"pytest", "_pytest", "pluggy"}


@dataclass(frozen=True, slots=True)
class FileScope:
    """Names of one file and what they refer to."""

    modules: dict[str, str]
    """Name -> what it imports, such as `sys` or `unittest.TestCase`; without names that are also
    bound otherwise.
    """
    values: frozenset[str]
    """Classes and other names that stand for a built-in value type."""
    comparing: dict[str, frozenset[str]]
    """Class -> the methods it defines itself."""

    def dotted(self, node: ast.expr) -> str:
        """Return the imported object an expression names, such as `sys.modules`, or ""."""
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value)
            return f"{base}.{node.attr}" if base else ""
        return self.modules.get(node.id, "") if isinstance(node, ast.Name) else ""

    def foreign(self, node: ast.expr) -> str:
        """Return `dotted(node)`, for the standard library, the test runner and built-in types."""
        if isinstance(node, ast.Name) and node.id in BUILTIN:
            return node.id
        name = self.dotted(node)
        return name if name.partition(".")[0] in LIBRARY else ""

    def valued(self, base: ast.expr) -> str:
        """Return the kind of value that a base class is, or ""."""
        if isinstance(base, ast.Subscript):
            return self.valued(base.value)
        name = (
            base.id
            if isinstance(base, ast.Name)
            else base.attr
            if isinstance(base, ast.Attribute)
            else ""
        )
        if name in self.values or name in VALUES:
            return name
        computed = (
            isinstance(base, ast.Call)
            and isinstance(base.func, ast.Name)
            and base.func.id == "type"
        )
        return "a computed type" if computed or name == "__class__" else ""


def file_scope(tree: ast.Module) -> FileScope:
    """Return the names of a file."""
    modules: dict[str, str] = {}
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {
                alias.asname or alias.name.partition(".")[0]: _whole(alias) for alias in node.names
            }
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules |= {
                alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names
            }
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    for node in ast.walk(tree):  # `o = os` adds a name
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Name)
            and node.value.id in modules
        ):
            again = {target.id for target in node.targets if isinstance(target, ast.Name)}
            modules |= dict.fromkeys(again, modules[node.value.id])
            bound -= again
    kept = {name: whole for name, whole in modules.items() if name not in bound}
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return FileScope(
        kept, _values(tree, classes), {node.name: frozenset(defined(node)) for node in classes}
    )


def _whole(alias: ast.alias) -> str:
    return alias.name if alias.asname else alias.name.partition(".")[0]


def _values(tree: ast.Module, classes: list[ast.ClassDef]) -> frozenset[str]:
    """Return the classes below a kind of value, and other names for one."""
    found: set[str] = set()
    renamed = [
        (target.id, node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]
    grown = True
    while grown:
        known = FileScope({}, frozenset(found), {})
        below = {node.name for node in classes if any(known.valued(base) for base in node.bases)}
        below |= {
            name
            for name, value in renamed
            if isinstance(value, (ast.Name, ast.Call)) and known.valued(value)
        }
        grown = not below <= found
        found |= below
    return frozenset(found)


def defined(node: ast.ClassDef) -> Iterator[str]:
    """Yield the names that the body of a class defines, including conditional ones."""
    todo: list[ast.AST] = list(node.body)
    while todo:
        inner = todo.pop()
        if isinstance(inner, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield inner.name
            continue
        if isinstance(inner, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            targets = inner.targets if isinstance(inner, ast.Assign) else [inner.target]
            yield from (
                name.id
                for target in targets
                for name in ast.walk(target)
                if isinstance(name, ast.Name)
            )
        elif isinstance(inner, (ast.Import, ast.ImportFrom)):
            yield from (alias.asname or alias.name for alias in inner.names)
        else:
            todo += [
                child
                for child in ast.iter_child_nodes(inner)
                if isinstance(child, (ast.stmt, ast.excepthandler))
            ]
