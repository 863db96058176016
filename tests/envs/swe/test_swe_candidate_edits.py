"""Edits to choose from: applied to lines, summarised in one line, and shown in their function."""

from __future__ import annotations

import pytest

from turnwise.envs.swe.edit_menu import CandidateEdit, apply_edits, candidate_edits, function_lines
from turnwise.envs.swe.tasks.splits import load_tasks

TREE = {"a.py": b"one\ntwo\nthree\nfour\n", "b.py": b"x = 1"}


def made(first: int, last: int, new: str, path: str = "a.py") -> CandidateEdit:
    lines = TREE[path].decode().splitlines(keepends=True)
    return CandidateEdit(path, first, last, "".join(lines[first - 1 : last]), new, False)


@pytest.mark.parametrize(
    "chosen, text",
    [
        ([made(2, 2, "TWO\n")], "one\nTWO\nthree\nfour\n"),
        ([made(2, 3, "")], "one\nfour\n"),
        ([made(2, 1, "new\n")], "one\nnew\ntwo\nthree\nfour\n"),
        ([made(5, 4, "end\n")], "one\ntwo\nthree\nfour\nend\n"),
        ([made(4, 4, "4\n"), made(1, 1, "1\n1b\n")], "1\n1b\ntwo\nthree\n4\n"),
    ],
)
def test_lines_are_replaced_whatever_their_order(chosen: list[CandidateEdit], text: str) -> None:
    assert apply_edits(TREE, chosen) == {"a.py": text.encode()} == apply_edits(TREE, chosen[::-1])


def test_only_files_that_change_are_given() -> None:
    assert apply_edits(TREE, []) == {}
    assert apply_edits(TREE, [made(1, 1, "x = 2", "b.py"), made(1, 1, "1\n")]).keys() == {
        "a.py",
        "b.py",
    }


@pytest.mark.parametrize(
    "one, two, meet",
    [
        (made(2, 3, ""), made(3, 4, ""), True),
        (made(2, 2, ""), made(3, 3, ""), False),
        (made(2, 1, "x"), made(2, 1, "y"), True),
        (made(1, 1, ""), made(1, 1, "", "b.py"), False),
        (made(1, 4, ""), made(2, 2, ""), True),
    ],
)
def test_those_that_meet_cannot_both_be_made(
    one: CandidateEdit, two: CandidateEdit, meet: bool
) -> None:
    assert one.overlaps(two) is meet is two.overlaps(one)


def test_a_summary_is_one_line_with_both_sides() -> None:
    assert made(2, 3, "  TWO\n  THREE\n").summary == "a.py:2 two / three => TWO / THREE"
    assert (
        made(2, 2, "").summary == "a.py:2 two => nothing"
        and made(2, 1, "new\n").summary == "a.py:2 nothing => new"
    )


def test_what_is_looked_at_is_the_function_and_no_more_than_so_many_lines() -> None:
    text = (
        "".join(f"x{number} = {number}\n" for number in range(10))
        + "def f():\n"
        + "".join(f"    y{n} = {n}\n" for n in range(40))
    )
    tree = {"a.py": text.encode()}
    place = CandidateEdit("a.py", 15, 15, "", "", False)
    assert function_lines(tree, place, 100) == (11, 51) and function_lines(tree, place, 8) == (
        11,
        19,
    )
    assert function_lines(tree, CandidateEdit("a.py", 3, 3, "", "", False), 4) == (1, 5)
    assert function_lines(
        {"a.py": b"def (:\n" * 9}, CandidateEdit("a.py", 5, 5, "", "", False), 4
    ) == (3, 7), "no Python: lines alone"


TASKS = load_tasks((), "")


@pytest.mark.parametrize("count", [1, 2, 6])
def test_a_task_offers_as_many_as_are_asked_for_and_always_its_repair(count: int) -> None:
    for task in list(TASKS.task_ids("dev"))[:6]:
        recipe = TASKS.task(task)[1]
        trees = TASKS.trees(recipe)
        offered = candidate_edits(recipe, trees, count)
        right = [one for one in offered if one.right]
        assert len(offered) >= max(len(right), 1) and apply_edits(trees.broken, right) == dict(
            trees.gold
        )
        assert len(offered) <= max(count, len(right)) and list(offered) == sorted(
            offered, key=lambda c: (c.path, c.first, c.last, c.new)
        )
        places = {(one.path, one.first, one.last, one.new) for one in offered}
        assert len(places) == len(offered), "none is offered twice"
        for one in offered:
            assert one.old == "".join(
                trees.broken[one.path].decode().splitlines(keepends=True)[one.first - 1 : one.last]
            )
