"""The sandbox's Python has pytest and none of the host's packages."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from turnwise.envs.swe.dependencies import python
from turnwise.errors import ConfigError, DataError
from turnwise.sandbox import Sandbox, SandboxError, open_sandbox


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    try:
        return open_sandbox(python.spec(), "jail")
    except SandboxError as problem:
        pytest.skip(f"no jail here: {problem}")


def run(sandbox: Sandbox, program: str) -> str:
    result = sandbox.run(["python3", "-c", program])
    assert result.ok, result
    return result.stdout.strip()


def test_pytest_is_there_in_our_version(sandbox: Sandbox) -> None:
    assert run(sandbox, "import pytest; print(pytest.__version__)") == importlib.metadata.version(
        "pytest"
    )


def test_nothing_else_is(sandbox: Sandbox) -> None:
    program = (
        "import importlib.util as u; print([n for n in ('numpy', 'gymnasium', 'pip', "
        "'setuptools', 'turnwise') if u.find_spec(n)])"
    )
    assert run(sandbox, program) == "[]"


def test_no_vendored_copy_lies_in_the_python_that_runs(sandbox: Sandbox) -> None:
    program = (
        "import os, sys; roots = {sys.base_prefix + '/lib', '/opt/python', '/usr/lib/python3', "
        "'/usr/share/python-wheels'};"
        "print([os.path.join(b, n) for r in roots for b, d, f in os.walk(r) for n in (*d, *f)"
        " if n.split('-')[0] in ('more_itertools', 'requests', 'pip') and 'idlelib' not in b])"
    )
    assert run(sandbox, program) == "[]"


def test_the_copy_of_pytest_is_made_once_and_readable_by_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNWISE_CACHE", str(tmp_path))
    first = python.library()
    stamp = first.stat().st_mtime_ns
    assert python.library() == first and first.stat().st_mtime_ns == stamp
    assert [path.name for path in (tmp_path / "swe").iterdir()] == [first.name]
    assert all(path.stat().st_mode & 0o044 == 0o044 for path in first.rglob("*"))
    assert list(first.glob("_pytest/__pycache__/*.pyc")) and not list(first.rglob("*.pth"))


@pytest.mark.parametrize("name", ["pytest", "Pluggy", "pip", "setuptools"])
def test_what_the_sandbox_must_show_is_no_task(name: str) -> None:
    with pytest.raises(DataError, match="cannot be made into tasks"):
        python.check_name(name)
    python.check_name("inflection")


def test_without_pytest_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(python.importlib.metadata, "version", absent)
    with pytest.raises(ConfigError, match=r"pip install 'turnwise\[swe\]'"):
        python.requirements()
