"""A task as trees: the repository as it was, as the agent finds it, and the patch between the two.

What the agent finds is broken by the recipe's edits and does not have the tests that know it: their
functions are cut out of the test files, so that what is left of the suite still runs. The inverse
of the edits is the gold patch.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from turnwise.envs.swe.hidden_tests import without
from turnwise.envs.swe.mutate import rebuild
from turnwise.envs.swe.source import Repository, open_source
from turnwise.envs.swe.task import SweTask, digest
from turnwise.errors import DataError


@dataclass(frozen=True, slots=True)
class Trees:
    """What a task is made of. Every tree maps a path to the bytes of a file."""

    pristine: Mapping[str, bytes]
    """The repository without bugs, with all its tests: what the grader knows."""
    broken: Mapping[str, bytes]
    """The repository with the bugs, with all its tests."""
    visible: Mapping[str, bytes]
    """What the agent finds: broken, and without the tests that fail."""
    gold: Mapping[str, bytes]
    """The files that the repair changes, as they were."""
    patch: str
    """The repair as a unified diff of `visible`."""


def materialise(task: SweTask, source: str | Path | Repository) -> Trees:
    """The trees of a task.

    Args:
        task: the recipe.
        source: the repository it was made from: a directory, a source archive, or one that is open
            already.

    Raises:
        DataError: where the source is another one, or the recipe's edits do not fit it.
    """
    repository = source if isinstance(source, Repository) else open_source(str(source))
    if repository.sha256 != task.sha256:
        raise DataError(
            f"the task {task.id} was made from {task.name} {task.version} with SHA-256 {task.sha256[:12]}, and the source given "
            f"has {repository.sha256[:12]}: give the same archive or directory"
        )
    pristine = dict(repository.tree)
    paths = sorted({m.path for m in task.mutations})
    absent = [path for path in paths if path not in pristine]
    if absent:
        raise DataError(
            f"the task {task.id} changes {absent[0]}, which its source does not have: the recipe was edited"
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
    """Another file with the repaired text, such as a vendored or built copy, would be the answer."""
    return path not in gold and any(
        len(data) == len(right) and digest(data) == digest(right) for right in gold.values()
    )


def _diff(path: str, before: bytes, after: bytes) -> str:
    """A unified diff in which only line feeds end lines."""
    out = []
    for line in difflib.unified_diff(_lines(before), _lines(after), f"a/{path}", f"b/{path}"):
        out.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return "".join(out)


def _lines(data: bytes) -> list[str]:
    parts = data.decode("utf8").split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
