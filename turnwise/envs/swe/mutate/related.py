"""Which functions belong together, so that several bugs make one problem and not several: a class,
or one calling the other.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from turnwise.envs.swe.mutate.site import Definition, functions


def relations(trees: Mapping[str, ast.Module]) -> dict[tuple[str, str], frozenset[tuple[str, str]]]:
    """Related functions of a package: (path, qualified name) -> those of the same class, those it
    calls, those that call it.

    A call is known by its name alone, where only one function of the package has that name.
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
    """Last names of what a function calls."""
    names = set()
    for node in ast.walk(definition):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                names.add(node.func.id)
            elif isinstance(node.func, ast.Attribute):
                names.add(node.func.attr)
    return names
