from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.retrieval.automaton import Automaton

ATOMS = st.sampled_from(["a", "b", "c", "[ab]", "[bc]"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from("*+?")).map(lambda pair: f"({pair[0]}){pair[1]}"),
    ),
    max_leaves=8,
)


@given(PATTERNS, st.text(alphabet="abc", max_size=9))
def test_longest_is_the_longest_prefix_that_re_matches_whole(pattern: str, text: str) -> None:
    whole = re.compile(pattern)
    want = max((n for n in range(1, len(text) + 1) if whole.fullmatch(text, 0, n)), default=0)
    assert Automaton(pattern).longest(text, 0, len(text)) == want


def test_longest_where_backtracking_would_take_the_first() -> None:
    assert re.match("a|ab", "ab").end() == 1  # type: ignore[union-attr]
    assert Automaton("a | ab").longest("ab", 0, 2) == 2


def test_begin_and_end_bound_the_match() -> None:
    letters = Automaton("a+")
    assert letters.longest("baaab", 1, 5) == 4
    assert letters.longest("baaab", 1, 3) == 3
    assert letters.longest("baaab", 0, 5) == 0


def test_hostile_text_is_no_trouble() -> None:
    """A backtracking matcher would take 2 ** 60 steps."""
    assert Automaton("(a|aa)*b").longest("a" * 60, 0, 60) == 0
    assert Automaton("(a*)*b").longest("a" * 60, 0, 60) == 0


@pytest.mark.parametrize("pattern", ["(a", "a)", "[ab", "*a", "a|?"])
def test_broken_patterns(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"bracket|nothing to act on"):
        Automaton(pattern)
