"""Small wheels made by hand, and pip told to look nowhere else: what is required can be had without a network."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest


def wheel(folder: Path, name: str, version: str, files: Mapping[str, str], needs: tuple[str, ...] = (), plugin: str = "") -> None:
    """Write a wheel with these modules."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + "".join(f"Requires-Dist: {one}\n" for one in needs)
    inside = {**files, f"{info}/METADATA": meta, f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    if plugin:
        inside[f"{info}/entry_points.txt"] = f"[pytest11]\n{plugin} = {plugin}\n"
    inside[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in (*inside, f"{info}/RECORD"))
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl", "w") as out:
        for path, text in inside.items():
            out.writestr(path, text)


def only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip find wheels in this directory alone."""
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
