"""Verdicts are reached once, and remembered only where there is one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from turnwise.envs.swe.grading import Rules, Verdict, cache
from turnwise.envs.swe.tasks.splits import load_tasks
from turnwise.sandbox.contract import SandboxError

TASKS = load_tasks((), "")
TASK = TASKS.task(next(iter(TASKS.task_ids("train"))))[1]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    seen: list[object] = []

    def grade(
        task: object,
        pristine: object,
        submitted: dict[str, bytes],
        open_sandbox: object,
        rules: Rules,
    ) -> Verdict:
        seen.append((submitted, rules))
        return (
            Verdict(False, error="no memory")
            if b"error" in submitted.values()
            else Verdict(True, 1.0, 1.0)
        )

    monkeypatch.setattr(cache, "grade", grade)
    return seen


def made() -> cache.GradingCache:
    return cache.GradingCache(lambda spec: pytest.fail("never opened"))


def test_equal_submissions_are_graded_once(asked: list[object]) -> None:
    known = made()
    for _ in range(3):
        assert known.verdict(TASK, {}, {"a.py": b"1"}, Rules()).resolved
    assert len(asked) == 1
    known.verdict(TASK, {}, {"a.py": b"2"}, Rules())
    known.verdict(TASK, {}, {"a.py": b"1"}, Rules(canaries=1))
    known.verdict(replace(TASK, id="another"), {}, {"a.py": b"1"}, Rules())
    assert len(asked) == 4


def test_what_could_not_be_graded_is_an_error_and_asked_again(asked: list[object]) -> None:
    known = made()
    for _ in range(2):
        with pytest.raises(SandboxError, match="could not be graded: no memory"):
            known.verdict(TASK, {}, {"a.py": b"error"}, Rules())
    assert len(asked) == 2


def test_those_graded_longest_ago_are_forgotten(
    asked: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MAX_CACHED_VERDICTS", 2)
    known = made()
    for text in (b"1", b"2", b"1", b"3", b"1", b"2"):
        known.verdict(TASK, {}, {"a.py": text}, Rules())
    graded = [submitted["a.py"] for submitted, _ in asked]  # type: ignore[misc]
    assert graded == [b"1", b"2", b"3", b"2"]


def test_a_backend_has_one_memory_in_a_process() -> None:
    assert (
        cache.shared_cache("jail") is cache.shared_cache("jail") is not cache.shared_cache("docker")
    )
