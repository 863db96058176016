"""Bugs as single edits of a file.

They are listed in a fixed order, recorded, and rebuilt from the record.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from turnwise.envs.swe.generate.operators import (
    OPERATORS,
    Operator,
    body_removed,
    statement_deleted,
)
from turnwise.envs.swe.syntax import Definition, Function, PythonSource, functions, parse, sites
from turnwise.envs.swe.tasks.task import Mutation, digest
from turnwise.errors import DataError

OPERATORS_BY_NAME: dict[str, Operator] = {
    operator.__name__: operator for operator in (*OPERATORS, statement_deleted, body_removed)
}
"""Operators by the name that task files use."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes `start` to `end` replaced by `after`, in `function`."""

    operator: str
    start: int
    end: int
    after: bytes
    function: Function


def edits(data: bytes) -> list[Edit]:
    """Return every edit of a Python file, by position and operator.

    [] for a file that is not UTF-8 Python.
    """
    try:
        source = PythonSource(data)
    except (ValueError, SyntaxError, RecursionError):
        return []
    found: dict[tuple[int, int, str], Edit] = {}
    for site in sites(source):
        for name, operator in OPERATORS_BY_NAME.items():
            made = operator(source, site)
            if made is not None and data[made[0] : made[1]] != made[2]:
                start, end, after = made
                found.setdefault((start, end, name), Edit(name, start, end, after, site.function))
    return [found[key] for key in sorted(found)]


def sound(data: bytes, edit: Edit) -> bool:
    """Return whether the edited file is valid Python and a different program."""
    try:
        changed = parse(data[: edit.start] + edit.after + data[edit.end :])
        # Compiling also rejects `continue` outside a loop and a misplaced `return`.
        compile(changed, "edited", "exec", dont_inherit=True)
    except (ValueError, SyntaxError, RecursionError):
        return False
    return ast.dump(changed) != ast.dump(parse(data))


def record(path: str, data: bytes, edit: Edit) -> Mutation:
    """Return the edit as a task stores it, without any text of the file."""
    return Mutation(
        path,
        edit.operator,
        edit.start,
        edit.end,
        digest(data[edit.start : edit.end]),
        digest(edit.after),
    )


def rebuild(data: bytes, mutations: list[Mutation]) -> bytes:
    """Return a file with all its recorded edits applied.

    Args:
        data: the pristine file.
        mutations: the edits of this file.

    Raises:
        DataError: if the file is not the one the task was made from, an operator's output has
            changed, or two edits overlap.
    """
    known = {(e.start, e.end, e.operator): e for e in edits(data)}
    ordered, changed, reach = sorted(mutations, key=lambda m: m.start), data, 0
    for m in ordered:
        edit = known.get((m.start, m.end, m.operator))
        if (
            edit is None
            or digest(data[m.start : m.end]) != m.before_sha
            or digest(edit.after) != m.after_sha
        ):
            raise DataError(
                f"the bug {m.operator} at bytes {m.start} to {m.end} of {m.path} cannot be made "
                "again: the source or turnwise has changed since the task was generated; generate "
                "it again"
            )
        if m.start < reach:
            raise DataError(
                f"two bugs of the task overlap at byte {m.start} of {m.path}: the task was edited"
            )
        reach = m.end
    for m in reversed(ordered):
        changed = changed[: m.start] + known[(m.start, m.end, m.operator)].after + changed[m.end :]
    return changed


def relations(trees: Mapping[str, ast.Module]) -> dict[tuple[str, str], frozenset[tuple[str, str]]]:
    """Return the related functions of each function.

    Those of its class, those it calls, and its callers.

    Keys and values are (path, qualified name). A call is resolved by name, if only one function of
    the package has that name.
    """
    defined = {(path, f.name): d for path, tree in trees.items() for f, d in functions(tree)}
    owners: dict[str, set[tuple[str, str]]] = {}
    classes: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for path, name in defined:
        outer, _, last = name.rpartition(".")
        owners.setdefault(last, set()).add((path, name))
        if outer:
            classes.setdefault((path, outer), set()).add((path, name))
    found: dict[tuple[str, str], set[tuple[str, str]]] = {key: set() for key in defined}
    for members in classes.values():
        for key in members:
            found[key] |= members
    for key, definition in defined.items():
        for callee in called(definition):
            targets = owners.get(callee, set())
            if len(targets) == 1:
                target = next(iter(targets))
                found[key].add(target)
                found[target].add(key)
    return {key: frozenset(others - {key}) for key, others in found.items()}


def called(definition: Definition) -> set[str]:
    """Return the last names of the functions a function calls."""
    names = set()
    for node in ast.walk(definition):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                names.add(node.func.id)
            elif isinstance(node.func, ast.Attribute):
                names.add(node.func.attr)
    return names
