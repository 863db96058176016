"""Generated games as data: each a pure function of its name, so that a data set costs nothing until
it is played.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

from turnwise.envs.alfworld.data import NamedGames
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.goals import TASK_TYPES
from turnwise.envs.alfworld.houses import difficulty_of, make_game
from turnwise.envs.alfworld.layouts import Difficulty
from turnwise.envs.alfworld.splits import SEEN, SPLITS, TRAIN
from turnwise.envs.alfworld.wording import wording as known_wording
from turnwise.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Recipe:
    """What determines a data set of generated games."""

    seed: int = 0
    difficulty: str | Difficulty = "normal"
    train: int = 3000
    """Games of the training split; task types take turns."""
    valid: int = 120
    """Games of each of the other two."""
    rule: str = "official"
    wording: str | None = None


class GeneratedGames(NamedGames):
    """The games of a recipe, called `train/0`, `valid_seen/0` and so on; a larger recipe has the
    same first ones.

    Raises:
        ConfigError: for an unknown difficulty, rule or wording, or splits without games.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.difficulty = difficulty_of(recipe.difficulty)
        if recipe.wording is not None:
            known_wording(recipe.wording)
        if recipe.train < len(TASK_TYPES) or recipe.valid < 1:
            raise ConfigError(
                f"train_games={recipe.train} and valid_games={recipe.valid} were asked for: give at least six, one of each type of "
                "task, and at least one"
            )
        self.recipe = recipe
        sizes = {split: recipe.train if split == TRAIN else recipe.valid for split in SPLITS}
        super().__init__(
            (
                (f"{split}/{number}", split, TASK_TYPES[number % len(TASK_TYPES)])
                for split, size in sizes.items()
                for number in range(size)
            ),
            recipe.rule,
        )
        self.data_hash = hashlib.blake2b(
            repr(("generated", asdict(recipe))).encode(), digest_size=16
        ).hexdigest()

    def _make(self, name: str) -> Game:
        split, _, number = name.partition("/")
        game = make_game(
            self.recipe.seed,
            self.difficulty,
            split,
            int(number),
            like=self._like(int(number), split),
        )
        return game if self.recipe.wording is None else game.reworded(self.recipe.wording)

    def _like(self, number: int, split: str) -> int | None:
        """The training game in whose rooms a game of `valid_seen` is: where there are fewer of them
        they take turns.
        """
        return (
            number % (self.recipe.train // len(TASK_TYPES) * len(TASK_TYPES))
            if split == SEEN
            else None
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return generated, (self.recipe,)


@lru_cache(maxsize=8)
def generated(recipe: Recipe) -> GeneratedGames:
    """The games of a recipe, shared by the environments of this process."""
    return GeneratedGames(recipe)
