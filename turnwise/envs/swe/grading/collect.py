"""Collect a submission: source files as bytes, and nothing that could act before the tests do.

Everything the agent started is ended first. Then only regular files are read, one by one, without
following links, up to a size, and paths are checked against an allow list. Tests, settings of test
tools, compiled files and version control are left behind and come from the reference. No program
runs on the agent's tree on the host: git would execute what the tree's configuration says.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from turnwise.sandbox.contract import Sandbox, SandboxError

MAX_FILE_BYTES = 4_000_000
MAX_TOTAL_BYTES = 64_000_000
MAX_FILES = 20_000
SUFFIXES = frozenset({
    ".py", ".pyi", ".typed", ".txt", ".json", ".csv", ".tsv", ".md", ".rst", ".yaml", ".yml",
    ".xml", ".html", ".css", ".js", ".tmpl", ".jinja", ".jinja2", ".j2", ".po", ".pot", ".sql",
    ".dat", ".lark", ".g4", ".asdl", ".in",
})  # fmt: skip
"""Suffixes allowed for new files. Existing files may have any other that is not refused."""
REFUSED_NAMES = frozenset({
    "conftest.py", "pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini",
    "setup.cfg", "setup.py", "pyproject.toml", "noxfile.py", ".coveragerc", "sitecustomize.py",
    "usercustomize.py", "pyvenv.cfg", "unittest.cfg", "nose.cfg", ".noserc", "manifest.in",
    "makefile", ".env", "runtests.py",
})  # fmt: skip
COMPILED = frozenset(
    {".pyc", ".pyo", ".pyd", ".so", ".pth", ".egg-link", ".dylib", ".dll", ".egg", ".whl", ".zip"}
)
REFUSED_SUFFIXES = COMPILED | {".ini", ".cfg", ".toml"}
REFUSED_FOLDERS = frozenset({
    "__pycache__", ".git", ".hg", ".svn", ".pytest_cache", ".tox", ".nox", ".venv", "venv",
    ".eggs",
})  # fmt: skip
TEST_FOLDERS = frozenset({"test", "tests"})
RUNNER_MODULES = frozenset({
    "pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments", "exceptiongroup",
    "tomli", "coverage",
})  # fmt: skip
"""Names of the test runner's own modules."""


@dataclass(frozen=True, slots=True)
class Submission:
    """Files that an agent submits."""

    files: Mapping[str, bytes]
    left: tuple[str, ...] = ()
    """Paths that were skipped: links, pipes, devices, large files, unprintable names."""


def from_sandbox(sandbox: Sandbox) -> Submission:
    """Read the workspace of an agent's sandbox, after ending its sessions.

    Raises:
        SandboxError: if the sandbox does not respond, or holds more than the limits allow.
    """
    for session in sandbox.sessions:
        session.close()
    files: dict[str, bytes] = {}
    left: list[str] = []
    total = 0
    for path in sandbox.files():
        if not _readable(path):
            left.append(path)
            continue
        if not _wanted(path):
            continue
        try:
            files[path] = sandbox.read(path, limit=MAX_FILE_BYTES)
        except SandboxError:
            left.append(path)
            continue
        total += len(files[path])
        if total > MAX_TOTAL_BYTES or len(files) > MAX_FILES:
            raise SandboxError(
                f"the workspace holds more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes "
                "of source: nothing of it is taken"
            )
    return Submission(files, tuple(left))


def from_directory(root: str) -> Submission:
    """Read a host directory written by an agent, without following links or waiting for pipes.

    Raises:
        SandboxError: if it is not a directory, or holds more than the limits allow.
    """
    files: dict[str, bytes] = {}
    left: list[str] = []
    try:
        top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as problem:
        raise SandboxError(f"{root!r} cannot be read as a directory: {problem.strerror}") from None
    try:
        for path, descriptor in _walk(top, "", left):
            with open(descriptor, "rb") as file:
                found = os.fstat(descriptor)
                if (
                    stat.S_ISREG(found.st_mode)
                    and found.st_nlink == 1
                    and found.st_size <= MAX_FILE_BYTES
                ):
                    files[path] = file.read(MAX_FILE_BYTES + 1)[:MAX_FILE_BYTES]
                else:
                    left.append(path)
            if len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_TOTAL_BYTES:
                raise SandboxError(
                    f"{root!r} holds more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes of "
                    "source: nothing of it is taken"
                )
    finally:
        os.close(top)
    return Submission(files, tuple(left))


