"""Parsing in many threads."""

from __future__ import annotations

import ast
from concurrent.futures import ThreadPoolExecutor

import pytest

from turnwise.envs.swe.syntax import parse


def test_threads_get_what_one_gets() -> None:
    sources = [f"def f{k}(x):\n    return [x, {{{k}: (x, *range({k}))}}]\n" * 20 for k in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert [ast.dump(tree) for tree in pool.map(parse, sources)] == [
            ast.dump(ast.parse(source)) for source in sources
        ]


def test_a_syntax_error_is_raised_and_the_next_source_parsed() -> None:
    with pytest.raises(SyntaxError):
        parse(b"def")
    assert ast.unparse(parse(b"x = 1")) == "x = 1"
