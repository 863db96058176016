"""Hidden tests are cut from a suite with their decorators; everything else stays."""

from __future__ import annotations

import ast

from turnwise.envs.swe.tasks.trees import without

SUITE = b'''\
import pytest


@pytest.mark.parametrize("x", [1, 2])
def test_a(x):
    assert x

# between
def test_b(): assert True


class TestC:
    """Some."""

    def test_d(self):
        assert 1

    def helper(self): return 2

    class Inner:
        def test_e(self):
            assert 3


class TestMore(TestC):
    pass


if True:
    def test_f(): pass
'''
TREE = {
    "tests/test_x.py": SUITE,
    "pkg.py": b"def test_a(): pass\n",
    "tests/base.py": b"class Base:\n    def test_far(self):\n        pass\n",
}


def cut(*tests: str) -> str:
    found = without(tests, TREE)["tests/test_x.py"].decode()
    ast.parse(found)
    return found


def test_a_function_goes_with_its_decorators_and_parameters() -> None:
    found = cut("tests/test_x.py::test_a[1]", "tests/test_x.py::test_a[odd::id[x]]")
    assert found == SUITE.decode().replace(
        '@pytest.mark.parametrize("x", [1, 2])\ndef test_a(x):\n    assert x\n', ""
    )


def test_a_method_leaves_a_class_that_is_still_python() -> None:
    found = cut("tests/test_x.py::TestC::test_d", "tests/test_x.py::TestC::Inner::test_e")
    assert (
        "test_d" not in found
        and "test_e" not in found
        and "def helper" in found
        and "test_b" in found
    )


def test_what_is_inherited_goes_where_it_is_defined() -> None:
    assert "test_d" not in cut("tests/test_x.py::TestMore::test_d")
    found = without(["tests/test_x.py::TestFar::test_far"], TREE)
    assert b"test_far" not in found["tests/base.py"] and found["tests/test_x.py"] == SUITE
    ast.parse(found["tests/base.py"])


def test_a_test_that_no_function_makes_takes_its_file_along() -> None:
    assert "tests/test_x.py" not in without(["tests/test_x.py::test_generated"], TREE)


def test_only_test_files_are_cut() -> None:
    found = without(["tests/test_x.py::test_a[1]", "tests/test_x.py::test_f"], TREE)
    assert found["pkg.py"] == TREE["pkg.py"]
    assert b"test_f" not in found["tests/test_x.py"]
    ast.parse(found["tests/test_x.py"])


def test_nothing_is_cut_for_nothing() -> None:
    assert without([], TREE) == TREE
