"""Good tasks pass the check, and every kind of bad task is reported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.generate import task_check as module
from turnwise.envs.swe.generate.task_check import TaskCheck, check
from turnwise.envs.swe.grading import Verdict
from turnwise.envs.swe.sandbox_pool import opener
from turnwise.envs.swe.tasks.splits import SourceLibrary, toy_tasks
from turnwise.envs.swe.tasks.task import SweTask, read_tasks
from turnwise.sandbox import SandboxError, open_sandbox

TOY = list(read_tasks(toy_tasks()))
RIGHT, NOTHING = Verdict(True, 1.0, 1.0), Verdict(False, 0.0, 1.0)


@pytest.mark.parametrize(
    ("gold", "nothing", "says"),
    [
        ([RIGHT, RIGHT], [NOTHING, NOTHING], ""),
        (
            [RIGHT, Verdict(False, 1.0, 0.5)],
            [NOTHING],
            "1.000 of the failing tests and 0.500 of the others pass",
        ),
        (
            [Verdict(False, 1.0, 1.0, reasons=("one answers otherwise",))],
            [NOTHING],
            "one answers otherwise",
        ),
        ([Verdict(True, 1.0, 1.0, tampered=True)], [NOTHING], "counts as tampering"),
        (
            [Verdict(False, error="no memory")],
            [NOTHING],
            "the repair could not be graded: no memory",
        ),
        ([RIGHT], [NOTHING, RIGHT], "no change scores above 0"),
        (
            [RIGHT],
            [Verdict(False, 0.5, 1.0)],
            "the broken repository has other test results: 0.500 of the failing tests",
        ),
        ([RIGHT], [Verdict(False, 0.0, 0.9)], "the broken repository has other test results"),
        ([RIGHT], [Verdict(False, error="no time")], "no change could not be graded: no time"),
    ],
)
def test_what_is_not_as_it_must_be(gold: list[Verdict], nothing: list[Verdict], says: str) -> None:
    wrong = TaskCheck(TOY[0], tuple(gold), tuple(nothing)).wrong
    assert (says in " ".join(wrong)) if says else wrong == ()
    assert bool(wrong) is bool(says)


def test_every_task_is_graded_so_often_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []

    def grade(
        task: SweTask, pristine: Mapping[str, bytes], handed_in: Mapping[str, bytes], _: Any
    ) -> Verdict:
        whole = all(handed_in.get(m.path) == pristine[m.path] for m in task.mutations)
        seen.append((task.id, whole))
        return RIGHT if whole else NOTHING

    monkeypatch.setattr(module, "grade", grade)
    done = list(check(TOY[:3], SourceLibrary("", TOY), opener("jail"), runs=3, jobs=2))
    assert [one.task for one in done] == TOY[:3] and not any(one.wrong for one in done)
    assert sorted(seen) == sorted(
        (task.id, whole) for task in TOY[:3] for whole in (True, False) for _ in range(3)
    )


@pytest.mark.slow
def test_tasks_of_ours_and_one_that_is_none() -> None:
    try:
        open_sandbox(python.spec(), "jail").close()
    except SandboxError as problem:
        pytest.skip(f"no jail here: {problem}")
    never = replace(TOY[0], id="never", fail_to_pass=("tests/test_text.py::test_absent",))
    none = replace(
        TOY[1],
        id="none",
        fail_to_pass=TOY[1].pass_to_pass[:1],
        pass_to_pass=TOY[1].pass_to_pass[1:],
    )
    first, second, third = check(
        [TOY[0], never, none], SourceLibrary("", TOY), opener("jail"), runs=1
    )
    assert first.wrong == ()
    assert "the reference itself does not pass tests/test_text.py::test_absent" in " ".join(
        second.wrong
    )
    assert any(
        problem.startswith("the broken repository has other test results")
        for problem in third.wrong
    )
