"""Text edits at one exact place, and diffs as such edits."""

from __future__ import annotations

import random

import pytest

from turnwise.envs.swe.editor import EditError, blocks, hunks, numbered, replace_once


def applied(text: str, after: str) -> str:
    for hunk in hunks(text, after):
        text = replace_once(text, hunk.old, hunk.new)
    return text


def test_a_piece_is_replaced_where_it_stands_once() -> None:
    assert replace_once("a\nb\nc\n", "b\n", "x\n") == "a\nx\nc\n"


@pytest.mark.parametrize(
    ("old", "why"), [("z", "does not stand"), ("", "does not stand"), ("a", "2 times")]
)
def test_other_pieces_are_refused(old: str, why: str) -> None:
    with pytest.raises(EditError, match=why):
        replace_once("a a", old, "x")


def test_lines_are_shown_with_their_numbers() -> None:
    assert numbered("a\nb\nc", 2, 3) == "    2 b\n    3 c"
    assert numbered("", 1, 5) == ""


def test_blocks_are_lines_counted_from_nought() -> None:
    assert blocks("a\nb\nc\n", "a\nB\nB\nc\n") == [(1, 2, 1, 3)]
    assert blocks("a\n", "a\n") == []


def test_a_hunk_takes_lines_around_it_until_it_is_the_only_one() -> None:
    before = "if x:\n    return 1\nif y:\n    return 1\n"
    (hunk,) = hunks(before, before.replace("y:\n    return 1", "y:\n    return 2"))
    assert before.count(hunk.old) == 1 and "if y" in hunk.old
    assert hunk.line == 3


def test_an_inserted_line_has_a_neighbour() -> None:
    (hunk,) = hunks("a\nb\nc\n", "a\nb\nnew\nc\n")
    assert (
        hunk.old in ("b\nc\n", "b\n", "c\n")
        and applied("a\nb\nc\n", "a\nb\nnew\nc\n") == "a\nb\nnew\nc\n"
    )


@pytest.mark.parametrize("seed", range(60))
def test_hunks_made_in_turn_give_the_other_text(seed: int) -> None:
    rng = random.Random(seed)
    before = [rng.choice("aab") + "\n" for _ in range(rng.randint(1, 14))]
    after = list(before)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(after) + 1)
        after[place : place + rng.randint(0, 2)] = [
            rng.choice("axy") + "\n" for _ in range(rng.randint(0, 2))
        ]
    assert applied("".join(before), "".join(after)) == "".join(after)


def test_line_ends_and_a_last_line_without_one_are_kept() -> None:
    assert applied("a\r\nb\r\nc", "a\r\nB\r\nc") == "a\r\nB\r\nc"
    assert applied("a\nb", "a\nc") == "a\nc"
