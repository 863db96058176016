"""Edits of each operator, code they leave alone, and rebuilding from records."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import turnwise.envs.swe as package
from turnwise.envs.swe.generate.mutations import OPERATORS_BY_NAME, edits, rebuild, record, sound
from turnwise.envs.swe.generate.operators import OPERATORS
from turnwise.envs.swe.syntax import PythonSource, functions, statement
from turnwise.errors import DataError


def made(operator: str, body: str, arguments: str = "a, b, c") -> list[str]:
    """What an operator makes of a function with this body: the body again, once for each edit."""
    head = f"def f({arguments}):\n    "
    data = (head + body.replace("\n", "\n    ") + "\n").encode()
    results = []
    for edit in edits(data):
        if edit.operator == operator:
            assert sound(data, edit)
            results.append(
                rebuild(data, [record("f.py", data, edit)])
                .decode()
                .removeprefix(head)
                .replace("\n    ", "\n")
                .rstrip("\n")
            )
    return results


@pytest.mark.parametrize(
    ("operator", "body", "expected"),
    [
        ("compare_flip", "return a  <  b  # low", ["return a  <=  b  # low"]),
        ("compare_flip", "return a is b", ["return a is not b"]),
        ("compare_flip", "return a not   in b", ["return a in b"]),
        ("compare_flip", "return (a)in b", []),
        ("compare_flip", "return a[0]in b", ["return a[0] not in b"]),
        ("compare_flip", "return a < b < c", []),
        ("arithmetic_swap", "return a+b", ["return a-b"]),
        ("arithmetic_swap", "return 'x' + b", []),
        ("arithmetic_swap", "return '%s' % b", []),
        ("arithmetic_swap", "return f'{a}' + b", []),
        ("boolean_swap", "return a and b and c", ["return a or b and c"]),
        ("not_dropped", "return not  a.b", ["return a.b"]),
        (
            "integer_off_by_one",
            "return a[1:], 0x10, 50, -1, 1.5, True",
            [
                "return a[2:], 0x10, 50, -1, 1.5, True",
                "return a[1:], 17, 50, -1, 1.5, True",
                "return a[1:], 0x10, 50, -2, 1.5, True",
            ],
        ),
        ("boolean_flip", "g(flag=True)", ["g(flag=False)"]),
        (
            "condition_negated",
            "if a: return b\nelif c: return a",
            ["if not (a): return b\nelif c: return a", "if a: return b\nelif not (c): return a"],
        ),
        ("branch_dropped", "if a:\n    b = 1\nreturn b", ["pass\nreturn b"]),
        ("branch_dropped", "if a:\n    b = 1\nelse:\n    b = 2", []),
        ("return_none", "return (a,\n    b)", ["return None"]),
        ("return_none", "return 3", []),
        ("loop_exit_swapped", "for x in a:\n    break", ["for x in a:\n    continue"]),
        ("loop_exit_swapped", "for x in a:\n    continue", ["for x in a:\n    break"]),
        ("arguments_swapped", "g(a,  b, key=c)", ["g(b,  a, key=c)"]),
        ("arguments_swapped", "g(*a, b)", []),
        ("ternary_swapped", "return a if b else c", ["return c if b else a"]),
        ("statement_deleted", "a.x = b", ["pass"]),
        ("statement_deleted", "x = 1\nreturn x", []),
        (
            "statement_deleted",
            "x = 1\nx = 2\nreturn x",
            ["pass\nx = 2\nreturn x", "x = 1\npass\nreturn x"],
        ),
        ("statement_deleted", "a = a or 1\nreturn a", ["pass\nreturn a"]),
        ("statement_deleted", "b += 1; g(a)", ["pass; g(a)", "b += 1; pass"]),
        ("statement_deleted", "raise ValueError(a)", ["pass"]),
        ("body_removed", '"""What it does."""\nx = a\nreturn x', ['"""What it does."""\npass']),
        ("body_removed", "pass", []),
    ],
)
def test_what_an_operator_writes(operator: str, body: str, expected: list[str]) -> None:
    assert sorted(made(operator, body)) == sorted(expected)


def test_there_are_twelve_operators_and_two_that_take_away() -> None:
    assert len(OPERATORS) == 12
    assert set(OPERATORS_BY_NAME) - {operator.__name__ for operator in OPERATORS} == {
        "statement_deleted",
        "body_removed",
    }


def test_only_bodies_of_functions_are_edited() -> None:
    data = b"LIMIT = 1 + 2\n@deco(1)\ndef f(a=3) -> g(4):\n    return a\nclass C:\n    x = not y\n"
    assert [(e.operator, e.function.name) for e in edits(data)] == [
        ("body_removed", "f"),
        ("return_none", "f"),
    ]


def test_parts_of_f_strings_are_left_alone() -> None:
    assert {e.operator for e in edits(b"def f(a):\n    return f'{a + 1}'\n")} == {
        "return_none",
        "body_removed",
    }


def test_an_edit_belongs_to_the_innermost_function() -> None:
    data = (
        b"class A:\n    @wraps\n    def outer(self):\n"
        b"        def inner(x):\n"
        b"            return x + 1\n"
        b"        return inner\n"
    )
    sums = [e for e in edits(data) if e.operator == "arithmetic_swap"]
    assert [(e.function.name, e.function.first, e.function.last) for e in sums] == [
        ("A.outer.inner", 4, 5)
    ]
    names = {f.name: (f.first, f.last) for f, _ in functions(ast.parse(data))}
    assert names == {"A.outer": (2, 6), "A.outer.inner": (4, 5)}


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfdef f(): return g()\n",
        b"# coding: latin-1\n\xe9 = 1\n",
        b"def f(:\n",
        b"def f():\r return g()\n",
        b"a\x00b",
    ],
)
def test_files_whose_positions_are_unsure_are_not_touched(data: bytes) -> None:
    assert edits(data) == []


def test_every_other_byte_stays_as_it_is() -> None:
    data = 'def f(a):\r\n    "é"  # ü\r\n\treturn_ = "ß", a + 1  # keep\r\n'.replace(
        "\t", "    "
    ).encode()
    (edit,) = [e for e in edits(data) if e.operator == "arithmetic_swap"]
    changed = rebuild(data, [record("f.py", data, edit)])
    assert changed == data.replace(b"a + 1", b"a - 1")


def test_edits_that_change_nothing_or_are_not_python_are_not_sound() -> None:
    data = b"def f(a):\n    for x in a:\n        if x: break\n"
    (edit,) = [e for e in edits(data) if e.operator == "loop_exit_swapped"]
    assert sound(data, edit)
    assert not sound(data, dataclasses.replace(edit, after=b"break"))
    assert not sound(data, dataclasses.replace(edit, after=b"break break"))
    outside = b"def f(a):\n    if a: return\n"
    (edit,) = [e for e in edits(outside) if e.operator == "branch_dropped"]
    assert not sound(outside, dataclasses.replace(edit, after=b"continue"))


def test_several_edits_of_a_file_are_made_together_and_overlaps_refused() -> None:
    data = b"def f(a, b):\n    if a < b:\n        return a + b\n    return a - b\n"
    every = {e.operator: record("f.py", data, e) for e in edits(data)}
    both = rebuild(data, [every["compare_flip"], every["arithmetic_swap"]])
    assert both.count(b"<=") == 1 and both != data and len(both) == len(data) + 1
    with pytest.raises(DataError, match="overlap"):
        rebuild(data, [every["compare_flip"], every["condition_negated"]])


def test_another_source_or_an_edited_recipe_is_refused() -> None:
    data = b"def f(a):\n    return a + 1\n"
    known = next(record("f.py", data, e) for e in edits(data) if e.operator == "arithmetic_swap")
    for data_now, now in [
        (data.replace(b"a + 1", b"a * 1"), known),
        (data, dataclasses.replace(known, operator="explode")),
        (data, dataclasses.replace(known, start=known.start + 1)),
        (data, dataclasses.replace(known, before_sha="0" * 64)),
        (data, dataclasses.replace(known, after_sha="0" * 64)),
    ]:
        with pytest.raises(DataError, match="cannot be made again"):
            rebuild(data_now, [now])


def test_a_recipe_holds_none_of_the_files_words() -> None:
    data = b"def secret_name(a):\n    if hidden_value(a): return other_word(a, a + 1)\n"
    text = repr([record("f.py", data, e) for e in edits(data)])
    assert not re.search("secret|hidden|other_word", text)


@pytest.mark.parametrize(
    "path", sorted(Path(package.__file__).parent.rglob("mutate/*.py")), ids=lambda p: p.stem
)
def test_every_edit_of_real_code_is_made_again_and_undone(path: Path) -> None:
    data = path.read_bytes()
    found = edits(data)
    assert found == edits(data)
    assert len({(e.start, e.end, e.operator) for e in found}) == len(found)
    for edit in found[::7]:
        changed = rebuild(data, [record(path.name, data, edit)])
        assert changed[: edit.start] == data[: edit.start]
        assert changed[edit.start + len(edit.after) :] == data[edit.end :]
        assert (
            changed[: edit.start]
            + data[edit.start : edit.end]
            + changed[edit.start + len(edit.after) :]
            == data
        )


EXPRESSIONS = st.recursive(
    st.sampled_from(["a", "b", "1", "True", "'é'", "f(a, b)", "(not a)", "a[1:2]"]),
    lambda inner: st.one_of(
        st.tuples(
            inner, st.sampled_from(["+", "-", "<", "==", "and", "or", " in ", "is not"]), inner
        )
        .map(" ".join)
        .map("({})".format),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
        st.tuples(inner, inner).map(lambda t: f"g({t[0]},{t[1]})"),
    ),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(EXPRESSIONS)
def test_whatever_an_edit_is_made_in_stays_python(expression: str) -> None:
    data = f"def h(a, b):\n    x = {expression}\n    return {expression}\n".encode()
    PythonSource(data)
    for edit in edits(data):
        ast.parse(rebuild(data, [record("h.py", data, edit)]))


HEADS = b"""def f(a,
      b):
    if (a and
            b):
        x = (1 +
             2)
    elif b:
        return [
            a]
    try:
        return x
    except E: pass
"""


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (b"a and", (3, 4)),
        (b"2)", (5, 6)),
        (b"elif b", (7, 7)),
        (b"a]", (8, 9)),
        (b"return x", (11, 11)),
        (b"try", (10, 10)),
        (b"pass", (12, 12)),
        (b"b):\n    if", (1, 2)),
    ],
)
def test_the_statement_that_holds_a_place(text: bytes, lines: tuple[int, int]) -> None:
    assert statement(HEADS, HEADS.index(text)) == lines
