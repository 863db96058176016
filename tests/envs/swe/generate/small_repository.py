"""A small repository whose tests depend on each other in every way a coverage map has to handle."""

from __future__ import annotations

from pathlib import Path

from turnwise.envs.swe.tasks.repository import Repository, from_directory

CODE = '''\
"""Small sums."""

from functools import lru_cache


def total(numbers):
    """The sum of some numbers."""
    result = 0
    for number in numbers:
        result += number
    return result


def clamp(value, low, high):
    if value < low:
        return low
    return high if value > high else value


def weight(n):
    return n * 2 + 1


@lru_cache(maxsize=None)
def heavy(n):
    return weight(n) + 1


class Bag:
    def __init__(self):
        self.items = []

    def put(self, item):
        self.items.append(item)
        return self

    def count(self):
        return total(1 for _ in self.items)


def unused(a, b):
    return a - b
'''
TESTS = """\
import subprocess
import sys
import unittest

import pytest

import sums


@pytest.fixture(scope="module")
def bag():
    return sums.Bag().put("a").put("b")


def test_total():
    assert sums.total([1, 2, 3]) == 6


@pytest.mark.parametrize("value,expected", [(5, 5), (-1, 0), (11, 10)])
def test_clamp(value, expected):
    assert sums.clamp(value, 0, 10) == expected


def test_heavy_first():
    assert sums.heavy(3) == 8


def test_heavy_again():
    assert sums.heavy(3) == 8


def test_bag_counts(bag):
    assert bag.count() == 2


def test_bag_again(bag):
    assert len(bag.items) == 2


def test_elsewhere():
    program = "import sums; print(sums.total([2, 2]))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "4\\n"


class TestOld(unittest.TestCase):
    def test_total_of_none(self):
        self.assertEqual(sums.total([]), 0)


@pytest.mark.skip
def test_never():
    assert False


def test_always_red():
    assert sums.total([1]) == 2
"""


def make(folder: Path) -> Repository:
    """Write the repository into a directory and read it."""
    home = folder / "sums-1.2"
    (home / "tests").mkdir(parents=True)
    (home / "sums.py").write_text(CODE)
    (home / "README.md").write_text("Small sums.\n")
    (home / "tests" / "test_sums.py").write_text(TESTS)
    return from_directory(home)
