"""Repositories that tasks are made from: a source distribution or a directory, as a tree of bytes.

An archive is never extracted under its own names. Its regular files are read into memory, and
everything else (links, devices, paths that leave the archive) is skipped. No code of a repository
runs here. Only pip may run its build backend, to learn the name and version of a download: fetch
only what you would install.
"""

from __future__ import annotations

import io
import os
import re
import stat
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from turnwise.envs.swe.dependencies.dependency_files import (
    DependencyDeclarations,
    entry_points,
    read_declarations,
)
from turnwise.envs.swe.tasks.task import Tree, digest, tree_digest
from turnwise.errors import DataError

MAX_FILE_BYTES, MAX_TREE_BYTES, MAX_TREE_FILES = 5_000_000, 60_000_000, 10_000
LEFT_OUT = re.compile(
    r"(^|/)(__pycache__|\.pytest_cache|\.mypy_cache|\.ruff_cache|\.hypothesis|\.git|\.hg|\.svn|"
    r"\.tox|\.nox|\.venv|venv|\.eggs|node_modules|htmlcov|[^/]*\.egg-info|[^/]*\.dist-info)/"
    r"|^(build|dist)/"
    r"|\.(pyc|pyo|pth|whl|egg|orig|rej|patch|diff)$|(^|/)\.coverage[^/]*$"
)
"""Files that may contain the answer: histories, caches, bytecode, builds, installed copies,
patches.
"""
TESTS = re.compile(r"(^|/)tests?/|^testing/|(^|/)(test_[^/]*|[^/]*_test|tests|conftest)\.py$")
NOT_PACKAGE = {
    "setup.py", "conftest.py", "noxfile.py", "tasks.py", "fabfile.py", "versioneer.py",
    "runtests.py", "docs", "doc", "examples", "example", "benchmarks", "benchmark", "bench",
    "scripts", "tools", "tests", "test", "ci", "misc", "perf",
}  # fmt: skip
"""Top-level names that are not part of the package."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A pristine repository without the files that may contain answers."""

    source: str
    """`pypi`, `directory` or `toy`."""
    name: str
    version: str
    sha256: str
    """SHA-256 of the archive, or of the tree for a directory."""
    tree: Tree
    declarations: DependencyDeclarations = field(default_factory=DependencyDeclarations)
    """The dependencies its files declare."""
    requires: tuple[str, ...] = ()
    """Pinned distributions its tests need beside pytest, once they are resolved."""

    @property
    def roots(self) -> tuple[str, ...]:
        """Directories for `sys.path`."""
        home = _home(self.tree, self.name)
        return (home, "") if home else ("",)

    @property
    def test_files(self) -> tuple[str, ...]:
        """Files of the test suite, with conftests and data."""
        return tuple(sorted(path for path in self.tree if is_test(path)))

    @property
    def code_files(self) -> tuple[str, ...]:
        """Python files of the package itself, in which bugs may be placed."""
        prefix = f"{self.roots[0]}/" if self.roots[0] else ""
        own = [
            path
            for path in self.tree
            if path.startswith(prefix) and path.endswith(".py") and not is_test(path)
        ]
        return tuple(
            sorted(
                path
                for path in own
                if path.removeprefix(prefix).split("/")[0].lower() not in NOT_PACKAGE
            )
        )


def is_test(path: str) -> bool:
    """Return whether a file belongs to the test suite, judged by its path."""
    return TESTS.search(path) is not None


def suite_files(test_files: Sequence[str]) -> list[str]:
    """Return the files that contain tests: pytest's naming rule, plus `tests.py` and `test.py`."""
    found = []
    for path in test_files:
        name = path.rpartition("/")[2]
        if name.endswith(".py") and (
            name.startswith("test_") or name.endswith("_test.py") or name in ("tests.py", "test.py")
        ):
            found.append(path)
    return found


def open_source(given: str) -> Repository:
    """Open a repository.

    Args:
        given: `NAME==VERSION` (pip downloads its source distribution), a source archive, or a
            directory.

    Raises:
        DataError: if it cannot be obtained or is not a source archive.
    """
    path = Path(given).expanduser()
    if path.is_dir():
        return from_directory(path)
    if path.is_file():
        return from_archive(path)
    name, equals, version = given.partition("==")
    if (
        not equals
        or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)
        or not re.fullmatch(r"[A-Za-z0-9.!+_-]+", version)
    ):
        raise DataError(
            f"{given!r} is neither a directory, nor an archive, nor a package: write "
            "NAME==VERSION, such as inflection==0.5.1"
        )
    with tempfile.TemporaryDirectory() as folder:
        return from_archive(download(name, version, Path(folder)), name, version)


