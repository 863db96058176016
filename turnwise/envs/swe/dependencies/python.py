"""The Python that a repository's tests run with: the standard library, pytest with what it needs,
and what a recipe requires.

A package that is installed beside us, or that pip and setuptools carry inside them, would be the
answer to a task about that package. So the directories of installed packages are not shown to the
sandbox: one of our own stands in their place, with copies of pytest and its requirements, and an
empty one covers each of the system's.
"""

from __future__ import annotations

import compileall
import contextlib
import importlib.metadata
import os
import py_compile
import re
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from turnwise.envs.swe.dependencies import wheels
from turnwise.envs.swe.tasks.task import digest
from turnwise.errors import ConfigError, DataError
from turnwise.sandbox.contract import Limits, Spec
from turnwise.sandbox.jail import SITES, sites

SHOWN_DISTRIBUTIONS = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")
"""Distributions shown. A repository of one of these names cannot be a task."""
LIBRARY_VERSION = 2
"""Raised when what is copied changes."""
BACKENDS = ("jail", "bubblewrap", "docker")
"""Backends that can hide what is installed; Landlock shows every file where it is."""
OPTIONS = {
    "_hypothesis_pytestplugin": "--hypothesis-seed=0",
    "pytest_asyncio.plugin": "--asyncio-mode=auto",
}
"""Of plugins: what a repository's own settings would say, which nobody reads."""
LIMITS = Limits(
    seconds=120.0,
    memory_mb=1024,
    processes=64,
    disk_mb=256,
    files=50_000,
    output_chars=200_000,
    flood_chars=64_000_000,
)


def requirements() -> dict[str, str]:
    """Versions of what is shown. Raises `ConfigError` where pytest is not installed here."""
    try:
        return {name: importlib.metadata.version(name) for name in SHOWN_DISTRIBUTIONS}
    except importlib.metadata.PackageNotFoundError as problem:
        raise ConfigError(
            f"repairing repositories needs pytest, and {problem.name} is absent: pip install "
            "'turnwise[swe]'"
        ) from problem


def readonly(requires: Sequence[str] = ()) -> dict[str, str]:
    """`Spec.readonly` for a sandbox in which only the standard library, pytest and the required can
    be found.
    """
    shown, empty = str(library(requires)), str(_directory() / "empty")
    Path(empty).mkdir(parents=True, exist_ok=True)
    binds = {f"{SITES}/{number}": empty for number in range(len(sites()))}
    binds[f"{SITES}/0"] = shown
    return binds | dict.fromkeys(package_directories(), empty)


def package_directories() -> list[str]:
    """Directories of the bare Python and of the system that hold packages: installed ones, and pip
    as a wheel in `ensurepip`.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefixes = dict.fromkeys(
        (sys.base_prefix, os.path.realpath(sys.base_prefix), "/usr", "/usr/local")
    )
    below = (
        f"lib/{version}/site-packages",
        f"lib/{version}/dist-packages",
        "lib/python3/dist-packages",
    )
    found = [
        f"{prefix}/{part}"
        for prefix in prefixes
        for part in (*below, f"lib/{version}/ensurepip/_bundled")
    ]
    found.append(str(Path(sysconfig.get_paths()["stdlib"]) / "ensurepip" / "_bundled"))
    found.append("/usr/share/python-wheels")
    return [path for path in dict.fromkeys(found) if os.path.isdir(path)]


def spec(workspace: str = "", limits: Limits = LIMITS, requires: Sequence[str] = ()) -> Spec:
    """A sandbox for a repository and its tests; `workspace` is a host directory with its tree,
    `requires` are of the recipe.
    """
    quiet = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    if found := plugins(requires):
        quiet["PYTEST_PLUGINS"] = ",".join(found)
        quiet["PYTEST_ADDOPTS"] = " ".join(
            option for plugin, option in OPTIONS.items() if plugin in found
        )
    if any(one.startswith("hypothesis==") for one in requires):
        quiet["CI"] = (
            "true"  # it then draws the same examples every time, keeps none, and does not look at the clock
        )
    return Spec(limits=limits, workspace=workspace, readonly=readonly(requires), environment=quiet)


def library(requires: Sequence[str] = ()) -> Path:
    """A directory with copies of pytest and its requirements, and of pinned distributions, made
    once and shared by all processes.

    Raises:
        DataError: where pip cannot get one of the distributions.
    """
    target = _place(requires)
    if not target.is_dir():
        with temporary_library() as folder:
            if requires:
                wheels.unpack(requires, folder, requirements(), whole=False)
            keep(folder, requires)
    return target


def plugins(requires: Sequence[str]) -> tuple[str, ...]:
    """Modules of the plugins for pytest that are required."""
    return wheels.plugins(library(requires), requires) if requires else ()


def keep(folder: Path, requires: Sequence[str]) -> None:
    """Make a directory that holds pinned distributions, and nothing else, the library of these."""
    target = _place(requires)
    wheels.remove(folder, ())
    for distribution in SHOWN_DISTRIBUTIONS:
        _copy(distribution, folder)
    # Nobody may write bytecode there, and compiling pytest anew in every sandbox would cost more
    # than most test suites.
    compileall.compile_dir(
        str(folder),
        quiet=2,
        stripdir=str(folder),
        prependdir=f"{SITES}/0",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    for path in (
        folder,
        *folder.rglob("*"),
    ):  # every sandbox has a user of its own, who must be able to read
        path.chmod(0o755 if path.is_dir() else 0o644)
    try:
        folder.rename(target)  # another process may have been first, with the same files
    except OSError:
        if not target.is_dir():
            raise


@contextlib.contextmanager
def temporary_library() -> Iterator[Path]:
    """A new directory beside the libraries, gone in the end unless it was kept as one."""
    _directory().mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="new-", dir=_directory()))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _place(requires: Sequence[str]) -> Path:
    what: tuple[object, ...] = (
        LIBRARY_VERSION,
        sorted(requirements().items()),
        sys.implementation.cache_tag,
    )
    return (
        _directory() / digest(repr((*what, sorted(requires)) if requires else what).encode())[:16]
    )


def check_name(name: str) -> None:
    """Raises `DataError` for a package that the sandbox's own Python must show: its source would be
    the answer.
    """
    if re.sub(r"[-_.]+", "-", name).lower() in (*SHOWN_DISTRIBUTIONS, "pip", "setuptools"):
        raise DataError(
            f"{name} cannot be made into tasks: the sandbox's own pytest needs it, so the "
            "answer would lie beside it"
        )


def _copy(distribution: str, into: Path) -> None:
    for file in importlib.metadata.files(distribution) or ():
        if ".." in file.parts or "__pycache__" in file.parts or file.suffix == ".pth":
            continue
        source, place = Path(str(file.locate())), into / file
        if source.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, place)


def _directory() -> Path:
    """`$TURNWISE_CACHE/swe`, else `turnwise/swe` in the user's cache (XDG)."""
    own = os.environ.get("TURNWISE_CACHE")
    if own:
        return Path(own).expanduser() / "swe"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "turnwise" / "swe"
