"""Where made games are kept: one directory a game, in the user's cache, shared by every process.

A game is written to a directory of another name and renamed into place, so that it is whole or not
there; when two processes make the same game, which is the same in both, the second finds the name
taken and leaves it.
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

VARIABLE = "TURNWISE_CACHE"
STORY, LOGIC, RECORD = "game.z8", "game.json", "made.json"


@dataclass(frozen=True, slots=True)
class Made:
    """What is recorded beside a game."""

    task: str
    settings: str
    seed: int
    """The seed given to TextWorld."""
    attempts: int
    content: str
    versions: str


def directory(given: str | os.PathLike[str] | None = None) -> Path:
    """Where games are kept: `given`, else `$TURNWISE_CACHE/textworld`, else `turnwise/textworld` in
    the user's cache (XDG).
    """
    if given is not None:
        return Path(given).expanduser()
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE]).expanduser() / "textworld"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "turnwise" / "textworld"


def place(root: Path, spec: GameSpec, versions: str) -> Path:
    """The directory of a game; games of another version of TextWorld are other games."""
    return (
        root
        / versions.replace(", ", "-").replace(" ", "-")
        / f"{spec.settings.kind}-{spec.task()}-{spec.digest()}"
    )


def present(home: Path) -> bool:
    """Whether the game is there, whole."""
    return all((home / name).is_file() for name in (STORY, LOGIC, RECORD))


def keep(home: Path, made: Made, write: Callable[[Path], None]) -> None:
    """Have `write` fill an empty directory with story and logic, then put it in place at once.

    Raises:
        DataError: where the cache cannot be written.
    """
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
    except OSError as problem:
        raise DataError(
            f"cannot keep games in {home.parent} ({problem.strerror}): set {VARIABLE} or cache= to a directory you can write"
        ) from problem
    try:
        write(draft)
        (draft / RECORD).write_text(json.dumps(asdict(made), indent=1), encoding="utf8")
        if home.is_dir() and not present(home):
            shutil.rmtree(home, ignore_errors=True)  # left by something other than this module
        try:
            draft.rename(home)
        except OSError:
            if not present(home):
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def record(home: Path) -> Made:
    """What is recorded beside a game. Raises `DataError` for a record that is not one."""
    try:
        return Made(**json.loads((home / RECORD).read_text(encoding="utf8")))
    except (OSError, ValueError, TypeError) as problem:
        raise DataError(
            f"the game in {home} is damaged: delete that directory, and it will be made again"
        ) from problem
