"""Generated tasks fail some tests but not most, gold repairs them, and the coverage map changes no
result.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.envs.swe.generate import small_repository
from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.generate import generator
from turnwise.envs.swe.generate.generator import (
    GenerationSettings,
    GenerationTally,
    difficulty,
    generation,
)
from turnwise.envs.swe.generate.issue_text import leaks
from turnwise.envs.swe.generate.journal import Journal
from turnwise.envs.swe.generate.mutations import edits, sound
from turnwise.envs.swe.generate.suite_runner import SuiteRunner, open_suite_runner
from turnwise.envs.swe.generate.task_check import check
from turnwise.envs.swe.generate.validation import Bug, BugValidator
from turnwise.envs.swe.tasks.repository import Repository, from_directory, suite_files
from turnwise.envs.swe.tasks.task import SweTask
from turnwise.envs.swe.tasks.trees import build_trees
from turnwise.errors import ConfigError, DataError
from turnwise.sandbox import SandboxError, open_sandbox

HEAD = "tests/test_sums.py::"


@pytest.fixture(scope="module", autouse=True)
def jail() -> None:
    try:
        open_sandbox(python.spec(), "jail").close()
    except SandboxError as problem:
        pytest.skip(f"no jail here: {problem}")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return small_repository.make(tmp_path_factory.mktemp("repository"))


@pytest.fixture(scope="module")
def runner(repository: Repository) -> Iterator[SuiteRunner]:
    with open_suite_runner(repository, "jail") as opened:
        yield opened


@pytest.fixture(scope="module")
def validator(runner: SuiteRunner) -> BugValidator:
    return BugValidator(runner, Journal(None, {}))


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journal") / "tasks.jsonl.journal"


SETTINGS = GenerationSettings(number=3, seed=5, backend="jail", combined=0.4)


@pytest.fixture(scope="module")
def tasks(repository: Repository, journal: Path) -> list[SweTask]:
    with generation(repository, SETTINGS, journal) as made:
        return list(made.tasks())


def bug(repository: Repository, operator: str, function: str) -> Bug:
    data = repository.tree["sums.py"]
    return Bug(
        (
            (
                "sums.py",
                next(
                    e for e in edits(data) if e.operator == operator and e.function.name == function
                ),
            ),
        )
    )


def test_the_baseline_leaves_out_what_does_not_pass(validator: BugValidator) -> None:
    assert len(validator.baseline.suite) == 10 and validator.baseline.unstable == 2
    assert not {HEAD + "test_never", HEAD + "test_always_red"} & set(validator.baseline.suite)


@pytest.mark.parametrize(
    ("operator", "function", "reason"),
    [
        ("compare_flip", "clamp", "survived"),
        ("arithmetic_swap", "unused", "survived"),
        ("return_none", "heavy", "valid"),
    ],
)
def test_verdicts_on_bugs(
    repository: Repository, validator: BugValidator, operator: str, function: str, reason: str
) -> None:
    result = validator.validate(bug(repository, operator, function))
    assert result.reason == reason
    if reason == "valid":
        assert result.fails == (HEAD + "test_heavy_again", HEAD + "test_heavy_first")
        assert result.failures[0]["call"] == "sums.heavy(3)"


def test_a_result_is_stored(
    repository: Repository, validator: BugValidator, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = bug(repository, "return_none", "heavy")
    first = validator.validate(one)
    monkeypatch.setattr(validator.runner, "run", None)
    assert validator.validate(one) == first


def test_the_kept_tasks(tasks: list[SweTask], repository: Repository, runner: SuiteRunner) -> None:
    assert len(tasks) == 3 and len({task.id for task in tasks}) == 3
    suite = runner.run(["tests/test_sums.py"]).with_outcome("passed")
    for task in tasks:
        assert set(task.fail_to_pass) | set(task.pass_to_pass) <= suite
        assert not set(task.fail_to_pass) & set(task.pass_to_pass) and task.pass_to_pass
        assert not leaks(task.issue, task.fail_to_pass)
        trees = build_trees(task, repository)
        changed = {path: trees.broken[path] for path in trees.gold}
        run = runner.run(["tests/test_sums.py"], changed)
        passed = run.with_outcome("passed")
        assert set(task.pass_to_pass) <= passed and not set(task.fail_to_pass) & passed
        assert {**trees.broken, **trees.gold} == dict(repository.tree)
        left = runner.run(
            ["tests/test_sums.py"],
            {**changed, "tests/test_sums.py": trees.visible["tests/test_sums.py"]},
        )
        assert left.errors == () and not set(task.fail_to_pass) & left.outcomes.keys()


def test_a_second_generation_asks_nothing_again(
    tasks: list[SweTask], repository: Repository, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("everything is in the journal")

    monkeypatch.setattr(SuiteRunner, "run", never)
    with generation(repository, SETTINGS, journal) as made:
        assert list(made.tasks()) == tasks
    with generation(repository, dataclasses.replace(SETTINGS, jobs=3, number=1), journal) as made:
        assert next(made.tasks()) == tasks[0]


def test_another_seed_makes_other_tasks_in_other_words(
    tasks: list[SweTask], repository: Repository, journal: Path
) -> None:
    with generation(repository, dataclasses.replace(SETTINGS, seed=6, number=1), journal) as made:
        (other,) = made.tasks()
    assert other not in tasks and other.seed == 6


@pytest.mark.slow
def test_the_map_of_tests_changes_no_verdict(
    repository: Repository, runner: SuiteRunner, validator: BugValidator
) -> None:
    whole = BugValidator(runner, validator.journal, whole_suite=True)
    data = repository.tree["sums.py"]
    for edit in (e for e in edits(data) if sound(data, e)):
        one = Bug((("sums.py", edit),))
        quick, slow = validator.validate(one), whole.validate(one)
        assert (quick.reason, quick.fails) == (slow.reason, slow.fails), edit


CHAIN = """
def one(x):
    return two(x) + 1


