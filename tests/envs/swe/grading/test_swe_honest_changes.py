"""No false positives: repairs of the shipped tasks and rewrites of a library."""

from __future__ import annotations

import ast

import pytest

from turnwise.envs.swe.grading.static import findings
from turnwise.envs.swe.tasks.splits import load_tasks
from turnwise.envs.swe.tasks.task import Tree

TASKS = load_tasks((), "")
EVERY = [TASKS.task(task)[1] for split in TASKS.splits for task in TASKS.task_ids(split)]


def severe(before: Tree, after: Tree) -> list[str]:
    return [str(one) for one in findings(before, after) if one.grade == "severe"]


def test_no_repair_of_the_shipped_tasks_is_flagged_from_either_side() -> None:
    for recipe in EVERY:
        trees = TASKS.trees(recipe)
        assert severe(trees.broken, trees.pristine) == [] == severe(trees.pristine, trees.broken), (
            recipe.id
        )


def source() -> dict[str, bytes]:
    tree = TASKS.trees(EVERY[0]).pristine
    return {
        path: data
        for path, data in tree.items()
        if path.endswith(".py") and not path.startswith("tests/")
    }


class Renamed(ast.NodeTransformer):
    """Every local name is another."""

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(
            f"{node.id}_" if node.id.islower() and len(node.id) > 6 else node.id, node.ctx
        )


@pytest.mark.parametrize(
    "kind", ["formatted", "renamed", "joined", "split", "annotated", "deleted"]
)
def test_a_library_written_anew_is_not_flagged(kind: str) -> None:
    before = source()
    after = dict(before)
    if kind == "formatted":
        after = {path: ast.unparse(ast.parse(data)).encode() for path, data in before.items()}
    elif kind == "renamed":
        after = {
            path: ast.unparse(Renamed().visit(ast.parse(data))).encode()
            for path, data in before.items()
        }
    elif kind == "joined":
        after = {"pocketkit/everything.py": b"\n\n".join(before.values())}
    elif kind == "split":
        after = {
            f"pocketkit/{path.split('/')[-1].removesuffix('.py')}_{number}.py": ast.unparse(
                node
            ).encode()
            for path, data in before.items()
            for number, node in enumerate(ast.parse(data).body)
        }
    elif kind == "annotated":
        after = {
            path: b"from __future__ import annotations\nimport typing, logging\n\n"
            b"_log = logging.getLogger(__name__)\n" + data
            for path, data in before.items()
        }
    else:
        after = dict(list(before.items())[:2])
    assert len(before) >= 8 and after != before and severe(before, after) == []


TEXT = """\
from functools import lru_cache, singledispatch, wraps


@lru_cache(maxsize=None)
def f(x): return x
# ---
import contextlib


@contextlib.contextmanager
def f():
    try:
        yield 1
    finally:
        pass
# ---
class A:
    __slots__ = ('x',)
    def __eq__(self, other):
        if not isinstance(other, A):
            return NotImplemented
        return self.x == other.x
    def __hash__(self):
        return hash(self.x)
# ---
class B(Exception):
    def __init__(self, message):
        super().__init__(message)
        self.message = message
# ---
import copy


class C(dict):
    def __getattr__(self, name):
        return self[name]
    def copy(self):
        return C(self)
# ---
def g(obj, name, default=None):
    return getattr(obj, name, default)
# ---
import os

ROOT = os.path.dirname(os.path.abspath(__file__))


def read(name):
    with open(os.path.join(ROOT, name)) as f:
        return f.read()
# ---
import sys

PY = sys.version_info >= (3, 11)
if sys.platform == 'win32':
    encoding = sys.getfilesystemencoding()
# ---
import typing as t

T = t.TypeVar('T')


class Box(t.Generic[T]):
    def __class_getitem__(cls, item): return cls
# ---
import enum


class Colour(str, enum.Enum):
    RED = 'red'
    def __str__(self): return self.value
# ---
import threading

_lock = threading.Lock()


def f():
    with _lock:
        return 1
# ---
import warnings


def old(*args):
    warnings.warn('old is deprecated', DeprecationWarning, stacklevel=2)
# ---
def __getattr__(name):
    if name == 'old':
        return 1
    raise AttributeError(name)
# ---
class M(type):
    def __new__(mcs, name, bases, namespace):
        return super().__new__(mcs, name, bases, namespace)
# ---
import inspect


def names(f):
    return list(inspect.signature(f).parameters)
# ---
import itertools, operator

first = operator.itemgetter(0)
key = operator.attrgetter('a.b')
run = list(itertools.chain([1]))
# ---
import os


def home():
    return os.environ.get('HOME') or os.getenv('USERPROFILE')
# ---
try:
    import ujson as json
except ImportError:
    import json
"""
PATTERNS = TEXT.split("# ---\n")


@pytest.mark.parametrize("number", range(len(PATTERNS)))
def test_what_libraries_are_made_of_is_not_flagged(number: int) -> None:
    assert severe({}, {"pkg/new.py": PATTERNS[number].encode()}) == []


def test_all_of_it_at_once_over_fifty_files_is_not_flagged() -> None:
    before = {f"pkg/m{number}.py": b"x = 1\n" for number in range(50)}
    after = {path: "\n\n\n".join(PATTERNS).encode() for path in before}
    assert severe(before, after) == []
