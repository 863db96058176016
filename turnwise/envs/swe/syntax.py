"""Parsing by one thread at a time: CPython 3.11's parser keeps a count for all threads, and fails
now and then where two meet.

The failure is `SystemError: AST constructor recursion depth mismatch`; whoever parses in a thread
of a pool parses here.
"""

from __future__ import annotations

import ast
import threading

_ONE = threading.Lock()


def parse(source: str | bytes) -> ast.Module:
    """`ast.parse`. Raises what that raises: `SyntaxError`, and `ValueError` for a null byte."""
    with _ONE:
        return ast.parse(source)
