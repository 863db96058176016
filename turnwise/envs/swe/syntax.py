"""Where in a file an edit can be made: nodes of the syntax tree that run inside a function, and the
bytes they stand in.

Positions are the parser's own, so an edit replaces the bytes of one node and leaves every other
byte of the file alone: comments, spacing and line ends included.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_ONE = threading.Lock()


def parse(source: str | bytes) -> ast.Module:
    """`ast.parse`. Raises what that raises: `SyntaxError`, and `ValueError` for a null byte."""
    with _ONE:
        return ast.parse(source)


Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Function:
    """A `def`, its decorators included. Lines count from 1."""

    name: str
    """Qualified, such as `Table.add`."""
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Site:
    """A node that runs when `function` is called."""

    node: ast.AST
    parent: ast.AST
    function: Function
    definition: Definition


class PythonSource:
    """A Python file as bytes and as a tree.

    Raises:
        ValueError: where the parser's columns would not be offsets into these bytes: other
            encodings than UTF-8, a byte order mark, line ends of carriage returns alone.
        SyntaxError: where it is not Python.
    """

    def __init__(self, data: bytes) -> None:
        if (
            data.startswith(b"\xef\xbb\xbf")
            or b"\r" in data.replace(b"\r\n", b"")
            or b"\x0c" in data
        ):
            raise ValueError("a byte order mark, a form feed or bare carriage returns")
        data.decode("utf8")
        self.data = data
        self.tree = parse(data)
        self._lines = [0]
        for line in data.split(b"\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)

    def span(self, node: ast.AST) -> tuple[int, int]:
        """First byte of a node, and the one after its last. Parentheses around an expression are
        not part of it.
        """
        where = node.lineno, node.col_offset, node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]
        return self._lines[where[0] - 1] + where[1], self._lines[where[2] - 1] + where[3]

    def text(self, node: ast.AST) -> bytes:
        """The bytes of a node."""
        start, end = self.span(node)
        return self.data[start:end]


def functions(tree: ast.Module) -> Iterator[tuple[Function, Definition]]:
    """Every function of a module, outer ones before those inside them."""
    stack: list[tuple[ast.AST, str]] = [(tree, "")]
    while stack:
        node, outer = stack.pop(0)
        for child in ast.iter_child_nodes(node):
            name = outer
            if isinstance(child, Definition | ast.ClassDef):
                name = f"{outer}.{child.name}" if outer else child.name
            if isinstance(child, Definition):
                first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
                yield Function(name, first, child.end_lineno or child.lineno), child
            stack.append((child, name))


def sites(source: PythonSource) -> Iterator[Site]:
    """Every node inside the body of a function, by the innermost function it is in.

    Left out are decorators, defaults and annotations, which run when the function is defined;
    strings, f-strings too (the parser of Python 3.11 does not know where their parts stand); and
    tests of types that only a checker runs.
    """
    for function, definition in functions(source.tree):
        body: list[tuple[ast.AST, ast.AST]] = [(child, definition) for child in definition.body]
        while body:
            node, parent = body.pop(0)
            if isinstance(node, Definition | ast.ClassDef | ast.JoinedStr) or _typing_only(node):
                continue
            yield Site(node, parent, function, definition)
            body[:0] = [(child, node) for child in ast.iter_child_nodes(node)]


def _typing_only(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def statement(data: bytes, at: int) -> tuple[int, int]:
    """First and last line of the innermost statement that holds byte `at`; of one with statements
    inside, those of its head.
    """
    line = data.count(b"\n", 0, at) + 1
    found = (line, line)
    for first, last in _statements(data):  # outer ones before those inside them
        if first <= line <= last:
            found = (first, last)
    return found


@lru_cache(maxsize=64)
def _statements(data: bytes) -> tuple[tuple[int, int], ...]:
    found = []
    for node in ast.walk(parse(data)):
        if isinstance(node, ast.stmt):
            inner = [
                child.lineno for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)
            ]
            last = max(node.lineno, min(inner) - 1) if inner else node.end_lineno or node.lineno
            found.append((node.lineno, last))
    return tuple(found)
