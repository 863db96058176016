"""Canaries look like the tests beside them and fail where those pass."""

from __future__ import annotations

import ast
import random

import pytest

from tests.envs.swe.grading.swe_cheats import PRISTINE
from turnwise.envs.swe.grading.canaries import WORDS, Planted, TwinSource, plant, twin_candidates
from turnwise.envs.swe.grading.canaries import tests_of as real_tests

PATH = "tests/test_words.py"
SOURCE = PRISTINE[PATH]


def planted(seed: int = 0, source: bytes = SOURCE) -> Planted:
    return plant({PATH: source}, twin_candidates(PATH, source), random.Random(seed))


def test_tests_that_compare_can_have_twins() -> None:
    names = [place.name for place in twin_candidates(PATH, SOURCE)]
    assert (
        "test_title_words" in names
        and "TestTally::test_top" in names
        and "TestTally::test_add_chain" not in names
    )
    assert twin_candidates(
        "x.py",
        b"def test_a(self):\n    self.assertEqual(f(), 1)\n\ndef test_b():\n    assert f()\n",
    ) == [TwinSource("x.py", "test_a")]
    assert twin_candidates("x.py", b"def") == []


def test_every_real_test_is_still_there_once_among_the_canaries() -> None:
    made = planted()
    before = [name for name, _ in real_tests(ast.parse(SOURCE))]
    after = [name for name, _ in real_tests(ast.parse(made.files[PATH]))]
    added = {name for _, name in made.plain} | {name for _, name in made.twins}
    assert (
        len(after) == len(set(after))
        and set(after) == set(before) | added
        and not set(before) & added
    )
    assert len(made.plain) == 1 and len(made.twins) == len(twin_candidates(PATH, SOURCE))


def test_names_are_drawn_anew_and_know_their_parameters() -> None:
    one, two = planted(1), planted(2)
    assert set(one.twins) != set(two.twins)
    path, name = next(iter(one.twins))
    assert one.canary(f"{path}::{name}") == one.canary(f"{path}::{name}[a::b]") == (path, name)
    assert one.canary(f"{PATH}::test_title_words") is None


def test_no_canary_stands_in_the_place_of_an_inherited_test() -> None:
    source = (
        b"from mixins import Shared\n\n\nclass TestOwn(Shared):\n"
        b"    def test_x(self):\n"
        b"        assert f() == "
        b"1\n"
    )
    singles = [f"test_{word}" for word in WORDS]
    inherited = {*singles, *(f"{one}_{word}" for one in singles for word in WORDS)}
    for seed in range(20):
        ids = [f"t.py::TestOwn::{name}[1]" for name in inherited]
        made = plant(
            {"t.py": source}, [TwinSource("t.py", "TestOwn::test_x")], random.Random(seed), ids
        )
        names = {name.rpartition("::")[2] for _, name in (*made.plain, *made.twins)}
        assert len(names) == 2 and not names & inherited


@pytest.mark.parametrize(
    "comparison, passes",
    [
        ("f(1) == 2", "2"),
        ("f('a') == 'b'", "'b'"),
        ("f() == [1]", "[1]"),
        ("f() == expected", "(1, 2)"),
        ("f() == {}", "{}"),
    ],
)
def test_a_twin_fails_for_the_right_value_and_passes_for_what_equals_everything(
    comparison: str, passes: str
) -> None:
    source = f"expected = (1, 2)\n\n\ndef test_x():\n    assert {comparison}\n".encode()
    made = plant({"t.py": source}, [TwinSource("t.py", "test_x")], random.Random(3))
    ((_, name),) = made.twins

    class Everything:
        def __eq__(self, other: object) -> bool:
            return True

    for value, fails in ((eval(passes), True), (Everything(), False)):
        space: dict[str, object] = {"f": lambda *_, value=value: value}
        exec(made.files["t.py"], space)
        test = space[name]
        assert callable(test)
        if fails:
            with pytest.raises(AssertionError):
                test()
        else:
            test()


def test_what_is_no_python_is_left_as_it_is() -> None:
    assert plant({"a.py": b"def"}, [], random.Random(0)) == Planted(
        {"a.py": b"def"}, frozenset(), {}
    )


@pytest.mark.parametrize("seed", range(20))
def test_wherever_they_stand_the_file_is_still_python(seed: int) -> None:
    head = (
        b'import os\n\n@property\ndef test_a():\n    """Words\n    more."""\n'
        b'    x = """a\n'
        b'b"""\n'
        b'    assert x == "c"\n'
    )
    source = head + b"\n\nclass TestB:\n    def test_c(self):\n        assert 1 == 1\n"
    made = planted(seed, source)
    ast.parse(made.files[PATH])
    assert len(made.twins) == 2 and len(made.plain) == 1