def download(name: str, version: str, into: Path) -> Path:
    """Download a source distribution with pip.

    Raises `DataError` with pip's last line if that fails.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
    command += ["--disable-pip-version-check", "-q"]
    command += ["--no-binary", name, "-d", str(into), f"{name}=={version}"]
    done = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600, check=False
    )
    found = sorted(into.iterdir())
    if done.returncode or len(found) != 1:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise DataError(
            f"pip could not download the source of {name}=={version}: "
            f"{lines[-1] if lines else 'no reason given'}"
        )
    return found[0]


def from_archive(path: Path, name: str = "", version: str = "") -> Repository:
    """Read a source distribution; name and version default to those in the file name."""
    data = path.read_bytes()
    stem = re.sub(r"\.(tar\.gz|tgz|tar\.bz2|tar\.xz|tar)$", "", path.name)
    if stem == path.name:
        raise DataError(f"{path.name} is not a source archive: it should end in .tar.gz")
    whole = _without_top(dict(_members(data, path.name)))
    found_name, _, found_version = stem.rpartition("-")
    name, version = name or found_name, version or found_version
    tree = _cleaned(whole) | _installed(whole, name, version)
    return _whole(Repository("pypi", name, version, digest(data), tree, read_declarations(whole)))


def from_directory(folder: Path, source: str = "directory") -> Repository:
    """Read a local repository: its regular files, without links. The digest covers what is kept."""
    found: dict[str, bytes] = {}
    for base, folders, files in os.walk(folder):
        inside = Path(base).relative_to(folder).as_posix().removeprefix(".")
        folders[:] = sorted(
            name for name in folders if not LEFT_OUT.search(f"{inside}/{name}/".lstrip("/"))
        )
        for name in sorted(files):
            path = f"{inside}/{name}".lstrip("/")
            if LEFT_OUT.search(path) or not stat.S_ISREG(
                os.lstat(os.path.join(base, name)).st_mode
            ):
                continue
            if os.path.getsize(os.path.join(base, name)) <= MAX_FILE_BYTES:
                found[path] = Path(base, name).read_bytes()
            _limit(found, str(folder))
    stem, _, version = folder.resolve().name.rpartition("-")
    numbered = bool(stem) and version[:1].isdigit()
    named = (stem, version) if numbered else (folder.resolve().name, "0")
    return _whole(Repository(source, *named, tree_digest(found), found, read_declarations(found)))


def _members(data: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    kept: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                if (
                    not member.isreg()
                    or member.size > MAX_FILE_BYTES
                    or path.is_absolute()
                    or ".." in path.parts
                    or "\x00" in member.name
                ):
                    continue
                content = archive.extractfile(member)
                kept[str(path)] = content.read(MAX_FILE_BYTES) if content is not None else b""
                _limit(kept, name)
    except (tarfile.TarError, EOFError, OSError, ValueError) as problem:
        raise DataError(
            f"{name} is an incomplete archive ({problem}): download it again"
        ) from problem
    yield from kept.items()


def _limit(tree: dict[str, bytes], name: str) -> None:
    if len(tree) > MAX_TREE_FILES or sum(map(len, tree.values())) > MAX_TREE_BYTES:
        raise DataError(
            f"{name} has more than {MAX_TREE_FILES} files or {MAX_TREE_BYTES // 1_000_000} MB: "
            "it is too large for a task"
        )


def _without_top(tree: dict[str, bytes]) -> dict[str, bytes]:
    """Strip the single directory that source distributions wrap everything in."""
    tops = {path.split("/")[0] for path in tree}
    if len(tops) == 1 and all("/" in path for path in tree):
        return {path.split("/", 1)[1]: data for path, data in tree.items()}
    return tree


def _cleaned(tree: dict[str, bytes]) -> dict[str, bytes]:
    return {path: tree[path] for path in sorted(tree) if not LEFT_OUT.search(path)}


def _installed(tree: Tree, name: str, version: str) -> dict[str, bytes]:
    """Return the metadata of an installed copy.

    Many packages ask for their version when imported.
    """
    eggs = sorted(
        path.removesuffix("PKG-INFO")
        for path in tree
        if path.endswith(".egg-info/PKG-INFO") and path.count("/") < 3
    )
    home = f"{name.replace('-', '_')}-{version}.dist-info"
    found = [folder for folder in ("", *eggs) if f"{folder}PKG-INFO" in tree]
    if not found:
        return {}
    made = {f"{home}/METADATA": tree[f"{found[0]}PKG-INFO"]}
    entries = next(
        (tree[f"{egg}entry_points.txt"] for egg in eggs if f"{egg}entry_points.txt" in tree),
        entry_points(tree),
    )
    return made | ({f"{home}/entry_points.txt": entries} if entries else {})


def _home(tree: Tree, name: str) -> str:
    """Return the directory that holds the packages: `src`, "" for the root, or another one."""
    if any(path.startswith("src/") and path.endswith(".py") for path in tree):
        return "src"
    module = re.sub(r"[-.]", "_", name).lower()
    ends = (f"/{module}/__init__.py", f"/{module}.py")
    found = [path for path in tree if f"/{path}".lower().endswith(ends) and not is_test(path)]
    homes = {path.removesuffix("/__init__.py").rpartition("/")[0] for path in found}
    home = min(homes, key=lambda home: (home.count("/"), home), default="")
    return (
        ""
        if "" in homes or home.split("/")[0].lower() in NOT_PACKAGE or f"{home}/__init__.py" in tree
        else home
    )


def _whole(repository: Repository) -> Repository:
    if not repository.code_files:
        raise DataError(f"{repository.name} has no Python code of its own to put a bug into")
    if not any(path.endswith(".py") for path in repository.test_files):
        raise DataError(
            f"the source of {repository.name} {repository.version} has no tests: choose "
            "another package or version"
        )
    return repository
