"""Python sources as bytes and syntax trees: functions, statements, and nodes that can be edited.

Positions are the parser's, so an edit replaces the bytes of one node and leaves comments, spacing
and line ends untouched.

All parsing goes through `parse`, which holds a lock: CPython 3.11's parser keeps a counter that all
threads share and fails occasionally with `SystemError: AST constructor recursion depth mismatch`.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

_ONE = threading.Lock()


def parse(source: str | bytes) -> ast.Module:
    """Return `ast.parse(source)`. Raises `SyntaxError`, or `ValueError` for a null byte."""
    with _ONE:
        return ast.parse(source)


Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Function:
    """A `def` with its decorators. Lines count from 1."""

    name: str
    """Qualified name, such as `Table.add`."""
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
    """A Python file as bytes and as a syntax tree.

    Raises:
        ValueError: if the parser's columns would not be byte offsets: an encoding other than UTF-8,
            a byte order mark, a form feed, or bare carriage returns.
        SyntaxError: if it is not Python.
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
        """Return the first byte of a node and the one after its last.

        Surrounding parentheses are left out.
        """
        at: Any = node
        first, last = self._lines[at.lineno - 1], self._lines[at.end_lineno - 1]
        return first + at.col_offset, last + at.end_col_offset

    def text(self, node: ast.AST) -> bytes:
        """Return the bytes of a node."""
        start, end = self.span(node)
        return self.data[start:end]


def functions(tree: ast.Module) -> Iterator[tuple[Function, Definition]]:
    """Yield every function of a module, outer ones before the ones they contain."""
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
    """Yield every node inside a function body, with the innermost function it is in.

    Skipped are decorators, defaults and annotations, which run when the function is defined;
    f-strings, whose parts have no exact positions in Python 3.11; and `if TYPE_CHECKING` blocks.
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
    """Return the first and last line of the innermost statement at byte `at`.

    For a compound one, return those of its header.
    """
    line = data.count(b"\n", 0, at) + 1
    found = (line, line)
    for first, last in _statements(data):  # outer statements come first
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
