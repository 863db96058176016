from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from turnwise.retrieval.strings import Strings


@given(st.lists(st.text(st.characters(), max_size=8), max_size=30))
def test_is_the_list_it_was_packed_from(items: list[str]) -> None:
    packed = Strings.pack(items)
    assert len(packed) == len(items)
    assert list(packed) == items
    assert [packed[k] for k in range(-len(items), len(items))] == items + items
    assert packed[1:5:2] == items[1:5:2]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=5), min_size=1, max_size=9))
def test_saved_and_mapped(items: list[str]) -> None:
    with TemporaryDirectory() as place:
        Strings.pack(items).save(Path(place), "words")
        assert list(Strings.load(Path(place), "words")) == items


def test_iterates_over_more_than_a_block() -> None:
    items = [str(k) for k in range(10_000)]
    assert list(Strings.pack(items)) == items


def test_lone_surrogates_survive() -> None:
    assert list(Strings.pack(["a\ud800b"])) == ["a\ud800b"]


def test_out_of_range() -> None:
    with pytest.raises(IndexError):
        Strings.pack(["a"])[1]
