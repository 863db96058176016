"""The official download as data: found in a directory, indexed, compiled when first played.

The first visit to a directory reads every file once (a third of a gigabyte, seconds) and searches
it for its flag without parsing it. The index, with the name, size and time of every file, is kept
in the user's cache directory, so that later visits only list the directory.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from turnwise.envs.alfworld.data import SPLITS, NamedGames
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.game_file import find_wording
from turnwise.envs.alfworld.goals import TASK_TYPES
from turnwise.errors import DataError

OFFICIAL = "official"
"""Name of the directory of the original's download: `$ALFWORLD_DATA`, else `~/.cache/alfworld`."""
GAME_FILE = "game.tw-pddl"
INDEX_FORMAT = 1
"""Raised when the content of an index, or the choice of playable games, changes."""
_RELEASE = re.compile(r"json_(\d+(?:\.\d+)*)")
_SOLVABLE = re.compile(rb'"solvable"\s*:\s*true')
_GET = "`alfworld-download` fills one"


class OfficialGames(NamedGames):
    """The games below a directory, named `split/task/trial` after their folders.

    Args:
        root: the directory that has `train`, `valid_seen` and `valid_unseen`, or some of them.
        rule: how they are divided: `official` or `types`.
        wording: `2.1.1` or `0.4`; None for that of each game.

    Raises:
        DataError: if there is no playable game.
        ConfigError: for an unknown rule or wording.
    """

    def __init__(self, root: Path, rule: str, wording: str | None) -> None:
        if wording is not None:
            find_wording(wording)
        self.root, self.rule, self.wording = root, rule, wording
        found = index_games(root)
        if not found.names:
            raise DataError(_why_nothing(root))
        super().__init__(((name, *_split_and_type(name)) for name in found.names), rule)
        self.data_hash = hashlib.blake2b(
            repr((found.content, rule, wording)).encode(), digest_size=16
        ).hexdigest()

    def _make(self, name: str) -> Game:
        return Game.load(self.root / name / GAME_FILE, self.wording)

    def path(self, task: Any) -> Path | None:
        return self.root / str(task) / GAME_FILE

    def __reduce__(self) -> tuple[Any, ...]:
        return _shared, (self.root, self.rule, self.wording)


def official_games(data: str | os.PathLike[str], rule: str, wording: str | None) -> OfficialGames:
    """Return the games of a directory (or of `OFFICIAL`), shared by environments of this process.

    Raises:
        DataError: if it is not a directory of games.
    """
    return _shared(_root(_directory(data)), rule, wording)


@lru_cache(maxsize=8)
def _shared(root: Path, rule: str, wording: str | None) -> OfficialGames:
    return OfficialGames(root, rule, wording)


def _directory(data: str | os.PathLike[str]) -> Path:
    if data != OFFICIAL:
        return Path(data).expanduser()
    named, usual = os.environ.get("ALFWORLD_DATA"), Path.home() / ".cache" / "alfworld"
    if not named and not usual.is_dir():
        raise DataError(
            f"ALFWORLD_DATA is not set and there is no {usual}: set it to the directory of the "
            f"download ({_GET}), or give data=DIRECTORY"
        )
    return Path(named).expanduser() if named else usual


def _root(directory: Path) -> Path:
    """Return the directory that has the splits: this one, or that of its newest release."""
    directory = directory.resolve()
    if not directory.is_dir():
        raise DataError(
            f"there is no directory {directory}: give the directory of the official ALFWorld games "
            f"({_GET})"
        )
    if _has_splits(directory):
        return directory
    releases = {
        path: match[1]
        for path in directory.iterdir()
        if (match := _RELEASE.fullmatch(path.name)) and _has_splits(path)
    }
    if releases:
        return max(releases, key=lambda path: [int(part) for part in releases[path].split(".")])
    if any("seq2seq" in path.name for path in (directory, *directory.iterdir())):
        raise DataError(
            f"{directory} has ALFWorld's seq2seq data, recorded answers and no games: "
            f"give the directory of json_2.1.2 ({_GET})"
        )
    raise DataError(
        f"{directory} has no ALFWorld games: it needs train, valid_seen or valid_unseen, "
        f"or json_2.1.2 with them ({_GET})"
    )


def _has_splits(directory: Path) -> bool:
    return any((directory / split).is_dir() for split in SPLITS)


