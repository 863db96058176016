"""Parsing of actions, as in the original."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.webshop.navigation import ShopAction, as_action, parse


@pytest.mark.parametrize(
    ("action", "name", "argument"),
    [
        ("search[Red Shoes]", "search", "red shoes"),
        ("click[Buy Now]", "click", "buy now"),
        ("click[a[b]]", "click[a", "b]"),
        ("click[x] and then", "click", "x"),
        ("click[x] search[y]", "click[x] search", "y"),
        (" click [x]", " click ", "x"),
        ("Search[x]", "Search", "x"),
        ("search[ ]", "search", " "),
        ("click[x]\nclick[y]", "click", "x"),
    ],
)
def test_calls(action: str, name: str, argument: str) -> None:
    assert parse(action) == ShopAction(name, argument)


@pytest.mark.parametrize(
    "action",
    ["", "click", "click[]", "[x]", "buy now", "x\nsearch[shoes]", "click[a\nb]", "click[x"],
)
def test_no_calls(action: str) -> None:
    assert parse(action) is None


@given(st.text(alphabet="ab[]\n <>", max_size=20))
def test_it_is_the_originals_expression(action: str) -> None:
    match = re.match(re.compile(r"(.+)\[(.+)\]"), action)
    call = parse(action)
    assert (call is None) == (match is None)
    if match and call:
        assert call == (match.group(1), match.group(2).lower())


def test_clickables_as_actions() -> None:
    assert as_action("search") == "search[<your query>]"
    assert as_action("b0lamp0001") == "click[b0lamp0001]"
