"""ALFWorld (Shridhar et al. 2021) as an environment: text games in which a household task is done
command by command.

Observations, admissible commands, reward and end are the original engine's, byte for byte; the
engine is native, so that a step costs microseconds and a fork copies a reference. The games are
generated ones, the official download, or those given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from turnwise.envs.alfworld import text
from turnwise.envs.alfworld.data import Games, GivenGames
from turnwise.envs.alfworld.engine import act, commands
from turnwise.envs.alfworld.expert import expert_distance as distance
from turnwise.envs.alfworld.expert import expert_plan
from turnwise.envs.alfworld.explorer import next_command
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.generated import Recipe, generated
from turnwise.envs.alfworld.goals import conditions
from turnwise.envs.alfworld.layouts import Difficulty
from turnwise.envs.alfworld.official import official
from turnwise.envs.alfworld.recollection import Recollection, recall
from turnwise.envs.alfworld.state import Command, State
from turnwise.envs.base import Outcome, TaskId, TurnEnv
from turnwise.errors import ConfigError, unknown

VERSION = 0
"""Part of the data hash: raised when a transcript changes."""
EXPERTS = ("full", "partial")


class ALFWorldEnv(TurnEnv[tuple[State, Outcome]]):
    """Household games.

    The reward is 1.0 at every turn after which the task is done, and the episode ends there; 0.0
    before. `info["rewards"]["goal_progress"]` is the share of the goal's conditions that hold (see
    `turnwise.envs.alfworld.goals.conditions`); `info["score"]` is 1.0 where the task is done.

    Args:
        games: task `i` is `games[i]`; a path stands for the game in it. None for those of `data`.
        data: directory of the official download, or `official` for where `$ALFWORLD_DATA` says it
        is; empty for generated games.
        wording: `2.1.1` or `0.4`; None for that of each game.
        difficulty: of generated games: `easy`, `normal`, `hard`, or a
        `turnwise.envs.alfworld.layouts.Difficulty`.
        games_seed: seeds the generated games.
        train_games: how many generated games to train on.
        valid_games: how many generated games in each of the other splits.
        split: the split `reset` draws from; None for the first.
        split_rule: `official` or `types`, see `turnwise.envs.alfworld.splits`.
        expert: who answers `expert_action`: `full` knows the whole house, `partial` only what was
        seen in the episode.
        expert_distance: say in `info["rewards"]["expert_distance"]` how many commands the full
            expert would need from here; the name is absent where it knows no way. The reward is the
            same. Makes a step some four times slower.

    Raises:
        ConfigError: where there are no games, or for an unknown wording, difficulty, rule or
        expert.
        DataError: for a file that cannot be played.
        TaskError: for a split that the games do not have.
    """

    stochastic = False

    def __init__(
        self, games: Sequence[Game | str | PathLike[str]] | None = None, *, data: str | PathLike[str] = "",
        wording: str | None = None, difficulty: str | Difficulty = "normal", games_seed: int = 0, train_games: int = 3000,
        valid_games: int = 120, split: str | None = None, split_rule: str = "official", expert: str = "full",
        expert_distance: bool = False, render_mode: str | None = None,
    ) -> None:  # fmt: skip
        if expert not in EXPERTS:
            raise unknown("expert", expert, EXPERTS, "ALFWorld")
        if games is not None and data:
            raise ConfigError(
                "games and data were both given to ALFWorld: give games=[...] or data=DIRECTORY"
            )
        if games is not None:
            self.games: Games = given(games, wording)
        elif data:
            self.games = official(data, split_rule, wording)
        else:
            self.games = generated(
                Recipe(games_seed, difficulty, train_games, valid_games, split_rule, wording)
            )
        split = self.games.splits[0] if split is None else split
        self.games.tasks(split)
        super().__init__(split, render_mode)
        self._commands: dict[str, Command] | None = None
        """What can be done now; None where that is to be looked up."""
        self._measures = expert_distance
        self._explores = expert == "partial"
        self._recalled: Recollection | None = None
        """What was seen in the episode when the explorer was last asked."""

    # The contract
    # -------------------------------------------------------------------------------------------------

    @property
    def splits(self) -> tuple[str, ...]:
        return self.games.splits

    def tasks(self, split: str) -> Sequence[TaskId]:
        return self.games.tasks(split)

    @property
    def data_hash(self) -> str:
        return hashlib.blake2b(
            repr((VERSION, self.games.data_hash)).encode(), digest_size=16
        ).hexdigest()

    def _begin(self, task: TaskId) -> Outcome:
        self._task, self._split = self.games.find(task, self._split)
        self._game = self.games.game(self._task)
        return self._arrive(self._game.start, text.opening(self._game))

    def _act(self, action: str) -> Outcome:
        if self._commands is None:
            self._commands = commands(self._game, self._state)
        command = self._commands.get(action.strip())
        if command is None:
            return self._stay(text.NOTHING_HAPPENS, valid=False)
        after, answer = act(self._game, self._state, command)
        return self._stay(answer) if after is self._state else self._arrive(after, answer)

    def _arrive(self, state: State, observation: str) -> Outcome:
        """Be in a state, new or not, and look at what is known about it."""
        game, self._state = self._game, state
        self._commands = commands(game, state)
        met = conditions(game, state)
        won = all(met)
        rewards = {"goal_progress": sum(met) / len(met)}
        if self._measures and (left := distance(game, state)) is not None:
            rewards["expert_distance"] = float(left)
        self._known = Outcome(
            observation=observation, instruction=game.task, admissible=sorted(self._commands), state=self._state_hash(),
            reward=float(won), terminated=won, success=won, score=float(won), rewards=rewards,
            tags=[f"task_type={game.goal.kind}"],
        )  # fmt: skip
        return self._known

    def _stay(self, observation: str, valid: bool = True) -> Outcome:
        """Another answer in the same state."""
        known = self._known
        return Outcome(
            observation=observation, instruction=known.instruction, admissible=known.admissible, state=known.state,
            reward=known.reward, terminated=known.terminated, valid=valid, success=known.success, score=known.score,
            rewards=known.rewards, tags=known.tags,
        )  # fmt: skip

    def _state_hash(self) -> str:
        return hashlib.blake2b(
            self._state.packed(), digest_size=8, key=self._game.digest.encode()
        ).hexdigest()

    def expert_action(self) -> str | None:
        """What the expert does now; None after the end, before the first reset and where it knows
        no way.
        """
        if self._task is None or self._known.success:
            return None
        if self._explores:
            self._recalled = recall(self._game, self._actions, self._recalled)
            return next_command(self._recalled.memory, self._recalled.offered)
        plan = expert_plan(self._game, self._state)
        return plan[0] if plan else None

    # Snapshots and pickles
    # ----------------------------------------------------------------------------------------

    def _save(self) -> tuple[State, Outcome]:
        assert self._last is not None
        return self._state, self._last

    def _load(self, state: tuple[State, Outcome]) -> None:
        assert self._task is not None
        self._game = self.games.game(self._task)
        self._state, self._last = state
        self._known, self._commands = self._last, None

    def __getstate__(self) -> dict[str, Any]:
        """Games are looked up again: those of a directory or a recipe are not part of a pickle."""
        return {name: value for name, value in self.__dict__.items() if name != "_game"} | {
            "_commands": None,
            "_recalled": None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._task is not None:
            self._game = self.games.game(self._task)


def given(games: Sequence[Game | str | PathLike[str]], wording: str | None = None) -> GivenGames:
    """Games given one by one, or the paths of their files. Raises `ConfigError` where there are
    none.
    """
    if isinstance(games, str | PathLike) or not len(games):
        raise ConfigError(
            "games of ALFWorld are a list of at least one Game or path of a game.tw-pddl, such as games=[Game.load(path)]"
        )
    loaded = (game if isinstance(game, Game) else Game.load(game) for game in games)
    paths = (None if isinstance(game, Game) else Path(game) for game in games)
    return GivenGames(
        (game if wording is None else game.reworded(wording) for game in loaded), paths
    )
