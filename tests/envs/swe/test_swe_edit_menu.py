"""Closed actions and the edits on offer, over the shipped repository."""

from __future__ import annotations

import pytest

from turnwise.envs.swe.edit_menu import (
    CandidateEdit,
    EditMenu,
    SuiteResultCache,
    apply_edits,
    candidate_edits,
    summarise_tests,
)
from turnwise.envs.swe.tasks.splits import load_tasks
from turnwise.envs.swe.tasks.task import SweTask
from turnwise.envs.swe.tasks.trees import Trees
from turnwise.sandbox.contract import Result

TASKS = load_tasks((), "")


def ready(task: str) -> tuple[SweTask, Trees, EditMenu]:
    recipe = TASKS.task(task)[1]
    trees = TASKS.trees(recipe)
    return recipe, trees, EditMenu(trees.broken, candidate_edits(recipe, trees, 4))


EVERY = [str(task) for split in TASKS.splits for task in TASKS.task_ids(split)]
SEVERAL = [task for task in EVERY if len(TASKS.task(task)[1].mutations) > 1]


@pytest.mark.parametrize("task", EVERY[::7])
def test_the_right_candidates_are_the_repair_and_the_others_are_not(task: str) -> None:
    recipe, trees, menu = ready(task)
    right = [c for c in menu.offered if c.right]
    assert apply_edits(trees.broken, right) == dict(trees.gold)
    for wrong in (c for c in menu.offered if not c.right):
        assert (
            trees.broken[wrong.path]
            != apply_edits(trees.broken, [wrong])[wrong.path]
            != trees.gold[wrong.path]
        )
    assert len(menu.offered) >= 4
    assert candidate_edits(recipe, trees, 4) == menu.offered, (
        "which candidates there are depends on the task alone"
    )


@pytest.mark.parametrize("task", [*EVERY[::9], *SEVERAL[:3]])
def test_the_expert_repairs_from_wherever_it_finds_itself(task: str) -> None:
    _, trees, menu = ready(task)
    made = frozenset({1})
    for _ in range(2 * len(menu.offered) + 1):
        action = menu.expert(made)
        assert action in menu.admissible(made)
        seen, made = menu.act(action, made, 1000, lambda: "never asked")
        if seen.submit:
            break
    assert seen.submit and menu.files(made) == dict(trees.gold)


@pytest.mark.parametrize("task", [*EVERY[::11], *SEVERAL[:2]])
def test_who_does_not_know_finds_the_repair_by_trying(task: str) -> None:
    _, trees, menu = ready(task)
    made, tested = frozenset[int](), dict[frozenset[int], str]()
    for _ in range(200):
        action = menu.search(made, tested)
        assert action in menu.admissible(made)
        said = f"9 passed, {int(menu.files(made) != dict(trees.gold))} failed"
        seen, made = menu.act(action, made, 1000, lambda said=said: said)  # type: ignore[misc]
        if action == "test":
            tested[made] = seen.text
        if seen.submit:
            break
    assert seen.submit and menu.files(made) == dict(trees.gold)


def test_who_has_tried_everything_submits() -> None:
    menu = EditMenu(MENU.tree, MENU.offered[:2])
    tested = dict.fromkeys((frozenset({1}), frozenset({2})), "0 passed, 1 failed")
    assert menu.search(frozenset({2}), tested) == "undo 2"
    assert menu.search(frozenset(), tested) == "submit"


def test_the_right_candidate_has_no_place_of_its_own() -> None:
    places = {
        next(n for n, c in enumerate(ready(task)[2].offered) if c.right) for task in EVERY[::5]
    }
    assert len(places) > 2


def test_candidates_that_meet_are_not_made_together() -> None:
    first = CandidateEdit("a.py", 2, 3, "", "", False)
    assert first.overlaps(CandidateEdit("a.py", 3, 3, "", "", False))
    assert not first.overlaps(CandidateEdit("a.py", 4, 4, "", "", False))
    assert not first.overlaps(CandidateEdit("b.py", 2, 3, "", "", False))
    assert first.overlaps(CandidateEdit("a.py", 3, 2, "", "", False)), (
        "an insertion between its lines"
    )


def test_edits_of_one_file_are_made_together() -> None:
    tree = {"a.py": b"a\nb\nc\nd\n"}
    chosen = [
        CandidateEdit("a.py", 1, 1, "a\n", "x\ny\n", True),
        CandidateEdit("a.py", 3, 4, "c\nd\n", "", True),
    ]
    assert apply_edits(tree, chosen) == {"a.py": b"x\ny\nb\n"}


MENU = EditMenu(
    {"a.py": b"def f():\n    return 1\n\n\ndef g():\n    return 2\n"},
    (
        CandidateEdit("a.py", 2, 2, "    return 1\n", "    x = 1\n    return x\n", True),
        CandidateEdit("a.py", 2, 2, "    return 1\n", "    return 3\n", False),
        CandidateEdit("a.py", 6, 6, "    return 2\n", "    return 5\n", False),
    ),
)


def test_actions_do_what_they_say() -> None:
    assert MENU.admissible(frozenset()) == [
        *("view 1", "view 2", "view 3", "apply 1", "apply 2", "apply 3"),
        "test",
        "submit",
    ]
    seen, made = MENU.act("apply 1", frozenset(), 100, lambda: "")
    assert (seen.text, made) == ("made 1", frozenset({1}))
    assert "apply 2" not in MENU.admissible(made) and "undo 1" in MENU.admissible(made)
    seen, made = MENU.act("view 3", made, 1000, lambda: "")
    assert seen.text == "    6 def g():\n    7     return 2", "edits above move it"
    assert MENU.act("test", made, 100, lambda: "1 passed")[0].text == "1 passed"
    assert MENU.act("undo 1", made, 100, lambda: "")[1] == frozenset()


@pytest.mark.parametrize(
    "action", ["", "apply 4", "apply 0", "apply 01", "undo 1", "apply", "submit now", "view -1"]
)
def test_other_actions_do_nothing(action: str) -> None:
    seen, made = MENU.act(action, frozenset({2}), 100, lambda: "")
    assert not seen.valid and made == frozenset({2})


def test_a_listing_shows_what_becomes_of_what() -> None:
    assert MENU.listing.splitlines()[1] == "2 a.py:2 return 1 => return 3"
    assert CandidateEdit("a.py", 3, 2, "", "x\n", True).summary == "a.py:3 nothing => x"


def test_what_is_said_of_the_tests() -> None:
    output = (
        "..F\nFAILED tests/test_a.py::test_x - assert\n"
        "ERROR tests/test_b.py\n"
        "1 failed, 8 passed, 1 error in 0.1s\n"
    )
    assert summarise_tests(Result(output, "", 1)) == "8 passed, 2 failed: test_x, tests/test_b.py"
    assert summarise_tests(Result("...\n9 passed in 0.1s\n", "", 0)) == "9 passed, 0 failed"
    assert summarise_tests(Result("", "", None, "timeout")) == "the tests ended with timeout"


def test_answers_are_asked_for_once() -> None:
    asked: list[int] = []
    memory = SuiteResultCache()
    assert [memory.get("a", lambda: str(asked.append(1))) for _ in range(3)] == ["None"] * 3
    assert asked == [1]
