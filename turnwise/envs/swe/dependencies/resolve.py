"""Resolve the packages that a repository's tests need.

They are found by pip, pinned in the task, and mounted read-only.

pip is limited to wheels, so no foreign code runs on the host. They are unpacked into a directory of
the user's cache, one for each set of versions, together with pytest. The package under repair is
never among them, and a distribution that bundles a copy of it is left out: it would be the answer.
"""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from turnwise.envs.swe.dependencies import python, wheels
from turnwise.envs.swe.dependencies.dependency_files import (
    distribution_name,
    needed_by_tests,
    normalised_name,
)
from turnwise.envs.swe.generate.journal import Journal
from turnwise.envs.swe.syntax import parse
from turnwise.envs.swe.tasks.repository import Repository, suite_files
from turnwise.errors import DataError

Note = Callable[[str], None]
REQUIREMENT = re.compile(
    r"[A-Za-z0-9][\w.-]*(\[[\w, .-]*\])?\s*([<>=!~]=?=?\s*[\w.*+!-]+\s*,?\s*)*"
    r"""(;[\w .()<>=!"']*)?"""
)
COPY_SHARE, MIN_COPY_NAMES = 0.5, 4
"""A file that defines this share of another's names counts as a copy, if there are at least
MIN_COPY_NAMES.
"""


def resolve_dependencies(
    repository: Repository, given: Sequence[str], answers: Journal, note: Note
) -> Repository:
    """Return the repository with the pinned distributions its tests need.

    Args:
        given: requirements given by the user. These and the package's runtime requirements must be
            available; a requirement of the tests alone is dropped with a note if pip has no wheel
            of it.
        answers: journal that stores the versions found.
        note: receives progress messages.

    Raises:
        DataError: for a requirement that is not available.
    """
    known = answers.get("requires")
    if known is None:
        known = _resolved(repository, list(given), note)
        answers.put("requires", known)
    if known:
        note(f"beside pytest the tests have {', '.join(known)}")
    return replace(repository, requires=tuple(known))


def split_requirements(text: str) -> tuple[str, ...]:
    """Split `a, b==1,c>=2,<3` into requirements. Raises `DataError` for text that is not one."""
    found: list[str] = []
    for part in (part.strip() for part in text.split(",")):
        if part[:1] in tuple("<>=!~") and found:
            found[-1] += f",{part}"
        elif part:
            found.append(part)
    for req in found:
        if not REQUIREMENT.fullmatch(req):
            raise DataError(
                f"{req!r} is not a requirement: write NAME or NAME==VERSION, several with "
                "commas between them"
            )
    return tuple(found)


def _resolved(repository: Repository, given: list[str], note: Note) -> list[str]:
    """Return the pinned distributions, downloaded into their library."""
    declared = repository.declarations
    own = {normalised_name(repository.name), *python.SHOWN_DISTRIBUTIONS}
    needed = [req for req in (*given, *declared.runtime) if distribution_name(req) not in own]
    asked = {distribution_name(req) for req in needed} | own
    more = needed_by_tests(
        repository.tree, declared, tops(repository), _suite(repository), repository.code_files
    )
    optional = [req for req in more if distribution_name(req) not in asked]
    if not (needed or optional):
        return []
    note(f"looking for {', '.join(map(distribution_name, (*needed, *optional)))}")
    with python.temporary_library() as folder:
        try:
            _unpack([*needed, *optional], folder)
        except DataError as problem:
            optional = _possible(repository, needed, optional, problem, note)
            shutil.rmtree(folder)
            folder.mkdir()
            if needed or optional:
                _unpack([*needed, *optional], folder)
        dropped = distributions_with_copies(folder, repository)
        for name, file in sorted(dropped.items()):
            note(
                f"the tests go without {name}: its {file} looks like a copy of what is to be "
                "repaired"
            )
        wheels.remove(folder, {*dropped, *own})
        pins = sorted(f"{name}=={version}" for name, version in wheels.versions(folder).items())
        if pins:
            python.keep(folder, tuple(pins))
    return pins


def _suite(repository: Repository) -> list[str]:
    """Return the files with tests, and the conftests."""
    return [
        path
        for path in repository.test_files
        if path in suite_files([path]) or path.endswith("conftest.py")
    ]


def _possible(
    repository: Repository, needed: list[str], optional: list[str], problem: DataError, note: Note
) -> list[str]:
    """Return the optional requirements that install together with the needed ones.

    Raises `DataError` if the needed ones do not install.
    """
    kept: list[str] = []
    for req in (None, *optional) if needed else optional:
        with python.temporary_library() as trial:
            try:
                _unpack([*needed, *kept, *([req] if req else [])], trial)
                kept += [req] if req else []
            except DataError as reason:
                if req is None or not optional:
                    raise DataError(
                        f"{repository.name} needs packages that are not available here: {reason}"
                    ) from problem
                note(f"the tests go without {distribution_name(req)}: {reason}")
    return kept


def _unpack(requirements: list[str], folder: Path) -> None:
    wheels.unpack(requirements, folder, python.requirements())


# Copies of the answer


def tops(repository: Repository) -> frozenset[str]:
    """Return the names under which the repository's modules and its tests are imported."""
    found = set()
    for path in repository.tree:
        if path.endswith(".py"):
            for root in repository.roots:
                if not root or path.startswith(f"{root}/"):
                    found.add(
                        path.removeprefix(f"{root}/" if root else "")
                        .partition("/")[0]
                        .removesuffix(".py")
                    )
            found.add(
                path.rpartition("/")[2].removesuffix(".py") if path in repository.test_files else ""
            )
    return frozenset(found - {""})


def distributions_with_copies(folder: Path, repository: Repository) -> dict[str, str]:
    """Return the distributions in a directory that contain a copy of a repository file.

    The result maps each distribution to that file.
    """
    defined = {path: names(repository.tree[path]) for path in repository.code_files}
    originals: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for path, known in defined.items():
        if len(known) >= MIN_COPY_NAMES:
            originals.setdefault(_tail(path), []).append((path, known))
    own, found = normalised_name(repository.name), {}
    for name in wheels.versions(folder):
        for file in wheels.files(folder, name) if name != own else ():
            for _, known in originals.get(_tail(file.as_posix()), ()):
                if file.suffix == ".py" and len(
                    known & names(file.read_bytes())
                ) >= COPY_SHARE * len(known):
                    found[name] = file.relative_to(folder).as_posix()
    return found


def names(data: bytes) -> frozenset[str]:
    """Return the names of the functions and classes that a file defines."""
    try:
        tree = parse(data)
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
    )


def _tail(path: str) -> str:
    """Return a file's name; for `__init__.py`, with its directory."""
    parts = path.split("/")
    return "/".join(parts[-2:] if parts[-1] == "__init__.py" else parts[-1:])
