"""Related functions: members of a class, callers and callees, across files."""

from __future__ import annotations

import ast

from turnwise.envs.swe.generate.mutations import called, relations
from turnwise.envs.swe.syntax import functions

ONE = """
def low(a): return a
def high(a): return low(a) + helper(a)
def alone(a): return len(a)
class Box:
    def put(self, x): return self
    def take(self): return high(1)
"""
TWO = """
import one
def helper(a): return a
def put(a): return one.high(a)
"""
TREES = {"one.py": ast.parse(ONE), "two.py": ast.parse(TWO)}


def test_relations() -> None:
    found = relations(TREES)
    assert found["one.py", "low"] == {("one.py", "high")}
    assert found["one.py", "high"] == {
        ("one.py", "low"),
        ("two.py", "helper"),
        ("one.py", "Box.take"),
        ("two.py", "put"),
    }
    assert found["one.py", "alone"] == frozenset()
    assert found["one.py", "Box.put"] == {("one.py", "Box.take")}


def test_relations_are_mutual() -> None:
    found = relations(TREES)
    assert all(key in found[other] for key, others in found.items() for other in others)


def test_a_name_of_two_functions_relates_to_neither() -> None:
    trees = {
        "a.py": ast.parse("def f(): return put(1)\nclass A:\n    def put(self): pass\n"),
        "b.py": ast.parse("def put(x): pass\n"),
    }
    assert relations(trees)["a.py", "f"] == frozenset()


def test_names_called() -> None:
    (_, definition) = next(functions(ast.parse("def f(x):\n    return a.b.c(d(x)[0]())\n")))
    assert called(definition) == {"c", "d"}
