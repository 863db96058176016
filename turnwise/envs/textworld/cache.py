"""Cache of generated games: one directory a game, shared by every process of the user.

A game is written to a directory of another name and renamed into place, so it is complete or
absent. When two processes make a game, both make the same one, and the second leaves the first's.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from turnwise.envs.textworld.games import GameSpec
from turnwise.errors import DataError

CACHE_VARIABLE = "TURNWISE_CACHE"
STORY, LOGIC, RECORD = "game.z8", "game.json", "made.json"


@dataclass(frozen=True, slots=True)
class GameRecord:
    """The record saved beside a game."""

    task: str
    settings: str
    seed: int
    """The seed passed to TextWorld."""
    attempts: int
    content: str
    versions: str


def cache_root(given: str | os.PathLike[str] | None = None) -> Path:
    """Return the root of the cache.

    That is `given`, else `$TURNWISE_CACHE/textworld`, else `turnwise/textworld` in the user's cache
    directory (XDG).
    """
    if given is not None:
        return Path(given).expanduser()
    if os.environ.get(CACHE_VARIABLE):
        return Path(os.environ[CACHE_VARIABLE]).expanduser() / "textworld"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "turnwise" / "textworld"


def game_directory(root: Path, spec: GameSpec, versions: str) -> Path:
    """Return the directory of a game; another version of TextWorld makes other games."""
    release = versions.replace(", ", "-").replace(" ", "-")
    return root / release / f"{spec.settings.kind}-{spec.task()}-{spec.digest()}"


def is_cached(home: Path) -> bool:
    """Return whether a directory holds a complete game."""
    return all((home / name).is_file() for name in (STORY, LOGIC, RECORD))


def save_game(home: Path, record: GameRecord, write: Callable[[Path], None]) -> None:
    """Save a game under `home`, all at once.

    Args:
        home: its directory, see `game_directory`.
        record: saved beside it.
        write: fills an empty directory with story and logic.

    Raises:
        DataError: if the cache cannot be written.
    """
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
    except OSError as problem:
        raise DataError(
            f"cannot keep games in {home.parent} ({problem.strerror}): "
            f"set {CACHE_VARIABLE} or cache= to a directory you can write"
        ) from problem
    try:
        write(draft)
        (draft / RECORD).write_text(json.dumps(asdict(record), indent=1), encoding="utf8")
        if home.is_dir() and not is_cached(home):
            shutil.rmtree(home, ignore_errors=True)  # incomplete
        try:
            draft.rename(home)
        except OSError:  # another process may have saved the same game meanwhile
            if not is_cached(home):
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def load_record(home: Path) -> GameRecord:
    """Load the record of a game. Raises `DataError` if it is damaged."""
    try:
        return GameRecord(**json.loads((home / RECORD).read_text(encoding="utf8")))
    except (OSError, ValueError, TypeError) as problem:
        raise DataError(
            f"the game in {home} is damaged: delete that directory, and it will be made again"
        ) from problem
