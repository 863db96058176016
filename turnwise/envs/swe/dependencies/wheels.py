"""Wheels of other people's packages, unpacked by pip into a directory. Nothing of theirs is run: a
wheel has no build.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from turnwise.envs.swe.dependencies.dependency_files import distribution_name, normalised_name
from turnwise.errors import DataError

PIP_TIMEOUT_S = 900.0
"""For pip, over whatever network."""


def unpack(
    requirements: Sequence[str], into: Path, limits: Mapping[str, str], whole: bool = True
) -> None:
    """Unpack the wheels of requirements.

    Args:
        requirements: such as `attrs>=22`.
        into: an empty directory.
        limits: versions of distributions that are there already.
        whole: with what the requirements need themselves.

    Raises:
        DataError: where pip cannot get them, with its last words.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("".join(f"{name}=={version}\n" for name, version in limits.items()))
        file.flush()
        command = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--only-binary",
            ":all:",
            "--no-compile",
            "--disable-pip-version-check",
        ]
        command += [
            "-q",
            "--target",
            str(into),
            "-c",
            file.name,
            *(() if whole else ("--no-deps",)),
            "--",
            *requirements,
        ]
        asked = ", ".join(requirements)
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=PIP_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as problem:
            raise DataError(
                f"pip did not come to an end in {PIP_TIMEOUT_S:.0f} s over {asked}"
            ) from problem
    if done.returncode:
        lines = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.strip()]
        told = (
            [
                line
                for line in lines
                if line.startswith(("No matching", "Cannot install", "Could not"))
            ]
            or lines
            or ["nothing"]
        )
        raise DataError(f"pip cannot get wheels of {asked}; it says: {told[-1].strip()[:300]}")


def versions(folder: Path) -> dict[str, str]:
    """Distributions in a directory: plain name -> version."""
    return {name: one.version for name, one in _found(folder)}


def files(folder: Path, name: str) -> list[Path]:
    """Files of a distribution that lie in the directory."""
    listed = [file for known, one in _found(folder) if known == name for file in one.files or ()]
    paths = (Path(os.path.normpath(folder / file)) for file in listed)
    return [path for path in paths if path.is_relative_to(folder) and path.is_file()]


def _found(folder: Path) -> list[tuple[str, importlib.metadata.Distribution]]:
    every = importlib.metadata.distributions(path=[str(folder)])
    return [
        (normalised_name(one.metadata["Name"]), one) for one in every if one.metadata["Name"]
    ]  # not what was taken out


def remove(folder: Path, names: Iterable[str]) -> None:
    """Take distributions out of a directory, and what nobody imports."""
    for name in names:
        for path in files(folder, name):
            path.unlink()
            above = path.parent
            while above != folder and not any(above.iterdir()):
                above.rmdir()
                above = above.parent
    for extra in (folder / "bin", *folder.glob("*.pth")):
        if extra.is_dir():
            shutil.rmtree(extra)
        else:
            extra.unlink(missing_ok=True)


def plugins(folder: Path, requires: Iterable[str]) -> tuple[str, ...]:
    """Modules of the plugins for pytest among distributions of a directory, sorted."""
    known = {distribution_name(one) for one in requires}
    entries = [entry for name, one in _found(folder) if name in known for entry in one.entry_points]
    return tuple(sorted({entry.value for entry in entries if entry.group == "pytest11"}))
