"""What is in a directory of official games, remembered: names of the playable ones and a hash of
all they say.

The first look reads every file once (a third of a gigabyte, seconds) and searches it for its flag
without parsing it. What was found is kept in the user's cache directory together with the name,
size and time of every file, so that the next look only lists the directory. Where nothing can be
kept, the first look is repeated each time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from turnwise.envs.alfworld.goals import TASK_TYPES
from turnwise.envs.alfworld.splits import SPLITS
from turnwise.errors import DataError

FORMAT = 1
"""Raised when what is kept, or which games are playable, changes."""
FILE = "game.tw-pddl"
_SOLVABLE = re.compile(rb'"solvable"\s*:\s*true')


@dataclass(frozen=True, slots=True)
class Index:
    """The playable games of a directory."""

    names: tuple[str, ...]
    """`split/task/trial`, in order."""
    content: str
    """Hash of the names and of every byte of the games."""
    listing: str
    """Hash of the name, size and time of every game file there is, playable or not."""


def index(root: Path) -> Index:
    """The games below a directory of splits, as the original collects them.

    Left out are movable receptacles and sliced objects, other types of task, and games that are not
    flagged as solvable.

    Raises:
        DataError: where a file is cut off or cannot be read, or no game can be played.
    """
    files = sorted(_files(root))
    listing = hashlib.blake2b(
        repr((FORMAT, str(root), files)).encode("utf8", "surrogatepass"), digest_size=16
    ).hexdigest()
    place = (
        cache_directory() / f"{hashlib.blake2b(os.fsencode(root), digest_size=8).hexdigest()}.json"
    )
    kept = _kept(place)
    if kept is not None and kept.listing == listing:
        return kept
    found = _read(root, [name for name, _, _ in files], listing)
    _keep(place, found)
    return found


def cache_directory() -> Path:
    """Where indices are kept: `turnwise/alfworld` in `XDG_CACHE_HOME`, which is `~/.cache` unless
    it is set.
    """
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "turnwise" / "alfworld"


def _files(root: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of every game file of a type that is played."""
    for split in SPLITS:
        for task in _directories(root / split):
            if (
                task.partition("-")[0] in TASK_TYPES
                and "movable" not in task
                and "Sliced" not in task
            ):
                for trial in _directories(root / split / task):
                    try:
                        about = os.stat(f"{root}/{split}/{task}/{trial}/{FILE}")
                    except FileNotFoundError:
                        continue
                    yield f"{split}/{task}/{trial}", about.st_size, about.st_mtime_ns


def _directories(above: Path) -> list[str]:
    try:
        with os.scandir(above) as found:
            return [one.name for one in found if one.is_dir()]
    except FileNotFoundError:
        return []


def _read(root: Path, names: list[str], listing: str) -> Index:
    playable, content = [], hashlib.blake2b(digest_size=16)
    for name in names:
        path = root / name / FILE
        try:
            found = path.read_bytes()
        except OSError as problem:
            raise DataError(
                f"cannot read the ALFWorld game {path}: {problem.strerror}; check its permissions"
            ) from None
        if not found.endswith(b"}"):
            raise DataError(
                f"{path} is not a whole ALFWorld game, it was cut off: download the data again"
            )
        if _SOLVABLE.search(found, max(0, found.rfind(b'"solvable"'))):
            playable.append(name)
            content.update(f"{name} {len(found)} ".encode())
            content.update(found)
    return Index(tuple(playable), content.hexdigest(), listing)


def _kept(place: Path) -> Index | None:
    """What an earlier look left; None for nothing, and for what is not ours to read."""
    try:
        kept = json.loads(place.read_bytes())
        return Index(tuple(kept["names"]), kept["content"], kept["listing"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(place: Path, found: Index) -> None:
    beside = place.with_name(
        f"{place.name}.{os.getpid()}"
    )  # so that another process never sees half a file
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(asdict(found)), encoding="utf8")
        beside.replace(place)
    except OSError as problem:
        _say_once(str(place.parent), problem.strerror or str(problem))


@cache
def _say_once(where: str, why: str) -> None:
    said = f"the index of the ALFWorld games cannot be kept in {where} ({why}): it is made again by every process, in seconds"
    warnings.warn(said, stacklevel=2)
