"""ALFWorld (Shridhar et al. 2021): household tasks in text, done command by command.

Observations, admissible commands, reward and end are byte for byte those of the original engine.
The engine is native, so that a step costs microseconds and a fork copies a reference. Games are
generated, from the official download, or passed in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from turnwise.envs.alfworld import text
from turnwise.envs.alfworld.data import Games, ListedGames
from turnwise.envs.alfworld.engine import act, commands, conditions
from turnwise.envs.alfworld.expert import expert_distance as distance
from turnwise.envs.alfworld.expert import expert_plan
from turnwise.envs.alfworld.explorer import next_command
from turnwise.envs.alfworld.game import Game
from turnwise.envs.alfworld.generated import GeneratorSettings, generated_games
from turnwise.envs.alfworld.layouts import HouseDifficulty
from turnwise.envs.alfworld.memory import ReplayedEpisode, replay_episode
from turnwise.envs.alfworld.official import official_games
from turnwise.envs.alfworld.state import ParsedCommand, State
from turnwise.envs.base import Outcome, TaskId, TurnEnv
from turnwise.errors import ConfigError, unknown

VERSION = 0
"""Part of the data hash: raised when a transcript changes."""
EXPERTS = ("full", "partial")


class ALFWorldEnv(TurnEnv[tuple[State, Outcome]]):
    """Household games.

    The reward is 1.0 at the turn after which the task is done, where the episode ends, and 0.0
    before. `info["rewards"]["goal_progress"]` is the share of the goal's conditions that hold (see
    `turnwise.envs.alfworld.engine.conditions`); `info["score"]` is 1.0 once the task is done.

    Args:
        games: task `i` is `games[i]`; a path stands for the game in it. None for those of `data`.
        data: directory of the official download, or `official` for the one at `$ALFWORLD_DATA`;
            empty for generated games.
        wording: `2.1.1` or `0.4`; None for that of each game.
        difficulty: of generated games: `easy`, `normal`, `hard`, or a
            `turnwise.envs.alfworld.layouts.HouseDifficulty`.
        games_seed: seed of the generated games.
        train_games: number of generated training games.
        valid_games: number of generated games in each of the other splits.
        split: the split `reset` draws from; None for the first.
        split_rule: `official` or `types`, see `turnwise.envs.alfworld.data`.
        expert: the policy behind `expert_action`: `full` has complete knowledge of the house,
            `partial` only what the episode has shown.
        expert_distance: report in `info["rewards"]["expert_distance"]` the length of the full
            expert's plan from here; absent if it finds none. The reward stays the same. Makes a
            step about four times slower.

    Raises:
        ConfigError: if there are no games, or for an unknown wording, difficulty, rule or expert.
        DataError: for a file that cannot be played.
        TaskError: for a split that the games do not have.
    """

    stochastic = False

    def __init__(
        self, games: Sequence[Game | str | PathLike[str]] | None = None, *,
        data: str | PathLike[str] = "", wording: str | None = None,
        difficulty: str | HouseDifficulty = "normal", games_seed: int = 0,
        train_games: int = 3000, valid_games: int = 120, split: str | None = None,
        split_rule: str = "official", expert: str = "full", expert_distance: bool = False,
        render_mode: str | None = None,
    ) -> None:  # fmt: skip
        if expert not in EXPERTS:
            raise unknown("expert", expert, EXPERTS, "ALFWorld")
        if games is not None and data:
            raise ConfigError(
                "games and data were both given to ALFWorld: give games=[...] or data=DIRECTORY"
            )
        if games is not None:
            self.games: Games = listed_games(games, wording)
        elif data:
            self.games = official_games(data, split_rule, wording)
        else:
            self.games = generated_games(GeneratorSettings(
                games_seed, difficulty, train_games, valid_games, split_rule, wording
            ))  # fmt: skip
        split = self.games.splits[0] if split is None else split
        self.games.tasks(split)
        super().__init__(split, render_mode)
        self._commands: dict[str, ParsedCommand] | None = None
        """Admissible commands; None if they have to be computed again."""
        self._measures = expert_distance
        self._explores = expert == "partial"
        self._replayed: ReplayedEpisode | None = None
        """The episode up to the last call of the partial expert."""

    # The contract
    # ------------

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
        """Move to a state and return the outcome there."""
        game, self._state = self._game, state
        self._commands = commands(game, state)
        met = conditions(game, state)
        won = all(met)
        rewards = {"goal_progress": sum(met) / len(met)}
        if self._measures and (left := distance(game, state)) is not None:
            rewards["expert_distance"] = float(left)
        self._known = Outcome(
            observation=observation, instruction=game.task, admissible=sorted(self._commands),
            state=self._state_hash(), reward=float(won), terminated=won, success=won,
            score=float(won), rewards=rewards, tags=[f"task_type={game.goal.kind}"],
        )  # fmt: skip
        return self._known

    def _stay(self, observation: str, valid: bool = True) -> Outcome:
        """Return the outcome of an action that leaves the state as it is."""
        known = self._known
        # Field by field, because `dataclasses.replace` is slower and this is the hot path.
        return Outcome(
            observation=observation, instruction=known.instruction, admissible=known.admissible,
            state=known.state, reward=known.reward, terminated=known.terminated, valid=valid,
            success=known.success, score=known.score, rewards=known.rewards, tags=known.tags,
        )  # fmt: skip

    def _state_hash(self) -> str:
        return hashlib.blake2b(
            self._state.packed(), digest_size=8, key=self._game.digest.encode()
        ).hexdigest()

    def expert_action(self) -> str | None:
        """Return the expert's next command; None outside an episode or if it finds no way."""
        if self._task is None or self._known.success:
            return None
        if self._explores:
            self._replayed = replay_episode(self._game, self._actions, self._replayed)
            return next_command(self._replayed.memory, self._replayed.admissible)
        plan = expert_plan(self._game, self._state)
        return plan[0] if plan else None

    # Snapshots and pickles
    # ---------------------

    def _save(self) -> tuple[State, Outcome]:
        assert self._last is not None
        return self._state, self._last

    def _load(self, state: tuple[State, Outcome]) -> None:
        assert self._task is not None
        self._game = self.games.game(self._task)
        self._state, self._last = state
        self._known, self._commands = self._last, None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the game, which is looked up again, and what follows from it."""
        kept = {name: value for name, value in self.__dict__.items() if name != "_game"}
        return kept | {"_commands": None, "_replayed": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._task is not None:
            self._game = self.games.game(self._task)


def listed_games(
    games: Sequence[Game | str | PathLike[str]], wording: str | None = None
) -> ListedGames:
    """Collect games, or the paths of their files. Raises `ConfigError` if there are none."""
    if isinstance(games, str | PathLike) or not len(games):
        raise ConfigError(
            "games= is not a list of at least one Game, or path of a game.tw-pddl: write it like "
            "games=[Game.load(path)]"
        )
    loaded = (game if isinstance(game, Game) else Game.load(game) for game in games)
    paths = (None if isinstance(game, Game) else Path(game) for game in games)
    return ListedGames(
        (game if wording is None else game.reworded(wording) for game in loaded), paths
    )
