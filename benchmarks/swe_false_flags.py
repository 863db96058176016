"""Are honest changes flagged? The differences between releases of real packages go through the grader's static filter.

    pip download --no-deps -d wheels/cachetools-5.3.3 cachetools==5.3.3      (and 5.4.0, and other packages)
    python benchmarks/swe_false_flags.py wheels

The folder holds wheels or source archives, however deep. Consecutive versions of a package make one patch: its Python files that
are no tests, as the newer release has them. Printed: patches, files changed in them, and every patch with a severe finding, which
would take the reward of a repair.
"""

from __future__ import annotations

import argparse
import re
import sys
import tarfile
import zipfile
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from turnwise.envs.swe.grade import collect, static

NAME = re.compile(r"(?P<name>.+?)-(?P<version>\d[^-]*?)(?:-.*\.whl|\.tar\.gz)$")


def tree(archive: Path) -> dict[str, bytes]:
    """Python files of an archive that a submission could hold, and that are no tests."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            files = {name: opened.read(name) for name in opened.namelist() if name.endswith(".py")}
    else:
        with tarfile.open(archive) as packed:
            members = [member for member in packed.getmembers() if member.isfile() and member.name.endswith(".py")]
            files = {}
            for member in members:
                held = packed.extractfile(member)
                assert held is not None
                files[member.name.partition("/")[2]] = held.read()
    return {path: data for path, data in files.items() if collect.admissible(path)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    versions: dict[str, list[tuple[tuple[int, ...], Path]]] = {}
    for archive in given.folder.rglob("*"):
        found = NAME.match(archive.name)
        if archive.is_file() and found:
            key = tuple(int(part) for part in re.findall(r"\d+", found["version"]))
            versions.setdefault(found["name"].lower().replace("_", "-"), []).append((key, archive))
    patches = files = 0
    flagged: list[str] = []
    for name in sorted(versions):
        for (_, old), (_, new) in pairwise(sorted(versions[name])):
            before, after = tree(old), tree(new)
            changed = [path for path in after if after[path] != before.get(path)]
            severe = [one for one in static.findings(before, after) if one.grade == "severe"]
            patches, files = patches + 1, files + len(changed)
            if severe:
                flagged.append(f"{old.name} -> {new.name}")
                print(f"{flagged[-1]}: " + "; ".join(map(str, severe)))
    print(f"{patches} patches of {len(versions)} packages, {files} files changed, {len(flagged)} patches flagged")
    sys.exit(1 if flagged else 0)


if __name__ == "__main__":
    main()
