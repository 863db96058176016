"""The Python that a repository's tests run with.

It has the standard library, pytest, and the task's requirements.

A package that is installed on the host, or bundled inside pip and setuptools, would be the answer
to a task about that package. The sandbox therefore sees none of the host's package directories. One
of our own takes their place, with copies of pytest and its requirements, and an empty directory
covers each of the system's.
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
"""Distributions copied from the host. Tasks cannot be about any of these."""
LIBRARY_VERSION = 2
"""Raise it when what is copied changes."""
BACKENDS = ("jail", "bubblewrap", "docker")
"""Backends that can hide installed packages; Landlock shows every file where it is."""
OPTIONS = {
    "_hypothesis_pytestplugin": "--hypothesis-seed=0",
    "pytest_asyncio.plugin": "--asyncio-mode=auto",
}
"""Options for plugins, in place of the repository's settings, which are not read."""
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
    """Return the versions of the shown distributions.

    Raises `ConfigError` if pytest is not installed.
    """
    try:
        return {name: importlib.metadata.version(name) for name in SHOWN_DISTRIBUTIONS}
    except importlib.metadata.PackageNotFoundError as problem:
        raise ConfigError(
            f"the SWE environment needs {problem.name}: install it with pip install 'turnwise[swe]'"
        ) from problem


def readonly(requires: Sequence[str] = ()) -> dict[str, str]:
    """Return `Spec.readonly` for a sandbox that sees no host packages.

    It sees the standard library, pytest and `requires`.
    """
    shown, empty = str(library(requires)), str(_directory() / "empty")
    Path(empty).mkdir(parents=True, exist_ok=True)
    binds = {f"{SITES}/{number}": empty for number in range(len(sites()))}
    binds[f"{SITES}/0"] = shown
    return binds | dict.fromkeys(package_directories(), empty)


def package_directories() -> list[str]:
    """Return the directories of the bare Python and the system that hold packages.

    pip's bundled wheels are among them.
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
    """Return the spec of a sandbox for a repository and its tests.

    Args:
        workspace: host directory with the repository's tree.
        requires: pinned distributions of the task.
    """
    quiet = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    if found := plugins(requires):
        quiet["PYTEST_PLUGINS"] = ",".join(found)
        quiet["PYTEST_ADDOPTS"] = " ".join(
            option for plugin, option in OPTIONS.items() if plugin in found
        )
    if any(one.startswith("hypothesis==") for one in requires):
        # Hypothesis then draws the same examples each time, stores none and has no deadlines.
        quiet["CI"] = "true"
    return Spec(limits=limits, workspace=workspace, readonly=readonly(requires), environment=quiet)


def library(requires: Sequence[str] = ()) -> Path:
    """Return a directory with pytest, its requirements and pinned distributions.

    It is built once for all processes.

    Raises:
        DataError: if pip cannot get one of the distributions.
    """
    target = _library_path(requires)
    if not target.is_dir():
        with temporary_library() as folder:
            if requires:
                wheels.unpack(requires, folder, requirements(), whole=False)
            keep(folder, requires)
    return target


def plugins(requires: Sequence[str]) -> tuple[str, ...]:
    """Return the modules of the required pytest plugins."""
    return wheels.plugins(library(requires), requires) if requires else ()


def keep(folder: Path, requires: Sequence[str]) -> None:
    """Turn a directory that holds exactly the pinned distributions into their library."""
    target = _library_path(requires)
    wheels.remove(folder, ())
    for distribution in SHOWN_DISTRIBUTIONS:
        _copy(distribution, folder)
    # Sandboxes cannot write bytecode here, and compiling pytest in each of them would take longer
    # than most test suites.
    compileall.compile_dir(
        str(folder),
        quiet=2,
        stripdir=str(folder),
        prependdir=f"{SITES}/0",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    for path in (folder, *folder.rglob("*")):
        # Every sandbox has its own user, who must be able to read this.
        path.chmod(0o755 if path.is_dir() else 0o644)
    try:
        folder.rename(target)  # another process may have built the same files first
    except OSError:
        if not target.is_dir():
            raise


@contextlib.contextmanager
def temporary_library() -> Iterator[Path]:
    """Yield a new directory next to the libraries; it is removed unless `keep` took it."""
    _directory().mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix="new-", dir=_directory()))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _library_path(requires: Sequence[str]) -> Path:
    """Return the path of the library for a set of pins."""
    what: tuple[object, ...] = (
        LIBRARY_VERSION,
        sorted(requirements().items()),
        sys.implementation.cache_tag,
    )
    return (
        _directory() / digest(repr((*what, sorted(requires)) if requires else what).encode())[:16]
    )


def check_name(name: str) -> None:
    """Raise `DataError` for a package that every sandbox has to show.

    Its source would be the answer.
    """
    if re.sub(r"[-_.]+", "-", name).lower() in (*SHOWN_DISTRIBUTIONS, "pip", "setuptools"):
        raise DataError(
            f"{name} cannot be made into tasks: the sandbox's own pytest needs it, so the agent "
            "could read a correct copy"
        )


def _copy(distribution: str, into: Path) -> None:
    for file in importlib.metadata.files(distribution) or ():
        if ".." in file.parts or "__pycache__" in file.parts or file.suffix == ".pth":
            continue
        source, target = Path(str(file.locate())), into / file
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)


def _directory() -> Path:
    """Return `$TURNWISE_CACHE/swe`, or `turnwise/swe` in the user's cache directory."""
    own = os.environ.get("TURNWISE_CACHE")
    if own:
        return Path(own).expanduser() / "swe"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "turnwise" / "swe"
