"""TextWorld (Côté et al. 2018) as an environment: text adventures made by the original generators,
played by its interpreter.

A task is a game, made when it is first asked for and kept in a cache. The interpreter's state is a
value (see `interpreter.py`), so an episode is a few kilobytes beside its 36 KB of state, a fork
shares that value, and the game, its logic and its interpreter belong to the process.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from turnwise.envs.base import Outcome, TaskId, TurnEnv
from turnwise.envs.textworld import text
from turnwise.envs.textworld.cache import directory
from turnwise.envs.textworld.expert import next_command, place_after
from turnwise.envs.textworld.games import SPLITS, GameSpec, index_of, sizes
from turnwise.envs.textworld.games import VERSION as GAMES_VERSION
from turnwise.envs.textworld.interpreter import ZState, digest
from turnwise.envs.textworld.package import versions
from turnwise.envs.textworld.settings import GameSettings, game_settings
from turnwise.envs.textworld.story import Story, World, hold, let_go, story
from turnwise.envs.textworld.waiting import game_of, prepare
from turnwise.envs.textworld.workers import workshop
from turnwise.errors import TaskError, unknown

VERSION = 0
"""Part of the data hash: raised when a transcript changes."""
REWARDS = ("dense", "raw", "sparse")
OBSERVATIONS = ("tidy", "raw")
OVER = "The game is over."


@dataclass(frozen=True, slots=True)
class Moment:
    """An episode at a turn. Immutable; pickled without the world, which its events lead to."""

    machine: ZState
    world: World | None
    events: tuple[str, ...]
    points: int
    place: int
    """On the walkthrough; see `expert.py`."""
    outcome: Outcome

    def __reduce__(self) -> tuple[Any, ...]:
        return Moment, (self.machine, None, self.events, self.points, self.place, self.outcome)


class TextWorldEnv(TurnEnv[Moment]):
    """Text adventures of one kind.

    Args:
        preset: a name of `PRESETS`, or any `wW-oO-qQ` (rooms, objects, quest length); `w2-o3-q4`
        when no kind is given either.
        kind: `custom`, `cooking`, `treasure_hunter`, `coin_collector` or `simple`.
        settings: that kind's settings (`KINDS`), or what to change in a preset.
        games: how many games each split has, such as `{"train": 1000}`; the others as
        `DEFAULT_GAMES`.
        game_seed: another seed gives other games.
        reward: `dense`, the points of each turn over the most there are (the return is
            `info["score"]`); `raw`, the points; `sparse`, 1.0 on winning.
        observation: `tidy`, or `raw` for what TextWorld's own environments show, title, prompt and
        all.
        cache: where games are kept; see `cache.directory`.
        prepare: make every missing game of every split now, in parallel, rather than each when it
            is asked for.

    Raises:
        ConfigError: for an unknown preset, kind or setting, or `prepare` without the textworld
            package.
    """

    blocking = True  # the first reset of a game waits until it is made, a second or more
    stochastic = False

    def __init__(
        self, preset: str | None = None, *, kind: str | None = None, settings: Mapping[str, Any] | None = None,
        games: Mapping[str, int] | None = None, game_seed: int = 0, reward: str = "dense", observation: str = "tidy",
        cache: str | os.PathLike[str] | None = None, prepare: bool = False, split: str = "train", render_mode: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(split, render_mode)
        self.settings: GameSettings = game_settings(preset, kind, settings)
        self._sizes, self._game_seed = sizes(games), game_seed
        self._root = directory(cache)
        if reward not in REWARDS:
            raise unknown("reward", str(reward), REWARDS, "environment 'textworld'")
        if observation not in OBSERVATIONS:
            raise unknown("observation", str(observation), OBSERVATIONS, "environment 'textworld'")
        self._reward, self._observation = reward, observation
        self.tasks(split)
        self._story: Story | None = None
        self._now: Moment | None = None
        if prepare:
            self.prepare()

    # The contract
    # -------------------------------------------------------------------------------------------------

    @property
    def splits(self) -> tuple[str, ...]:
        return SPLITS

    def tasks(self, split: str) -> Sequence[TaskId]:
        if split not in self._sizes:
            raise TaskError(
                f"there is no split {split!r} of TextWorld games: choose one of {', '.join(SPLITS)}"
            )
        return [f"{split}-{index}" for index in range(self._sizes[split])]

    @property
    def data_hash(self) -> str:
        parts = (
            VERSION,
            GAMES_VERSION,
            versions(),
            self.settings.key(),
            self._game_seed,
            self._reward,
            self._observation,
        )
        sizes = tuple(self._sizes[split] for split in SPLITS)
        return hashlib.blake2b(repr((*parts, sizes)).encode(), digest_size=16).hexdigest()

    def _spec(self, task: object) -> GameSpec:
        split, index = index_of(task, self._sizes)
        return GameSpec(self.settings, split, index, self._game_seed)

    def prepare(self, split: str | None = None) -> int:
        """Make the missing games of a split (or of all), in parallel, with a bar at a terminal;
        returns how many there were.

        Ctrl-C leaves the games made so far in the cache.
        """
        chosen = (split,) if split is not None else SPLITS
        return prepare(
            [self._spec(task) for name in chosen for task in self.tasks(name)], self._root
        )

    def _begin(self, task: TaskId) -> Outcome:
        hold(self)
        told = self._story = story(game_of(self._spec(task), self._root))
        return self._arrive(
            told.first_state, told.first_world, (), 0, 0, text.read(told.opening), 0
        )

    def _act(self, action: str) -> Outcome:
        assert self._now is not None and self._now.world is not None and self._story is not None
        now, told, before = self._now, self._story, self._now.world
        if now.outcome.terminated:
            return self._stay(OVER)
        command = text.command_of(action)
        if text.refused(command):
            return self._stay(text.REFUSED)
        machine, printed = told.machine.send(now.machine, command)
        answer = text.read(printed)
        world, known = told.follow(before, answer.events)
        place = place_after(told, now.place, command, before, world)
        points = now.points if answer.score is None else answer.score
        return self._arrive(
            machine, world, now.events + known, points, place, answer, points - now.points
        )

    def _arrive(
        self,
        machine: ZState,
        world: World,
        events: tuple[str, ...],
        points: int,
        place: int,
        answer: text.Answer,
        gained: int,
    ) -> Outcome:
        """Be in a state, and look at what is known about it."""
        assert self._story is not None
        told, over = self._story, answer.won or answer.lost
        facts = "\n".join(sorted(map(str, world.facts)))
        outcome = Outcome(
            observation=text.tidy(answer.raw) if self._observation == "tidy" else answer.raw,
            instruction=told.objective,
            admissible=[] if over else list(world.commands),
            state=digest(told.made.content.encode(), told.machine.world(machine), facts.encode(), f"{points} {over}".encode()),
            reward={"dense": gained / told.max_score, "raw": float(gained), "sparse": float(answer.won)}[self._reward],
            terminated=over, valid=bool(answer.events) or machine is told.first_state, success=answer.won,
            score=min(1.0, max(0.0, points / told.max_score)), rewards={"points": float(gained)},
            tags=[f"kind={self.settings.kind}", f"preset={self.settings.preset}"],
        )  # fmt: skip
        self._now = Moment(machine, world, events, points, place, outcome)
        return outcome

    def _stay(self, observation: str) -> Outcome:
        """An act that never reaches the game."""
        assert self._now is not None
        outcome = replace(self._now.outcome, observation=observation, reward=0.0, valid=False)
        self._now = replace(self._now, outcome=outcome)
        return outcome

    def _shown(self, raw: str) -> str:
        return text.tidy(raw) if self._observation == "tidy" else raw

    def expert_action(self) -> str | None:
        """The next command of the walkthrough, of the way back to it, or of a new plan; None at the
        end and where none is known.
        """
        now = self._now
        if self._task is None or now is None or now.outcome.terminated:
            return None
        assert self._story is not None and now.world is not None
        return next_command(self._story, now.place, now.world, now.events)

    # Snapshots, pickles, the end
    # ----------------------------------------------------------------------------------

    def _save(self) -> Moment | None:
        return self._now

    def _load(self, state: Moment) -> None:
        assert self._task is not None
        hold(self)
        self._story = story(game_of(self._spec(self._task), self._root))
        world = state.world if state.world is not None else self._story.retrace(state.events)[0]
        self._now = replace(state, world=world)
        self._last = state.outcome

    def spawn(self) -> TextWorldEnv:
        other = super().spawn()
        other._story, other._now = None, None
        return other

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_story": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._now is not None:
            self._load(self._now)

    def close(self) -> None:
        """End this episode; with the last one open, release the games and interpreters that the
        process keeps, and idle makers.
        """
        self._story, self._now, self._task = None, None, None
        if let_go(self):
            workshop().close()
