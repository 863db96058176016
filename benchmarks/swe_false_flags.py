"""False positives of the grader's static filter, measured on changes of real packages.

    pip download --no-deps -d wheels/cachetools-5.3.3 cachetools==5.3.3  (also 5.4.0, and others)
    git clone https://github.com/pallets/click
    python benchmarks/swe_false_flags.py wheels click --commits 500

A folder contains wheels or source archives at any depth, and consecutive versions of a package make
a patch; or it is a git repository, and each of its last commits that changes at least two Python
files makes one. Tests are left out, as in grading. Prints the number of patches and changed files,
and every patch with a severe finding, which would take the reward of a repair.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from turnwise.envs.swe.grading import collect, static

Patch = tuple[str, dict[str, bytes], dict[str, bytes]]
"""Name, files before, files after."""
NAME = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*?)(?:-.*\.whl|\.tar\.gz)$")


def tree(archive: Path) -> dict[str, bytes]:
    """Return the Python files of an archive that a submission may contain, without tests."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            files = {name: opened.read(name) for name in opened.namelist() if name.endswith(".py")}
    else:
        with tarfile.open(archive) as packed:
            members = [
                member
                for member in packed.getmembers()
                if member.isfile() and member.name.endswith(".py")
            ]
            files = {}
            for member in members:
                held = packed.extractfile(member)
                assert held is not None
                files[member.name.partition("/")[2]] = held.read()
    return {path: data for path, data in files.items() if collect.admissible(path)}


def released(folder: Path) -> Iterator[Patch]:
    """Yield the changes between consecutive releases."""
    versions: dict[str, list[tuple[tuple[int, ...], Path]]] = {}
    for archive in folder.rglob("*"):
        found = NAME.match(archive.name)
        if archive.is_file() and found:
            key = tuple(int(part) for part in re.findall(r"\d+", found["version"]))
            versions.setdefault(found["name"].lower().replace("_", "-"), []).append((key, archive))
    for name in sorted(versions):
        for (_, old), (_, new) in pairwise(sorted(versions[name])):
            yield f"{old.name} -> {new.name}", tree(old), tree(new)


def committed(repository: Path, most: int) -> Iterator[Patch]:
    """Yield the changes of commits, without merges."""

    def git(*words: str) -> bytes:
        # Repository settings can name programs to run, so none of them are used.
        quiet = ["-c", "core.fsmonitor=false", "-c", "diff.external="]
        quiet += ["-c", "core.hooksPath=/dev/null"]
        return subprocess.run(
            ["git", *quiet, "-C", str(repository), *words], check=True, capture_output=True
        ).stdout

    for commit in git("rev-list", "--no-merges", f"--max-count={most}", "HEAD").decode().split():
        lines = (
            git("diff-tree", "-r", "--root", "--no-commit-id", "--no-ext-diff", commit)
            .decode("utf8", "replace")
            .splitlines()
        )
        before, after = {}, {}
        for line in lines:
            words, path = line.split("\t", 1)
            old, new = words.split()[2:4]
            if path.endswith(".py") and collect.admissible(path):
                before |= {path: git("cat-file", "blob", old)} if set(old) != {"0"} else {}
                after |= {path: git("cat-file", "blob", new)} if set(new) != {"0"} else {}
        if before and len(before.keys() | after.keys()) > 1:
            yield f"{repository.parent.name} {commit[:10]}", before, after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="+")
    parser.add_argument("--commits", type=int, default=500)
    given = parser.parse_args()
    patches = files = flagged = 0
    for folder in given.folder:
        repository = (folder / ".git").exists() or (folder / "HEAD").exists()
        for name, before, after in (
            committed(folder, given.commits) if repository else released(folder)
        ):
            severe = [one for one in static.findings(before, after) if one.grade == "severe"]
            patches += 1
            files += sum(
                after.get(path) != before.get(path) for path in before.keys() | after.keys()
            )
            if severe:
                flagged += 1
                print(f"{name}: " + "; ".join(map(str, severe)))
    print(f"{patches} patches, {files} files changed, {flagged} patches flagged")
    sys.exit(1 if flagged else 0)


if __name__ == "__main__":
    main()
