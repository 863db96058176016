"""Names of a source: what they were imported as, and which classes are kinds of values."""

from __future__ import annotations

import ast

import pytest

from turnwise.envs.swe.grading.scope import defined, file_scope

SOURCE = """
import os
import os.path as p
import sys as s
from unittest import TestCase as T, mock
from . import relative
o = os


class A(str): ...
class B(A): ...
class C(B, list): ...
class D: ...
class E(type("")): ...
class F("".__class__): ...
class G(dict[str, int]): ...
class H(collections.OrderedDict): ...
Alias = int
class I(Alias): ...
Computed = type("")
class J(Computed): ...


def f(T, json):
    for mock in json: pass
"""


@pytest.mark.parametrize(
    "text, whole",
    [
        ("os.path.join", "os.path.join"),
        ("o.fork", "os.fork"),
        ("p.join", "os.path.join"),
        ("s.modules", "sys.modules"),
        ("T.run", ""),
        ("mock", ""),
        ("relative", ""),
        ("json", ""),
        ("f().x", ""),
        ("unknown", ""),
    ],
)
def test_names_are_what_they_were_imported_as_unless_bound_otherwise(text: str, whole: str) -> None:
    assert file_scope(ast.parse(SOURCE)).dotted(ast.parse(text, mode="eval").body) == whole


def test_classes_below_values_are_known_through_any_number_of_others() -> None:
    assert file_scope(ast.parse(SOURCE)).values == frozenset("ABCEFGHIJ") | {"Alias", "Computed"}


@pytest.mark.parametrize(
    "text, whole", [("str", "str"), ("os.environ", "os.environ"), ("numpy.array", ""), ("own", "")]
)
def test_foreign_is_the_library_and_what_is_built_in(text: str, whole: str) -> None:
    names = file_scope(ast.parse("import os, numpy\nfrom .x import own"))
    assert names.foreign(ast.parse(text, mode="eval").body) == whole


def test_what_a_class_defines_is_found_under_conditions_too() -> None:
    body = """
class X:
    a = b = 1
    c: int = 2
    if True:
        def d(self): pass
        from y import e as f
    else:
        g, h = 1, 2
    try:
        class I: inner = 1
    except KeyError:
        j = 1
    def k(self):
        local = 1
"""
    node = ast.parse(body).body[0]
    assert isinstance(node, ast.ClassDef) and set(defined(node)) == set("abcdfghIjk")
