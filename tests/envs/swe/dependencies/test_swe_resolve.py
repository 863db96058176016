"""Packages that tests need are found, pinned and mounted, and never contain the answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.envs.swe.dependencies import wheelhouse
from turnwise.envs.swe.dependencies import python, resolve, wheels
from turnwise.envs.swe.dependencies.dependency_files import DependencyDeclarations
from turnwise.envs.swe.dependencies.resolve import (
    distributions_with_copies,
    resolve_dependencies,
    split_requirements,
    tops,
)
from turnwise.envs.swe.generate.generator import GenerationSettings, generation
from turnwise.envs.swe.generate.journal import Journal
from turnwise.envs.swe.generate.suite_runner import open_suite_runner
from turnwise.envs.swe.sandbox_pool import ENVIRONMENT, SandboxPool, StartingTree, opener
from turnwise.envs.swe.tasks.repository import Repository, from_directory
from turnwise.envs.swe.tasks.trees import build_trees
from turnwise.errors import DataError
from turnwise.sandbox import SandboxError, open_sandbox

CODE = """
import far


def one(x):
    return far.away(x) + 1


def two(x):
    return x * 2


def three(x):
    return x - 3


def four(x):
    return x > 4
"""
TESTS = """
import helping
import sums


def test_one(): assert sums.one(1) == 102
def test_two(doubled): assert sums.two(4) == doubled
def test_three(): assert helping.same(sums.three(5), 2)
def test_four(): assert sums.four(5) and not sums.four(4)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of wheels, and an empty cache."""
    house = tmp_path / "wheels"
    monkeypatch.setattr(wheels, "unpack", wheelhouse.Unpacker(house))
    monkeypatch.setenv("TURNWISE_CACHE", str(tmp_path / "cache"))
    wheelhouse.wheel(
        house,
        "far",
        "2.0",
        {"far.py": "from further import hundred\ndef away(x): return x + hundred\n"},
        ("further>=1",),
    )
    wheelhouse.wheel(house, "further", "1.5", {"further.py": "hundred = 100\n"})
    wheelhouse.wheel(
        house,
        "helping",
        "0.1",
        {"helping.py": "def same(a, b): return a == b\n", "evil.pth": "import far\n"},
    )
    fixture = "import pytest\n@pytest.fixture\ndef doubled(): return 8\n"
    wheelhouse.wheel(
        house,
        "pytest-doubled",
        "3.0",
        {"pytest_doubled.py": fixture},
        ("pytest",),
        "pytest_doubled",
    )
    return house


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    folder = tmp_path / "sums-1.2"
    (folder / "tests").mkdir(parents=True)
    (folder / "sums.py").write_text(CODE)
    (folder / "tests" / "test_sums.py").write_text(TESTS)
    needs = '[project]\nname = "sums"\ndependencies = ["far"]\n[project.optional-dependencies]\n'
    needs += 'test = ["helping", "pytest-doubled", "mypy"]\n'
    (folder / "pyproject.toml").write_text(needs)
    return from_directory(folder)


UNPACK = wheels.unpack
PINS = ("far==2.0", "further==1.5", "helping==0.1", "pytest-doubled==3.0")


def found(repository: Repository, *given: str) -> tuple[tuple[str, ...], list[str]]:
    said: list[str] = []
    return resolve_dependencies(repository, given, Journal(None, {}), said.append).requires, said


def test_what_is_declared_is_found_with_all_it_needs(home: Path, repository: Repository) -> None:
    pins, said = found(repository)
    assert pins == PINS and any("helping==0.1" in line for line in said)
    shown = python.library(pins)
    assert {"far.py", "further.py", "helping.py", "pytest_doubled.py", "pytest"} <= {
        path.name for path in shown.iterdir()
    }
    assert not list(shown.rglob("*.pth")) and python.plugins(pins) == ("pytest_doubled",)
    assert shown != python.library() and not (python.library() / "far.py").exists()


def test_it_is_looked_for_once(
    home: Path, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "journal", {})
    first = resolve_dependencies(repository, (), journal, lambda _: None)
    monkeypatch.setattr(wheels, "unpack", None)
    assert (
        resolve_dependencies(repository, (), Journal(tmp_path / "journal", {}), lambda _: None)
        == first
    )
    assert python.library(first.requires).is_dir()


def test_pinned_ones_are_had_again_elsewhere(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNWISE_CACHE", str(tmp_path / "other"))
    assert (python.library(("further==1.5",)) / "further.py").is_file()
    with pytest.raises(DataError, match=r"pip cannot download wheels of further==9\.0"):
        python.library(("further==9.0",))


def test_pip_unpacks_wheels_with_all_they_need_in_versions_that_fit(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheelhouse.only(home, monkeypatch)
    wheelhouse.wheel(home, "further", "1.6", {"further.py": "hundred = 1\n"})
    UNPACK(["far>=1"], tmp_path / "all", {"further": "1.5"})
    assert wheels.versions(tmp_path / "all") == {"far": "2.0", "further": "1.5"}
    assert {path.name for path in wheels.files(tmp_path / "all", "far")} >= {"far.py", "METADATA"}
    UNPACK(["far==2.0"], tmp_path / "one", {}, whole=False)
    assert wheels.versions(tmp_path / "one") == {"far": "2.0"}
    with pytest.raises(
        DataError,
        match="pip cannot download wheels of absent: No matching distribution found for absent",
    ):
        UNPACK(["absent"], tmp_path / "none", {})


def test_a_bare_repository_needs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.py").write_text("def f(): return 1\n")
    (tmp_path / "test_m.py").write_text("def test(): pass\n")
    monkeypatch.setattr(wheels, "unpack", None)
    assert found(from_directory(tmp_path)) == ((), [])


def test_what_must_be_had_and_cannot_is_one_sentence(home: Path, repository: Repository) -> None:
    sentence = (
        "^sums needs packages that are not available here: pip cannot download wheels of .*absent"
    )
    with pytest.raises(DataError, match=sentence):
        found(repository, "absent>=1")
    lacking = replace(
        repository, declarations=replace(repository.declarations, runtime=("far", "nowhere"))
    )
    with pytest.raises(
        DataError, match=r"^sums needs packages that are not available here: .*nowhere"
    ):
        found(lacking)


def test_tests_go_without_what_cannot_be_had(home: Path, repository: Repository) -> None:
    (home / "helping-0.1-py3-none-any.whl").unlink()
    pins, said = found(repository)
    assert pins == ("far==2.0", "further==1.5", "pytest-doubled==3.0")
    assert any(
        line.startswith("the tests go without helping: pip cannot download wheels") for line in said
    )


def test_the_package_itself_is_never_among_them(home: Path, repository: Repository) -> None:
    wheelhouse.wheel(
        home,
        "helping",
        "0.2",
        {"helping.py": "import sums\nsame = lambda a, b: a == b\n"},
        ("sums",),
    )
    wheelhouse.wheel(home, "sums", "9", {"sums.py": CODE})
    pins, _ = found(repository)
    assert "helping==0.2" in pins and not any(pin.startswith("sums") for pin in pins)
    assert not list(python.library(pins).rglob("*sums*"))


def test_nor_is_what_carries_a_copy_of_it(home: Path, repository: Repository) -> None:
    wheelhouse.wheel(
        home,
        "helping",
        "0.3",
        {"helping/__init__.py": "", "helping/_vendor/sums.py": CODE + "def five(): pass\n"},
    )
    pins, said = found(repository)
    assert not any(pin.startswith("helping") for pin in pins)
    assert (
        "the tests go without helping: its helping/_vendor/sums.py looks like a copy of what "
        "is to be repaired" in said
    )
    assert not list(python.library(pins).rglob("sums.py"))


def test_a_file_of_the_same_name_is_no_copy(
    home: Path, repository: Repository, tmp_path: Path
) -> None:
    wheelhouse.wheel(home, "other", "1", {"other/sums.py": "def one(): pass\ndef far(): pass\n"})
    wheels.unpack(["other"], tmp_path / "there", {})
    assert distributions_with_copies(tmp_path / "there", repository) == {}


def test_names_of_its_own_modules(repository: Repository) -> None:
    assert tops(repository) == {"sums", "tests", "test_sums"}


def test_requirements_as_one_text() -> None:
    assert (
        split_requirements("a, b==1.0,c[x]>=2,<3") == ("a", "b==1.0", "c[x]>=2,<3")
        and split_requirements("") == ()
    )
    for wrong in ("--index-url=x", "a b", "https://x", "a; rm -rf", "../x"):
        with pytest.raises(DataError, match="is not a requirement"):
            split_requirements(wrong)


@pytest.fixture
def jail() -> None:
    try:
        open_sandbox(python.spec(), "jail").close()
    except SandboxError as problem:
        pytest.skip(f"no jail here: {problem}")


@pytest.mark.slow
def test_tasks_of_a_package_with_requirements(
    home: Path, repository: Repository, jail: None
) -> None:
    from turnwise.envs.swe.generate.task_check import check

    with generation(repository, GenerationSettings(number=2, combined=0.0, backend="jail")) as made:
        assert len(made.baseline.suite) == 4 and made.baseline.missing == ""
        tasks = list(made.tasks())
    assert len(tasks) == 2 and all(task.requires == PINS for task in tasks)
    assert [done.wrong for done in check(tasks, lambda _: repository, opener("jail"), runs=1)] == [
        (),
        (),
    ]
    trees = build_trees(tasks[0], repository)
    pool = SandboxPool(opener("jail"), python.LIMITS)
    sandbox, *_ = pool.take(StartingTree.of(trees.pristine, tasks[0].roots, tasks[0].requires))
    with sandbox:
        result = sandbox.shell().run("python -m pytest -q", 60.0)
    assert "4 passed" in result.stdout, result.stdout
    assert ENVIRONMENT["PYTEST_ADDOPTS"]


def test_what_tests_lack_is_reported(home: Path, repository: Repository, jail: None) -> None:
    bare = replace(repository, declarations=DependencyDeclarations())
    with (
        pytest.raises(DataError, match=r"its tests lack (far|helping): name with --requires"),
        generation(bare, GenerationSettings(backend="jail")),
    ):
        pass
    half = replace(repository, declarations=DependencyDeclarations(("far", "helping")))
    with open_suite_runner(
        resolve_dependencies(half, (), Journal(None, {}), lambda _: None), "jail"
    ) as sandbox:
        assert sandbox.run(["tests/test_sums.py"]).missing == ("fixture doubled",)


def test_what_is_asked_for_by_hand_is_had(home: Path, repository: Repository) -> None:
    bare = replace(repository, declarations=DependencyDeclarations())
    assert found(bare, "helping==0.1") == (
        ("helping==0.1",),
        ["looking for helping", "beside pytest the tests have helping==0.1"],
    )


def test_what_a_file_defines() -> None:
    assert (
        resolve.names(b"class A:\n    def f(self): pass\n") == {"A", "f"}
        and resolve.names(b"def (") == frozenset()
    )
