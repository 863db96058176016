"""One game, read from an official `game.tw-pddl` file and written as one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Self

from turnwise.envs.alfworld.compiled import CompiledGame
from turnwise.envs.alfworld.writing.save import save_game
from turnwise.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Game(CompiledGame):
    """A game that can be loaded from a file and saved to one."""

    @classmethod
    def load(cls, path: str | PathLike[str], wording: str | None = None) -> Self:
        """Read an official `game.tw-pddl` file.

        Args:
            path: the file.
            wording: `2.1.1` or `0.4`; None for that of the file.

        Raises:
            DataError: if the file is missing, malformed, of an unknown release, flagged as
                unsolvable or impossible.
            ConfigError: for an unknown wording.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf8"))
        except OSError as problem:
            raise DataError(
                f"cannot read the ALFWorld game {path}: {problem.strerror}; "
                "give the path of a game.tw-pddl"
            ) from None
        except ValueError as problem:
            raise DataError(
                f"{path} is not an ALFWorld game: it is not JSON ({problem}); "
                "download the data again"
            ) from None
        try:
            return cls.of(content, wording)
        except DataError as problem:
            raise DataError(f"{path} cannot be played: {problem}") from None

    def save(self, directory: str | PathLike[str]) -> Path:
        """Write the game in the official layout and return the path of its `game.tw-pddl`.

        Raises:
            DataError: see `turnwise.envs.alfworld.writing.save.save_game`.
        """
        return save_game(self, directory)
