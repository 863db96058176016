"""Files collected from an agent's tree, and how they are combined with the reference."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.envs.swe.grading.swe_cheats import BROKEN, PRISTINE, TASK
from turnwise.envs.swe.grading import collect
from turnwise.sandbox.contract import SandboxError

TESTS = frozenset(TASK.test_files)


def test_only_regular_files_are_read_from_a_directory(tmp_path: Path) -> None:
    (tmp_path / "pkg/deep").mkdir(parents=True)
    (tmp_path / "pkg/a.py").write_text("a = 1\n")
    (tmp_path / "pkg/deep/b.txt").write_text("b")
    (tmp_path / "secret").write_text("outside the rules only by its links")
    os.mkfifo(tmp_path / "pkg/pipe.py")
    os.symlink("/etc/passwd", tmp_path / "pkg/link.py")
    os.symlink("/etc", tmp_path / "pkg/folder")
    os.link(tmp_path / "pkg/a.py", tmp_path / "pkg/hard.py")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "pkg/socket.py"))
    with open(tmp_path / "pkg/large.py", "wb") as file:
        file.truncate(collect.MAX_FILE_BYTES + 1)
    found = collect.from_directory(str(tmp_path))
    assert set(found.files) == {"pkg/deep/b.txt", "secret"}
    assert {
        "pkg/pipe.py",
        "pkg/link.py",
        "pkg/folder",
        "pkg/a.py",
        "pkg/hard.py",
        "pkg/socket.py",
        "pkg/large.py",
    } == set(found.left)


def test_settings_bytecode_and_version_control_are_not_even_read(tmp_path: Path) -> None:
    for path in (
        ".git/config",
        "__pycache__/a.pyc",
        "a.pth",
        "conftest.py",
        "sub/CONFTEST.py",
        "x.egg-info/a.txt",
        "setup.cfg",
        "build/a.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("x")
    (tmp_path / "pkg/build").mkdir(parents=True)
    (tmp_path / "pkg/build/a.py").write_text("kept")
    assert set(collect.from_directory(str(tmp_path)).files) == {"pkg/build/a.py"}


def test_a_link_for_a_directory_and_too_much_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.symlink("/etc", tmp_path / "link")
    with pytest.raises(SandboxError, match="cannot be read as a directory"):
        collect.from_directory(str(tmp_path / "link"))
    monkeypatch.setattr(collect, "MAX_FILES", 2)
    for name in "abc":
        (tmp_path / name).write_text("x")
    with pytest.raises(SandboxError, match="more than 2 files"):
        collect.from_directory(str(tmp_path))


def test_source_comes_from_the_submission_and_everything_else_from_the_reference() -> None:
    handed = {
        **BROKEN,
        "tests/test_words.py": b"def test_title_words(): pass\n",
        "tests/conftest.py": b"x",
        "tests.py": b"x",
        "tally/tests.py": b"x",
        "pyproject.toml": b"x",
        "tally/extra.py": b"y = 1\n",
        "tally/data.json": b"{}",
        "tally/tests/test_more.py": b"x",
        "random.py": b"x",
        "pytest.py": b"x",
        "debug.py": b"x",
        "tally/fast.so": b"x",
        "../out.py": b"x",
    }
    tree = collect.assemble(PRISTINE, handed, TESTS)
    assert tree == {
        **BROKEN,
        "tally/extra.py": b"y = 1\n",
        "tally/data.json": b"{}",
        "debug.py": b"x",
    }


def test_a_deleted_file_is_not_repaired_by_the_reference() -> None:
    handed = {
        path: data
        for path, data in BROKEN.items()
        if path not in ("tally/words.py", "tests/test_words.py")
    }
    tree = collect.assemble(PRISTINE, handed, TESTS)
    assert (
        "tally/words.py" not in tree
        and tree["tests/test_words.py"] == PRISTINE["tests/test_words.py"]
    )
