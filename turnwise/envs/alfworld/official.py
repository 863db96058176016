"""The official download as data: found in a directory, indexed, each game compiled when it is first
played.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from turnwise.envs.alfworld.data import NamedGames
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.index import FILE, index
from turnwise.envs.alfworld.splits import SPLITS
from turnwise.envs.alfworld.wording import wording as known_wording
from turnwise.errors import DataError

OFFICIAL = "official"
"""Stands for the directory where the original's own download is: `$ALFWORLD_DATA`, else
`~/.cache/alfworld`.
"""
_RELEASE = re.compile(r"json_(\d+(?:\.\d+)*)")
_GET = "`alfworld-download` fills one"


class OfficialGames(NamedGames):
    """The games below a directory, called `split/task/trial` as they are there.

    Args:
        root: the directory that has `train`, `valid_seen` and `valid_unseen`, or some of them.
        rule: how they are divided, see `turnwise.envs.alfworld.splits`.
        wording: `2.1.1` or `0.4`; None for that of each game.

    Raises:
        DataError: where there is no playable game, saying what there is instead.
        ConfigError: for an unknown rule or wording.
    """

    def __init__(self, root: Path, rule: str, wording: str | None) -> None:
        if wording is not None:
            known_wording(wording)
        self.root, self.rule, self.wording = root, rule, wording
        found = index(root)
        if not found.names:
            raise DataError(_why_nothing(root))
        super().__init__(((name, *_split_and_type(name)) for name in found.names), rule)
        self.data_hash = hashlib.blake2b(
            repr((found.content, rule, wording)).encode(), digest_size=16
        ).hexdigest()

    def _make(self, name: str) -> Game:
        return Game.load(self.root / name / FILE, self.wording)

    def path(self, task: Any) -> Path | None:
        return self.root / str(task) / FILE

    def __reduce__(self) -> tuple[Any, ...]:
        return _shared, (self.root, self.rule, self.wording)


def official(data: str | os.PathLike[str], rule: str, wording: str | None) -> OfficialGames:
    """The games of a directory (or of `OFFICIAL`), shared by the environments of this process.

    Raises:
        DataError: where it is not a directory of games, saying what is amiss.
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
            f"ALFWORLD_DATA is not set and there is no {usual}: set it to the directory of the download ({_GET}), "
            "or give data=DIRECTORY"
        )
    return Path(named).expanduser() if named else usual


def _root(directory: Path) -> Path:
    """The directory that has the splits: this one, or that of its newest release."""
    directory = directory.resolve()
    if not directory.is_dir():
        raise DataError(
            f"there is no directory {directory}: give that of the official ALFWorld games ({_GET})"
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
            f"{directory} has ALFWorld's seq2seq data, recorded answers and no games: give the directory of json_2.1.2 ({_GET})"
        )
    raise DataError(
        f"{directory} has no ALFWorld games: it needs train, valid_seen or valid_unseen, or json_2.1.2 with them ({_GET})"
    )


def _has_splits(directory: Path) -> bool:
    return any((directory / split).is_dir() for split in SPLITS)


def _why_nothing(root: Path) -> str:
    """What a directory without playable games has instead."""
    splits = [root / split for split in SPLITS]
    if any(True for split in splits for _ in split.glob(f"*/*/{FILE}")):
        return f"no game in {root} can be played: each {FILE} is flagged as unsolvable, not flagged, or of a type that is left out"
    if any(True for split in splits for _ in split.glob("*/*/initial_state.pddl")):
        return f"{root} has initial_state.pddl and no {FILE}: unpack json_2.1.2_tw-pddl.zip of the download as well ({_GET})"
    if any(True for split in splits for _ in split.glob("*/*/traj_data.json")):
        return f"{root} has traj_data.json and no {FILE}: unpack json_2.1.2_tw-pddl.zip of the download as well ({_GET})"
    return f"{root} has no {FILE}: give the directory of the official ALFWorld games ({_GET})"


def _split_and_type(name: str) -> tuple[str, str]:
    split, task, _ = name.split("/")
    return split, task.partition("-")[0]
