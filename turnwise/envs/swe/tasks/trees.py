"""Trees of a task: the pristine repository, the one the agent finds, and the patch between them.

The agent's repository contains the bugs and lacks the tests that detect them: their functions are
cut out of the test files, so that the rest of the suite still runs. The inverse of the bugs is the
gold patch.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from turnwise.envs.swe.generate.mutations import rebuild
from turnwise.envs.swe.syntax import functions, parse
from turnwise.envs.swe.tasks.repository import Repository, is_test, open_source
from turnwise.envs.swe.tasks.task import SweTask, digest
from turnwise.errors import DataError


@dataclass(frozen=True, slots=True)
class Trees:
    """The trees of a task, each a mapping from path to file content."""

    pristine: Mapping[str, bytes]
    """The repository without bugs, with all its tests; only the grader has it."""
    broken: Mapping[str, bytes]
    """The repository with the bugs, with all its tests."""
    visible: Mapping[str, bytes]
    """The agent's repository: broken, without the fail-to-pass tests."""
    gold: Mapping[str, bytes]
    """Original content of the files that the repair changes."""
    patch: str
    """The repair as a unified diff against `visible`."""


def build_trees(task: SweTask, source: str | Path | Repository) -> Trees:
    """Build the trees of a task.

    Args:
        task: the task.
        source: the repository it was made from: a directory, a source archive, or an open
            `Repository`.

    Raises:
        DataError: if the source is a different one, or the task's edits do not fit it.
    """
    repository = source if isinstance(source, Repository) else open_source(str(source))
    if repository.sha256 != task.sha256:
        raise DataError(
            f"the task {task.id} was made from {task.name} {task.version} with SHA-256 "
            f"{task.sha256[:12]}, and the source given "
            f"has {repository.sha256[:12]}: give the same archive or directory"
        )
    pristine = dict(repository.tree)
    paths = sorted({m.path for m in task.mutations})
    absent = [path for path in paths if path not in pristine]
    if absent:
        raise DataError(
            f"the task {task.id} changes {absent[0]}, which its source does not have: the "
            "task was edited"
        )
    changed = {
        path: rebuild(pristine[path], [m for m in task.mutations if m.path == path])
        for path in paths
    }
    broken = pristine | changed
    gold = {path: pristine[path] for path in paths}
    visible = without(
        task.fail_to_pass,
        {path: data for path, data in broken.items() if not _copy_of(path, data, gold)},
    )
    return Trees(
        pristine,
        broken,
        visible,
        gold,
        "".join(_diff(path, changed[path], pristine[path]) for path in paths),
    )


def _copy_of(path: str, data: bytes, gold: Mapping[str, bytes]) -> bool:
    """Return whether another file is a copy of a repaired one.

    A vendored or built copy would be the answer.
    """
    return path not in gold and any(
        len(data) == len(right) and digest(data) == digest(right) for right in gold.values()
    )


def _diff(path: str, before: bytes, after: bytes) -> str:
    """Return a unified diff in which only line feeds end lines."""
    out = []
    for line in difflib.unified_diff(_lines(before), _lines(after), f"a/{path}", f"b/{path}"):
        out.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return "".join(out)


def _lines(data: bytes) -> list[str]:
    parts = data.decode("utf8").split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def without(tests: Sequence[str], tree: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return a tree without some of its tests.

    A test function is removed with all its parameters. If the class named by the id does not define
    it, it is inherited: then every function of that name is removed from its file or, if the file
    has none, from all test files. If there is no such function at all (a test created by a
    program), the file is removed.

    Args:
        tests: ids such as `tests/test_x.py::TestY::test_z[1]`.
        tree: path -> bytes.
    """
    cut: dict[str, set[tuple[int, int]]] = {}
    gone: set[str] = set()
    known = {
        path: _spans(data) for path, data in tree.items() if is_test(path) and path.endswith(".py")
    }
    for path, qualified in sorted({_parts(test) for test in tests}):
        name = qualified.rpartition(".")[2]
        for places in ({path: (qualified,)}, {path: (name,)}, dict.fromkeys(known, (name,))):
            found = [
                (p, span)
                for p, names in places.items()
                for full, span in known.get(p, ())
                if _matches(full, names[0])
            ]
            if found:
                for place, span in found:
                    cut.setdefault(place, set()).add(span)
                break
        else:
            gone.add(path)
    return {
        path: _cut(data, cut[path]) if path in cut else data
        for path, data in tree.items()
        if path not in gone
    }


def _parts(test: str) -> tuple[str, str]:
    """Return the file and qualified name of a test id, without parameters.

    These may contain colons and brackets.
    """
    path, _, rest = test.partition("::")
    return path, rest.split("[", 1)[0].replace("::", ".")


def _matches(full: str, wanted: str) -> bool:
    return full == wanted or ("." not in wanted and full.rpartition(".")[2] == wanted)


def _spans(data: bytes) -> list[tuple[str, tuple[int, int]]]:
    """Return the qualified names of a file's functions with their first and last line."""
    try:
        tree = parse(data)
    except (SyntaxError, ValueError):
        return []
    return [(f.name, (f.first, f.last)) for f, _ in functions(tree)]


def _cut(data: bytes, spans: set[tuple[int, int]]) -> bytes:
    """Remove line spans from a file.

    Inside a class or block leave `pass`, which may be all that remains.
    """
    lines = data.splitlines(keepends=True)
    for first, last in sorted(spans, reverse=True):
        if any(a <= first and last <= b and (a, b) != (first, last) for a, b in spans):
            continue
        indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
        lines[first - 1 : last] = [indent + b"pass\n"] if indent else []
    return b"".join(lines)
