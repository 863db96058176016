"""The task format: what a repair task is made of, never a copy of other people's code.

A task names a package, the digest of its source, and the edits that broke it. An edit is an
operator and the span of bytes it replaced, both identified by digest. The operator rebuilds the
replacement from the source (`turnwise.envs.swe.generate.mutations`), so a task file contains only
our own words, test names and numbers. The whole task can be rebuilt from the source.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from turnwise.errors import DataError

FORMAT = "turnwise-swe-tasks"
VERSION = 2
READABLE_VERSIONS = (1, VERSION)
"""Versions this module reads. In version 1 every task listed its whole test suite."""

Tree = Mapping[str, bytes]
"""A repository: path relative to its root, with slashes -> bytes of a regular file."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One edit of the pristine file.

    The output of `operator` replaces bytes `start` to `end`.
    """

    path: str
    operator: str
    start: int
    end: int
    before_sha: str
    """SHA-256 of the replaced bytes."""
    after_sha: str
    """SHA-256 of the replacement; detects operators whose output has changed."""


@dataclass(frozen=True, slots=True)
class SweTask:
    """A repository broken on purpose, and the tests that detect it.

    Test ids are pytest's, relative to the root of the repository:
    `tests/test_x.py::TestY::test_z[1]`.
    """

    id: str
    source: str
    """Source of the repository: `pypi`, `directory` or `toy`."""
    name: str
    version: str
    sha256: str
    """SHA-256 of the source archive, or of the tree (`tree_digest`) for a directory."""
    mutations: tuple[Mutation, ...]
    """Ordered by path and position. Spans refer to the pristine file and do not overlap."""
    issue: str
    fail_to_pass: tuple[str, ...]
    """Tests that fail in the broken repository and pass in the pristine one, sorted."""
    pass_to_pass: tuple[str, ...]
    """Tests that pass in both, sorted."""
    test_files: tuple[str, ...]
    """Files of the test suite, with conftests and data; the grader takes these from the pristine
    tree.
    """
    difficulty: int
    """1 (one site, many failing tests) to 5 (several related sites, few failing tests)."""
    seed: int
    roots: tuple[str, ...] = ("",)
    """Directories on `sys.path` when the tests run, relative to the repository; "" is its root."""
    python: str = ""
    """Python version the outcomes were observed with, such as `3.11`."""
    requires: tuple[str, ...] = ()
    """Pinned distributions the tests need beside pytest, such as `attrs==25.1.0`."""


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def tree_digest(tree: Tree) -> str:
    """Return a SHA-256 over the sorted paths and contents of a tree; equal only for equal trees."""
    total = hashlib.sha256()
    for path in sorted(tree):
        total.update(f"{len(path.encode())}:{path}:{digest(tree[path])}\n".encode())
    return total.hexdigest()


def write_tasks(path: str | Path, tasks: Iterable[SweTask], append: bool = False) -> None:
    """Write tasks as JSON lines after a header with format and version.

    `append` adds to an existing file.

    The test suite that tasks of a repository share is written once, on a line before the first of
    them.
    """
    target = Path(path)
    fresh = not (append and target.exists() and target.stat().st_size > 0)
    written = set() if fresh else _suites(target)
    with target.open("w" if fresh else "a", encoding="utf8") as out:
        if fresh:
            out.write(json.dumps({"format": FORMAT, "version": VERSION}) + "\n")
        for task in tasks:
            suite = sorted({*task.fail_to_pass, *task.pass_to_pass})
            line = _line({"tests": _by_file(suite), "test_files": task.test_files})
            key = digest(line.encode())[:12]
            data = asdict(task)
            if task.pass_to_pass == tuple(
                test for test in suite if test not in set(task.fail_to_pass)
            ):
                if key not in written:
                    out.write(_line({"suite": key})[:-1] + "," + line[1:] + "\n")
                    written.add(key)
                data["suite"] = key
                del data["pass_to_pass"], data["test_files"]
            out.write(_line(data) + "\n")


def _line(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def _by_file(tests: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for test in tests:
        path, _, rest = test.partition("::")
        found.setdefault(path, []).append(rest)
    return found


def _suites(path: Path) -> set[str]:
    """Return the keys of the test suites already in a file."""
    with path.open(encoding="utf8") as lines:
        return {str(json.loads(line)["suite"]) for line in lines if line.startswith('{"suite":')}


def read_tasks(path: str | Path) -> Iterator[SweTask]:
    """Read tasks one by one.

    Raises `DataError` for a missing file, another format or version, or a bad line.
    """
    source = Path(path)
    if not source.is_file():
        raise DataError(f"{source} does not exist: give a file written by `turnwise swe generate`")
    with source.open(encoding="utf8") as lines:
        head = _object(source, 1, lines.readline())
        if head.get("format") != FORMAT:
            raise DataError(
                f"{source} is not a file of repair tasks: its first line should name the "
                f"format {FORMAT!r}"
            )
        if head.get("version") not in READABLE_VERSIONS:
            raise DataError(
                f"{source} has version {head.get('version')!r} and this turnwise reads version "
                f"{VERSION}: generate the tasks again"
            )
        suites: dict[str, Mapping[str, Any]] = {}
        for number, line in enumerate(lines, start=2):
            if line.strip():
                data = _object(source, number, line)
                if "tests" in data:
                    suites[str(data.get("suite"))] = data
                else:
                    yield task_from_json(
                        _whole(data, suites, f"{source} line {number}"), f"{source} line {number}"
                    )


def _whole(
    data: dict[str, Any], suites: Mapping[str, Mapping[str, Any]], where: str
) -> dict[str, Any]:
    """Return a task record completed from its test suite."""
    if "suite" not in data:
        return data
    suite = suites.get(str(data.pop("suite")))
    failing = data.get("fail_to_pass")
    try:
        assert suite is not None
        tests = [
            f"{path}::{rest}" if rest else path
            for path, several in suite["tests"].items()
            for rest in several
        ]
        return {
            **data,
            "test_files": suite["test_files"],
            "pass_to_pass": sorted(set(tests) - set(failing or ())),
        }
    except (AssertionError, AttributeError, KeyError, TypeError) as problem:
        raise DataError(
            f"{where} refers to a test suite that no line before it defines: the file was cut "
            "or edited"
        ) from problem


def task_from_json(data: Mapping[str, Any], where: str = "the task") -> SweTask:
    """Return the task of a JSON object.

    Raises `DataError` naming `where` for missing, unknown or wrong fields.
    """
    known = {f.name for f in fields(SweTask)}
    unknown_fields = sorted(data.keys() - known)
    if unknown_fields:
        raise DataError(
            f"{where} has the unknown field {unknown_fields[0]!r}: it is not a repair task of "
            f"version {VERSION}"
        )
    try:
        values: dict[str, Any] = dict(data)
        values["mutations"] = tuple(Mutation(**item) for item in values["mutations"])
        for name in ("fail_to_pass", "pass_to_pass", "test_files", "roots", "requires"):
            if name in values:
                values[name] = _texts(values[name], name)
        task = SweTask(**values)
    except (KeyError, TypeError) as problem:
        raise DataError(
            f"{where} is not a repair task of version {VERSION}: {problem}"
        ) from problem
    _check(task, where)
    return task


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{name} should be a list of strings")
    return tuple(value)


def _check(task: SweTask, where: str) -> None:
    """Raise `DataError` for paths outside the repository and impossible spans.

    Anyone may have written the file.
    """
    for path in (
        *(m.path for m in task.mutations),
        *task.test_files,
        *(root for root in task.roots if root),
    ):
        pure = PurePosixPath(path)
        if not path or pure.is_absolute() or ".." in pure.parts or "\x00" in path:
            raise DataError(f"{where} names {path!r}, which is not a path inside a repository")
    for m in task.mutations:
        if not (isinstance(m.start, int) and isinstance(m.end, int) and 0 <= m.start < m.end):
            raise DataError(
                f"{where} has a mutation of {m.path} whose span {m.start}..{m.end} is not one"
            )
    if not task.mutations or not task.fail_to_pass:
        raise DataError(f"{where} has no mutation or no failing test: nothing can be repaired")


def _object(source: Path, number: int, line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except json.JSONDecodeError as problem:
        raise DataError(
            f"{source} line {number} is not valid JSON ({problem.msg}): the file was cut off or "
            "edited"
        ) from problem
    if not isinstance(data, dict):
        raise DataError(f"{source} line {number} is not a JSON object")
    return data
