"""The directory on disk is complete or absent, and never older than its source files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.envs.webshop.official_files import raw, write
from turnwise.envs.webshop import build
from turnwise.envs.webshop.catalogue import Catalogue
from turnwise.envs.webshop.official import OfficialFiles
from turnwise.errors import DataError
from turnwise.retrieval import postings


def titles(directory: Path, cache: Path) -> list[str]:
    catalogue = Catalogue.official(directory, cache=cache)
    return [catalogue[asin].title for asin in catalogue.asins]


def stamp(cache: Path) -> int:
    return (cache / "items_shuffle_1000.turnwise" / "docs.npy").stat().st_mtime_ns


def test_built_once(tmp_path: Path) -> None:
    directory, cache = write(tmp_path / "data", [raw("A1"), raw("A2")]), tmp_path / "cache"
    titles(directory, cache)
    before = stamp(cache)
    titles(directory, cache)
    assert stamp(cache) == before
    assert [path.name for path in cache.iterdir()] == ["items_shuffle_1000.turnwise"]


def test_changed_files_are_read_again(tmp_path: Path) -> None:
    directory, cache = write(tmp_path / "data", [raw("A1", name="Red cup")]), tmp_path / "cache"
    assert titles(directory, cache) == ["Red cup"]
    write(directory, [raw("A1", name="Tea pot")])  # as long as before
    assert titles(directory, cache) == ["Tea pot"]
    write(directory, [raw("A1", name="A larger tea pot")])
    assert titles(directory, cache) == ["A larger tea pot"]
    assert Catalogue.official(directory, cache=cache).search("larger") == ["A1"]


def test_a_new_companion_is_noticed(tmp_path: Path) -> None:
    directory, cache = write(tmp_path / "data", [raw("A1")]), tmp_path / "cache"
    assert list(Catalogue.official(directory, cache=cache).human_instructions) == []
    write(
        directory,
        [raw("A1")],
        human={
            "A1": [{"instruction": "x", "instruction_attributes": [], "instruction_options": []}]
        },
    )
    assert len(Catalogue.official(directory, cache=cache).human_instructions) == 1


def test_copied_files_are_recognised_by_their_contents(tmp_path: Path) -> None:
    directory, cache = write(tmp_path / "data", [raw("A1")]), tmp_path / "cache"
    titles(directory, cache)
    before = stamp(cache)
    for path in directory.iterdir():
        os.utime(path, ns=(1, 1))
    titles(directory, cache)
    assert stamp(cache) == before
    manifest = json.loads((cache / "items_shuffle_1000.turnwise" / build.MANIFEST).read_text())
    assert [source["mtime"] for source in manifest["sources"]] == [1, 1]


@pytest.mark.parametrize("damage", ["version", "manifest", "gone"])
def test_another_version_or_a_torn_manifest_is_built_again(tmp_path: Path, damage: str) -> None:
    directory, cache = write(tmp_path / "data", [raw("A1")]), tmp_path / "cache"
    titles(directory, cache)
    manifest = cache / "items_shuffle_1000.turnwise" / build.MANIFEST
    if damage == "version":
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": [0, 0]}))
    elif damage == "manifest":
        manifest.write_text(manifest.read_text()[:20])
    else:
        manifest.unlink()
    assert titles(directory, cache) == ["Blue Kettle A1"]


@pytest.mark.parametrize("problem", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_build_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: type[BaseException]
) -> None:
    directory, cache = write(tmp_path / "data", [raw("A1"), raw("A2")]), tmp_path / "cache"

    def interrupted(*_: Any) -> None:
        raise problem

    monkeypatch.setattr(postings.Inverter, "_deal", interrupted)
    with pytest.raises(problem):
        titles(directory, cache)
    assert list(cache.iterdir()) == []
    monkeypatch.undo()
    assert titles(directory, cache) == ["Blue Kettle A1", "Blue Kettle A2"]


def test_broken_files_leave_an_older_directory_alone(tmp_path: Path) -> None:
    directory, cache = write(tmp_path / "data", [raw("A1")]), tmp_path / "cache"
    titles(directory, cache)
    items = directory / "items_shuffle_1000.json"
    whole = items.read_text()
    items.write_text(whole[:-30])
    with pytest.raises(DataError, match="cut off"):
        titles(directory, cache)
    items.write_text(whole)
    assert titles(directory, cache) == ["Blue Kettle A1"]
    write(directory, [])
    with pytest.raises(DataError, match="has no products"):
        titles(directory, cache)


def test_leftovers_of_killed_builds_are_removed_and_those_of_living_ones_not(
    tmp_path: Path,
) -> None:
    directory, cache = write(tmp_path / "data", [raw("A1")]), tmp_path / "cache"
    gone = subprocess.Popen([sys.executable, "-c", "pass"])
    gone.wait()
    left = cache / f"items_shuffle_1000.turnwise.building-{gone.pid}"
    alive = cache / f"items_shuffle_1000.turnwise.building-{os.getppid()}"
    for path in (left, alive):
        path.mkdir(parents=True)
        (path / "docs.npy").write_bytes(b"half")
    titles(directory, cache)
    assert not left.exists()
    assert alive.exists()


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    directory = write(tmp_path / "data", [raw("A1")])
    (tmp_path / "file").write_text("")
    with pytest.raises(
        DataError, match=r"cannot be written .*: name another directory with cache="
    ):
        Catalogue.official(directory, cache=tmp_path / "file" / "cache")


def test_beside_the_files_by_default(tmp_path: Path) -> None:
    files = OfficialFiles.find(write(tmp_path, [raw("A1")]))
    assert build.ensure(files) == tmp_path / "items_shuffle_1000.turnwise"
    shutil.rmtree(tmp_path / "items_shuffle_1000.turnwise")
    assert build.digest_of(build.ensure(files)) == build.digest_of(build.ensure(files))
