"""Data sets of generated games: each game is a function of its name, made when first played."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from turnwise.envs.alfworld.data import SEEN, SPLITS, TRAIN, NamedGames
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.game_file import find_wording
from turnwise.envs.alfworld.goals import TASK_TYPES
from turnwise.envs.alfworld.houses import difficulty_of, make_game
from turnwise.envs.alfworld.layouts import HouseDifficulty
from turnwise.errors import ConfigError


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """Everything that a data set of generated games depends on."""

    seed: int = 0
    difficulty: str | HouseDifficulty = "normal"
    train: int = 3000
    """Number of training games; task types take turns."""
    valid: int = 120
    """Number of games in each of the other splits."""
    rule: str = "official"
    wording: str | None = None


class GeneratedGames(NamedGames):
    """Generated games named `train/0`, `valid_seen/0` and so on.

    More games of the same settings begin with the same ones.

    Raises:
        ConfigError: for an unknown difficulty, rule or wording, or too few games.
    """

    def __init__(self, settings: GeneratorSettings) -> None:
        self.difficulty = difficulty_of(settings.difficulty)
        if settings.wording is not None:
            find_wording(settings.wording)
        if settings.train < len(TASK_TYPES) or settings.valid < 1:
            raise ConfigError(
                f"train_games={settings.train} and valid_games={settings.valid} are too few: give "
                "at least 6 (one of each type of task), and at least 1"
            )
        self.settings = settings
        sizes = {split: settings.train if split == TRAIN else settings.valid for split in SPLITS}
        listed = (
            (f"{split}/{number}", split, TASK_TYPES[number % len(TASK_TYPES)])
            for split, size in sizes.items()
            for number in range(size)
        )
        super().__init__(listed, settings.rule)
        self.data_hash = hashlib.blake2b(
            repr(("generated", asdict(settings))).encode(), digest_size=16
        ).hexdigest()

    def _make(self, name: str) -> Game:
        settings, (split, _, number) = self.settings, name.partition("/")
        like = self._like(int(number), split)
        game = make_game(settings.seed, self.difficulty, split, int(number), like)
        return game if settings.wording is None else game.reworded(settings.wording)

    def _like(self, number: int, split: str) -> int | None:
        """Return the training game whose rooms a game of `valid_seen` has.

        If there are fewer training games than games of `valid_seen`, they take turns.
        """
        whole_rounds = self.settings.train // len(TASK_TYPES) * len(TASK_TYPES)
        return number % whole_rounds if split == SEEN else None

    def __reduce__(self) -> tuple[Any, ...]:
        return generated_games, (self.settings,)


@lru_cache(maxsize=8)
def generated_games(settings: GeneratorSettings) -> GeneratedGames:
    """Return the games of some settings, shared by the environments of this process."""
    return GeneratedGames(settings)