def two(x):
    return x * 3


def far(x):
    return x + 5
"""
CHAIN_TESTS = """
import m


def test_one(): assert m.one(2) == 7
def test_two(): assert m.two(2) == 6
def test_far(): assert m.far(1) == 6
"""


@pytest.mark.slow
def test_related_bugs_are_combined_where_none_hides_another(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(CHAIN)
    (tmp_path / "test_m.py").write_text(
        CHAIN_TESTS + "".join(f"def test_{n}(): pass\n" for n in range(6))
    )
    with generation(
        from_directory(tmp_path), GenerationSettings(number=9, combined=0.34, backend="jail")
    ) as made:
        found = list(made.tasks())
        alone = {
            mutation: task.fail_to_pass
            for task in found
            if len(task.mutations) == 1
            for mutation in task.mutations
        }
    several = [task for task in found if len(task.mutations) > 1]
    assert several and len(found) == 9 and len({task.id for task in found}) == 9
    for task in several:
        assert {mutation.path for mutation in task.mutations} == {"m.py"} and task.difficulty >= 3
        assert {"test_m.py::test_one", "test_m.py::test_two"} <= set(
            task.fail_to_pass
        )  # of related functions, never of `far`
        assert "test_m.py::test_far" in task.pass_to_pass
        assert all(set(alone[mutation]) & set(task.fail_to_pass) for mutation in task.mutations)


def test_a_repository_that_cannot_be_tested_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f(): return g()\n")
    (tmp_path / "test_m.py").write_text("import absent_package\n")
    with (
        pytest.raises(DataError, match=r"no test of .* passes here"),
        generation(from_directory(tmp_path), SETTINGS),
    ):
        pass


def test_settings_that_make_no_sense_are_refused() -> None:
    for wrong in ({"number": 0}, {"jobs": 0}, {"combined": 2.0}, {"per_function": 0}):
        with pytest.raises(ConfigError, match="is out of range"):
            GenerationSettings(**wrong)  # type: ignore[arg-type]


def test_difficulty_grows_with_sites_and_falls_with_failing_tests(repository: Repository) -> None:
    one, other = (
        bug(repository, "return_none", "heavy").parts[0],
        bug(repository, "body_removed", "clamp").parts[0],
    )
    assert [
        difficulty(Bug((one,)), 9),
        difficulty(Bug((one,)), 1),
        difficulty(Bug((other,)), 9),
    ] == [1, 2, 3]
    assert [
        difficulty(Bug((one, one)), 9),
        difficulty(Bug((one, other)), 9),
        difficulty(Bug((one, one, other)), 1),
    ] == [3, 4, 5]


def test_tallies() -> None:
    tally = GenerationTally()
    tally.reasons.update(
        {("combined", "valid"): 2, ("return_none", "valid"): 3, ("return_none", "broad"): 1}
    )
    assert (
        tally.tried,
        tally.count("valid"),
        tally.count("valid", combined=True),
        tally.count("valid", combined=False),
    ) == (6, 5, 2, 3)


def test_which_files_hold_tests() -> None:
    files = [
        "tests/test_a.py",
        "tests/b_test.py",
        "tests/conftest.py",
        "tests/data.json",
        "tests/helper.py",
        "pkg/tests.py",
    ]
    assert suite_files(files) == ["tests/test_a.py", "tests/b_test.py", "pkg/tests.py"]


def test_copies_of_a_file_are_not_broken() -> None:
    text = b"def f(): return g()\n" * 20
    assert generator._copied("a.py", {"a.py": text, "b/a.py": text}) and not generator._copied(
        "a.py", {"a.py": text, "b.py": text + b"#"}
    )


STRESS = """import threading
import time

import pytest

import sums


def spin():
    while True:
        sums.clamp(1, 2, 3)


@pytest.mark.stress
def test_left_out_by_the_settings():
    spin()


def test_spins_and_holds_on():
    try:
        spin()
    except BaseException:
        spin()


def test_waits_for_a_thread():
    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    thread.join()


def test_one():
    assert sums.clamp(5, 0, 1) == 1


def test_two():
    assert sums.clamp(-5, 0, 1) == 0
"""


def test_tests_that_take_for_ever_are_no_part_of_the_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sums.py").write_text(small_repository.CODE)
    (tmp_path / "test_stress.py").write_text(STRESS)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\naddopts = \"-m 'not stress'\"\n"
    )
    repository = from_directory(tmp_path)
    monkeypatch.setattr(SuiteRunner, "run", functools.partialmethod(SuiteRunner.run, longest=1.0))
    with generation(repository, GenerationSettings(number=2, backend="jail", combined=0.0)) as made:
        assert made.baseline.suite == ("test_stress.py::test_one", "test_stress.py::test_two")
        assert made.baseline.unstable == 2
        tasks = list(made.tasks())
    assert len(tasks) == 2
    for checked in check(
        tasks, lambda task: repository, lambda spec: open_sandbox(spec, "jail"), runs=1
    ):
        assert checked.wrong == ()  # the grader does not run them either