def _why_nothing(root: Path) -> str:
    """Explain why a directory has no playable games."""
    splits = [root / split for split in SPLITS]
    if any(True for split in splits for _ in split.glob(f"*/*/{GAME_FILE}")):
        return (
            f"no game in {root} can be played: each {GAME_FILE} is flagged as unsolvable, "
            "not flagged, or of a type that is left out"
        )
    for name in ("initial_state.pddl", "traj_data.json"):
        if any(True for split in splits for _ in split.glob(f"*/*/{name}")):
            return (
                f"{root} has {name} and no {GAME_FILE}: "
                f"unpack json_2.1.2_tw-pddl.zip of the download as well ({_GET})"
            )
    return f"{root} has no {GAME_FILE}: give the directory of the official ALFWorld games ({_GET})"


def _split_and_type(name: str) -> tuple[str, str]:
    split, task, _ = name.split("/")
    return split, task.partition("-")[0]


# The index
# ---------


@dataclass(frozen=True, slots=True)
class GameIndex:
    """The playable games of a directory."""

    names: tuple[str, ...]
    """`split/task/trial`, in order."""
    content: str
    """Hash of the names and of every byte of the games."""
    listing: str
    """Hash of the name, size and time of every game file, playable or not."""


def index_games(root: Path) -> GameIndex:
    """Index the games below a directory of splits, as the original collects them.

    Left out are movable receptacles and sliced objects, other types of task, and games that are not
    flagged as solvable.

    Raises:
        DataError: if a file is cut off or cannot be read.
    """
    files = sorted(_files(root))
    listing = hashlib.blake2b(
        repr((INDEX_FORMAT, str(root), files)).encode("utf8", "surrogatepass"), digest_size=16
    ).hexdigest()
    name = hashlib.blake2b(os.fsencode(root), digest_size=8).hexdigest()
    cached = cache_directory() / f"{name}.json"
    kept = _load_index(cached)
    if kept is not None and kept.listing == listing:
        return kept
    found = _read_games(root, [name for name, _, _ in files], listing)
    _save_index(cached, found)
    return found


def cache_directory() -> Path:
    """Return `turnwise/alfworld` in `$XDG_CACHE_HOME`, or in `~/.cache` if that is not set."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path.home() / ".cache") / "turnwise" / "alfworld"


def _files(root: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, size and time of every game file of a playable type."""
    for split in SPLITS:
        for task in _directories(root / split):
            kind = task.partition("-")[0]
            if kind not in TASK_TYPES or "movable" in task or "Sliced" in task:
                continue
            for trial in _directories(root / split / task):
                try:
                    about = os.stat(f"{root}/{split}/{task}/{trial}/{GAME_FILE}")
                except FileNotFoundError:
                    continue
                yield f"{split}/{task}/{trial}", about.st_size, about.st_mtime_ns


def _directories(above: Path) -> list[str]:
    try:
        with os.scandir(above) as found:
            return [one.name for one in found if one.is_dir()]
    except FileNotFoundError:
        return []


def _read_games(root: Path, names: list[str], listing: str) -> GameIndex:
    playable, content = [], hashlib.blake2b(digest_size=16)
    for name in names:
        path = root / name / GAME_FILE
        try:
            found = path.read_bytes()
        except OSError as problem:
            raise DataError(
                f"cannot read the ALFWorld game {path}: {problem.strerror}; check its permissions"
            ) from None
        if not found.endswith(b"}"):
            raise DataError(f"{path} is an incomplete ALFWorld game: download the data again")
        # From the last occurrence of the key on, because the files are large.
        if _SOLVABLE.search(found, max(0, found.rfind(b'"solvable"'))):
            playable.append(name)
            content.update(f"{name} {len(found)} ".encode())
            content.update(found)
    return GameIndex(tuple(playable), content.hexdigest(), listing)


def _load_index(path: Path) -> GameIndex | None:
    """Return a saved index; None if there is none or it cannot be read."""
    try:
        kept = json.loads(path.read_bytes())
        return GameIndex(tuple(kept["names"]), kept["content"], kept["listing"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save_index(path: Path, found: GameIndex) -> None:
    # Written elsewhere and renamed, so that no other process reads half a file.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(json.dumps(asdict(found)), encoding="utf8")
        draft.replace(path)
    except OSError as problem:
        _warn_once(str(path.parent), problem.strerror or str(problem))


@cache
def _warn_once(where: str, why: str) -> None:
    warnings.warn(
        f"the index of the ALFWorld games cannot be kept in {where} ({why}): "
        "it is made again by every process, in seconds",
        stacklevel=2,
    )