def _walk(folder: int, prefix: str, left: list[str]) -> Iterator[tuple[str, int]]:
    """Yield descriptors of the regular files below an open directory."""
    with os.scandir(folder) as entries:
        names = sorted(
            (os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries
        )
    for raw, directory in names:
        name = raw.decode("utf-8", "backslashreplace")
        path = prefix + name
        if directory:
            if name not in REFUSED_FOLDERS and len(prefix) < 1000:
                below = os.open(raw, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
                try:
                    yield from _walk(below, path + "/", left)
                finally:
                    os.close(below)
        elif _readable(path) and _wanted(path):
            try:
                if stat.S_ISREG(os.stat(raw, dir_fd=folder, follow_symlinks=False).st_mode):
                    yield (
                        path,
                        os.open(raw, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder),
                    )
                    continue
            except OSError:
                pass
            left.append(path)


def _readable(path: str) -> bool:
    """Return whether a path is printable and stays inside the workspace."""
    pure = PurePosixPath(path)
    return (
        len(path) <= 400
        and path.isprintable()
        and "\\" not in path
        and not pure.is_absolute()
        and ".." not in pure.parts
    )


def _wanted(path: str) -> bool:
    """Return whether a file may be read at all."""
    pure = PurePosixPath(path)
    if pure.suffix.lower() in REFUSED_SUFFIXES or pure.name.lower() in REFUSED_NAMES:
        return False
    built = len(pure.parts) > 1 and pure.parts[0] in ("build", "dist")
    return not built and not any(
        part in REFUSED_FOLDERS or part.endswith((".egg-info", ".dist-info"))
        for part in pure.parts[:-1]
    )


def admissible(path: str) -> bool:
    """Return whether a repair may write a file.

    Nothing compiled, no test settings, no test by its name.
    """
    pure = PurePosixPath(path)
    apart = pure.suffix.lower() in COMPILED or pure.name.lower() in REFUSED_NAMES
    return (
        _readable(path)
        and not apart
        and not REFUSED_FOLDERS.intersection(pure.parts)
        and not is_test(path, frozenset())
    )


def is_test(path: str, known: frozenset[str]) -> bool:
    """Return whether a file belongs to the tests: known as one, or named like one."""
    pure = PurePosixPath(path)
    if path in known:
        return True
    return (
        pure.name.startswith("test_")
        or pure.stem.endswith("_test")
        or any(part in TEST_FOLDERS for part in pure.parts[:-1])
    )


def assemble(
    pristine: Mapping[str, bytes], submitted: Mapping[str, bytes], test_files: frozenset[str]
) -> dict[str, bytes]:
    """Return the tree to grade: the reference with the submission's source in place of its own.

    Tests, settings and everything else that is not collected come from the reference. Source that
    the submission deleted stays deleted: otherwise deleting a broken file would repair it.
    """
    tree: dict[str, bytes] = {}
    tops = {PurePosixPath(path).parts[0].removesuffix(".py") for path in pristine}
    folders = {part for path in test_files for part in PurePosixPath(path).parts[:-1]}
    for path, data in pristine.items():
        kept = path in test_files or not _wanted(path) or not _readable(path)
        if kept or path in submitted:
            tree[path] = data if kept else submitted[path]
    for path, data in submitted.items():
        if path in pristine or not (_readable(path) and _wanted(path)) or is_test(path, test_files):
            continue
        top = PurePosixPath(path).parts[0].removesuffix(".py")
        hides = top not in tops and (top in sys.stdlib_module_names or top in RUNNER_MODULES)
        # `tests.py` would be imported in place of a folder `tests`.
        hides = hides or (path.endswith(".py") and PurePosixPath(path).stem in folders)
        if PurePosixPath(path).suffix in SUFFIXES and not hides and len(data) <= MAX_FILE_BYTES:
            tree[path] = data
    return tree
