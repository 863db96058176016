"""Archives and directories are read as trees, without files that may contain answers or do harm."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.envs.swe.generate import small_repository
from turnwise.envs.swe.tasks import repository
from turnwise.envs.swe.tasks.repository import from_archive, from_directory, is_test, open_source
from turnwise.envs.swe.tasks.task import digest, tree_digest
from turnwise.errors import DataError

FILES = {
    "sums-1.2/src/sums/__init__.py": b"def f(): return 1\n",
    "sums-1.2/tests/test_f.py": b"def test_f(): pass\n",
}


def archive(
    folder: Path, files: Mapping[str, bytes], *more: tarfile.TarInfo, name: str = "sums-1.2.tar.gz"
) -> Path:
    path = folder / name
    with tarfile.open(path, "w:gz") as tar:
        for member, data in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in more:
            tar.addfile(info)
    return path


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_an_archive_is_read_without_its_top_directory(tmp_path: Path) -> None:
    path = archive(tmp_path, FILES)
    found = open_source(str(path))
    assert (found.name, found.version, found.source) == ("sums", "1.2", "pypi")
    assert found.sha256 == digest(path.read_bytes())
    assert found.roots == ("src", "")
    assert found.code_files == ("src/sums/__init__.py",)
    assert found.test_files == ("tests/test_f.py",)


def test_links_devices_and_paths_that_leave_are_left_out(tmp_path: Path) -> None:
    bad = {"../escape.py": b"x", "/abs.py": b"x", "sums-1.2/a/../../up.py": b"x"}
    odd = [
        special("sums-1.2/link.py", tarfile.SYMTYPE, "/etc/passwd"),
        special("sums-1.2/hard.py", tarfile.LNKTYPE, "sums-1.2/tests/test_f.py"),
        special("sums-1.2/pipe", tarfile.FIFOTYPE),
        special("sums-1.2/dev", tarfile.CHRTYPE),
    ]
    found = from_archive(archive(tmp_path, FILES | bad, *odd))
    assert sorted(found.tree) == ["src/sums/__init__.py", "tests/test_f.py"]


@pytest.mark.parametrize(
    "path",
    [
        ".git/config",
        "pkg/__pycache__/a.cpython-311.pyc",
        ".pytest_cache/v/cache/lastfailed",
        "sums.egg-info/SOURCES.txt",
        "build/lib/sums.py",
        "dist/sums.whl",
        "venv/lib/x.py",
        ".tox/py/x.py",
        "deep/.eggs/x.py",
        "old.orig",
        "fix.patch",
        "fix.diff",
        "evil.pth",
        ".coverage.host",
    ],
)
def test_what_may_hold_the_answer_is_left_out(tmp_path: Path, path: str) -> None:
    found = from_archive(archive(tmp_path, {**FILES, f"sums-1.2/{path}": b"answer"}))
    assert path not in found.tree
    small_repository.make(tmp_path)
    place = tmp_path / "sums-1.2" / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"answer")
    assert path not in from_directory(tmp_path / "sums-1.2").tree


def test_a_directory_named_build_further_down_is_code(tmp_path: Path) -> None:
    found = from_archive(
        archive(tmp_path, {**FILES, "sums-1.2/src/sums/build/x.py": b"def g(): return 2\n"})
    )
    assert "src/sums/build/x.py" in found.code_files


def test_a_directory_is_read_as_it_stands(tmp_path: Path) -> None:
    found = small_repository.make(tmp_path)
    os.symlink("/etc/passwd", tmp_path / "sums-1.2" / "passwd.py")
    os.mkfifo(tmp_path / "sums-1.2" / "pipe.py")
    again = open_source(str(tmp_path / "sums-1.2"))
    assert again == found and again.sha256 == tree_digest(found.tree)
    assert (found.name, found.version, found.roots) == ("sums", "1.2", ("",))
    assert found.code_files == ("sums.py",) and found.test_files == ("tests/test_sums.py",)


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    found = small_repository.make(tmp_path)
    (tmp_path / "sums-1.2" / "README.md").write_text("other")
    assert open_source(str(tmp_path / "sums-1.2")).sha256 != found.sha256


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/data/x.json", True),
        ("pkg/tests/test_a.py", True),
        ("test_a.py", True),
        ("a_test.py", True),
        ("conftest.py", True),
        ("testing/tool.py", True),
        ("pkg/testing/tool.py", False),
        ("pkg/contest.py", False),
        ("pkg/latest.py", False),
        ("tests.py", True),
    ],
)
def test_what_belongs_to_the_suite(path: str, expected: bool) -> None:
    assert is_test(path) is expected


def test_setup_scripts_docs_and_examples_are_not_the_package(tmp_path: Path) -> None:
    more = {
        f"sums-1.2/{path}": b"def g(): return 2\n"
        for path in ("setup.py", "docs/conf.py", "examples/a.py", "sums.py")
    }
    found = from_archive(archive(tmp_path, {"sums-1.2/tests/test_f.py": b"", **more}))
    assert found.code_files == ("sums.py",)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"sums-1.2/sums.py": b"def f(): return 1\n"}, "has no tests"),
        ({"sums-1.2/tests/test_f.py": b""}, "no Python code of its own"),
        ({"sums-1.2/sums.py": b"", "sums-1.2/tests/data.txt": b""}, "has no tests"),
    ],
)
def test_sources_without_code_or_tests_are_refused(
    tmp_path: Path, files: dict[str, bytes], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        from_archive(archive(tmp_path, files))


def test_too_large_a_source_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "MAX_TREE_FILES", 1)
    with pytest.raises(DataError, match="too large"):
        from_archive(archive(tmp_path, FILES))


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    torn = tmp_path / "sums-1.2.tar.gz"
    torn.write_bytes(archive(tmp_path, FILES).read_bytes()[:60])
    with pytest.raises(DataError, match="an incomplete archive"):
        open_source(str(torn))
    (tmp_path / "a.whl").write_bytes(b"")
    with pytest.raises(DataError, match="should end in"):
        open_source(str(tmp_path / "a.whl"))
    for given in ("sums", "absent/folder", "--index-url==1", "a==1; rm", "==1"):
        with pytest.raises(DataError, match="NAME==VERSION"):
            open_source(given)


def test_pip_downloads_the_source_alone_and_its_failure_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        if "sums==1.2" in command:
            archive(Path(command[command.index("-d") + 1]), FILES)
            return subprocess.CompletedProcess(command, 0, "", "")
        return subprocess.CompletedProcess(command, 1, "", "noise\nERROR: no such version\n")

    monkeypatch.setattr(repository.subprocess, "run", run)
    assert open_source("sums==1.2").code_files == ("src/sums/__init__.py",)
    assert "--no-deps" in asked[0] and asked[0][asked[0].index("--no-binary") + 1] == "sums"
    with pytest.raises(DataError, match="ERROR: no such version"):
        open_source("sums==9")


META = b"Metadata-Version: 2.1\nName: sums\nVersion: 1.2\nRequires-Dist: attrs\n"


@pytest.mark.parametrize("path", ["PKG-INFO", "src/sums.egg-info/PKG-INFO"])
def test_a_package_can_ask_for_its_own_version(tmp_path: Path, path: str) -> None:
    found = from_archive(archive(tmp_path, {**FILES, f"sums-1.2/{path}": META}))
    assert found.tree["sums-1.2.dist-info/METADATA"] == META
    assert sorted(other for other in found.tree if "info" in other and other != "PKG-INFO") == [
        "sums-1.2.dist-info/METADATA"
    ]


def test_a_package_can_ask_for_its_own_entry_points(tmp_path: Path) -> None:
    told = (
        b'[project]\nname = "sums"\n[project.scripts]\n'
        b'sums = "sums:f"\n'
        b'[project.entry-points."sums.plugins"]\n'
        b'a = "sums.a:A"\n'
    )
    found = from_archive(
        archive(tmp_path, {**FILES, "sums-1.2/PKG-INFO": META, "sums-1.2/pyproject.toml": told})
    )
    path = "sums-1.2.dist-info/entry_points.txt"
    assert found.tree[path] == b"[console_scripts]\nsums = sums:f\n\n[sums.plugins]\na = sums.a:A\n"
    egg = {
        "sums-1.2/sums.egg-info/PKG-INFO": META,
        "sums-1.2/sums.egg-info/entry_points.txt": b"[x]\ny = z\n",
    }
    assert from_archive(archive(tmp_path, {**FILES, **egg})).tree[path] == b"[x]\ny = z\n"
    bad = from_archive(
        archive(
            tmp_path, {**FILES, "sums-1.2/PKG-INFO": META, "sums-1.2/pyproject.toml": b"not [ toml"}
        )
    )
    assert path not in bad.tree


def test_what_a_source_says_it_needs_is_kept_though_its_egg_info_is_not(tmp_path: Path) -> None:
    more = {
        "sums-1.2/src/sums.egg-info/requires.txt": b"six\n[test]\nmock\n",
        "sums-1.2/tox.ini": b"[testenv]\ndeps = ruff\n",
    }
    found = from_archive(archive(tmp_path, {**FILES, **more, "sums-1.2/PKG-INFO": META}))
    assert (
        found.declarations.runtime == ("attrs", "six")
        and found.declarations.tests == ("mock", "ruff")
        and found.requires == ()
    )


@pytest.mark.parametrize(
    ("path", "roots"),
    [
        ("lib/sums/__init__.py", ("lib", "")),
        ("python/sums.py", ("python", "")),
        ("sums/__init__.py", ("",)),
        ("sums.py", ("",)),
        ("pkg/__init__.py", ("",)),
        ("examples/sums.py", ("",)),
        ("src/other/__init__.py", ("src", "")),
    ],
)
def test_where_the_packages_stand(tmp_path: Path, path: str, roots: tuple[str, ...]) -> None:
    code = {
        f"sums-1.2/{path}": b"def f(): return 1\n",
        "sums-1.2/tests/test_f.py": b"def test_f(): pass\n",
    }
    code |= {"sums-1.2/more.py": b"def g(): return 1\n"} if roots == ("",) else {}
    found = from_archive(archive(tmp_path, code))
    assert found.roots == roots
    assert roots == ("",) or found.code_files == (path,)
