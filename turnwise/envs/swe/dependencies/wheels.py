"""Wheels, unpacked by pip into a directory. A wheel has no build step, so no foreign code runs."""

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
"""Time limit of pip in seconds."""


def unpack(
    requirements: Sequence[str], into: Path, limits: Mapping[str, str], whole: bool = True
) -> None:
    """Unpack the wheels of requirements.

    Args:
        requirements: such as `attrs>=22`.
        into: an empty directory.
        limits: versions of distributions that are already present.
        whole: include the requirements' own dependencies.

    Raises:
        DataError: if pip cannot get them, with pip's last line.
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
                f"pip did not finish in {PIP_TIMEOUT_S:.0f} s over {asked}"
            ) from problem
    if done.returncode:
        lines = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.strip()]
        reasons = (
            [
                line
                for line in lines
                if line.startswith(("No matching", "Cannot install", "Could not"))
            ]
            or lines
            or ["nothing"]
        )
        raise DataError(f"pip cannot download wheels of {asked}: {reasons[-1].strip()[:300]}")


def versions(folder: Path) -> dict[str, str]:
    """Return the distributions in a directory: normalised name -> version."""
    return {name: one.version for name, one in _found(folder)}


def files(folder: Path, name: str) -> list[Path]:
    """Return the files of a distribution that lie in the directory."""
    listed = [file for known, one in _found(folder) if known == name for file in one.files or ()]
    paths = (Path(os.path.normpath(folder / file)) for file in listed)
    return [path for path in paths if path.is_relative_to(folder) and path.is_file()]


def _found(folder: Path) -> list[tuple[str, importlib.metadata.Distribution]]:
    every = importlib.metadata.distributions(path=[str(folder)])
    return [
        (normalised_name(one.metadata["Name"]), one) for one in every if one.metadata["Name"]
    ]  # skips removed distributions


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove distributions from a directory, with scripts and `.pth` files."""
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
    """Return the modules of pytest plugins among the distributions of a directory, sorted."""
    known = {distribution_name(one) for one in requires}
    entries = [entry for name, one in _found(folder) if name in known for entry in one.entry_points]
    return tuple(sorted({entry.value for entry in entries if entry.group == "pytest11"}))
