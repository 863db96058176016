"""Small hand-made wheels, unpacked by pip without an index or by a few lines in its place."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from email.parser import HeaderParser
from pathlib import Path

import pytest

from turnwise.envs.swe.dependencies.dependency_files import distribution_name, normalised_name
from turnwise.errors import DataError


def wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    needs: tuple[str, ...] = (),
    plugin: str = "",
) -> None:
    """Write a wheel with these modules."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(
        f"Requires-Dist: {one}\n" for one in needs
    )
    inside = {
        **files,
        f"{info}/METADATA": meta,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if plugin:
        inside[f"{info}/entry_points.txt"] = f"[pytest11]\n{plugin} = {plugin}\n"
    inside[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*inside, f"{info}/RECORD"))
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(
        folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl", "w"
    ) as out:
        for path, text in inside.items():
            out.writestr(path, text)


def only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find wheels in this directory alone."""
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)


class Unpacker:
    """In the place of `wheels.unpack`: the same of a directory, without pip's seconds."""

    def __init__(self, house: Path) -> None:
        self.house, self.asked = house, list[tuple[str, ...]]()

    def __call__(
        self, requirements: Sequence[str], into: Path, limits: Mapping[str, str], whole: bool = True
    ) -> None:
        self.asked.append(tuple(requirements))
        waiting, seen = list(requirements), set(limits)
        while waiting:
            one = waiting.pop(0)
            if distribution_name(one) in seen:
                continue
            seen.add(distribution_name(one))
            version = one.partition("==")[2]
            found = [
                path
                for path in sorted(self.house.glob("*.whl"))
                if normalised_name(path.name.split("-")[0]) == distribution_name(one)
            ]
            found = [path for path in found if not version or path.name.split("-")[1] == version]
            if not found:
                raise DataError(
                    f"pip cannot download wheels of {', '.join(requirements)}: No matching "
                    f"distribution for {one}"
                )
            with zipfile.ZipFile(found[-1]) as archive:
                archive.extractall(into)
                meta = next(name for name in archive.namelist() if name.endswith("/METADATA"))
                needs = (
                    HeaderParser()
                    .parsestr(archive.read(meta).decode())
                    .get_all("Requires-Dist", [])
                )
                waiting += needs if whole else []
