"""TextWorld (Côté et al. 2018): text adventures of the original generators and interpreter.

A task is a game, made when it is first needed and kept in a cache. The interpreter's state is a
value (see `zmachine.py`), so an episode holds a few kilobytes besides its 36 KB of state, and a
fork shares that value. The game, its logic and its interpreter belong to the process.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from turnwise.envs.base import Outcome, TaskId, TurnEnv
from turnwise.envs.textworld import text
from turnwise.envs.textworld.cache import cache_root
from turnwise.envs.textworld.expert import next_command, position_after
from turnwise.envs.textworld.games import SPLITS, GameSpec, index_of, sizes
from turnwise.envs.textworld.games import VERSION as GAMES_VERSION
from turnwise.envs.textworld.making import game_of, maker_pool, prepare
from turnwise.envs.textworld.package import versions
from turnwise.envs.textworld.settings import GameSettings, game_settings
from turnwise.envs.textworld.stories import GameWorld, Story, add_player, load_story, remove_player
from turnwise.envs.textworld.zmachine import ZState, digest
from turnwise.errors import TaskError, unknown

VERSION = 0
"""Part of the data hash: raised when a transcript changes."""
REWARDS = ("dense", "raw", "sparse")
OBSERVATIONS = ("tidy", "raw")
OVER = "The game is over."


@dataclass(frozen=True, slots=True)
class TextWorldState:
    """State of an episode. Immutable; pickled without the world, which follows from the events."""

    machine: ZState
    world: GameWorld | None
    events: tuple[str, ...]
    points: int
    position: int
    """Position on the walkthrough, see `expert.py`."""
    outcome: Outcome

    def __reduce__(self) -> tuple[Any, ...]:
        state = self.machine, None, self.events, self.points, self.position, self.outcome
        return TextWorldState, state


class TextWorldEnv(TurnEnv[TextWorldState]):
    """Text adventures of one kind.

    Args:
        preset: a name of `PRESETS`, or any `wW-oO-qQ` (rooms, objects, quest length). `w2-o3-q4` if
            `kind` is None too.
        kind: `custom`, `cooking`, `treasure_hunter`, `coin_collector` or `simple`.
        settings: settings of the kind (see `KINDS`), or changes to a preset.
        games: number of games by split, such as `{"train": 1000}`; `DEFAULT_GAMES` for the others.
        game_seed: seed of the games.
        reward: `dense`, the points of a turn divided by the maximum (the return is
            `info["score"]`); `raw`, the points; `sparse`, 1.0 on winning.
        observation: `tidy`; or `raw`, the text of TextWorld's own environments, with title and
            prompt.
        cache: directory of the games, see `turnwise.envs.textworld.cache.cache_root`.
        prepare: make every missing game of every split now, in parallel, rather than each at its
            first reset.

    Raises:
        ConfigError: for an unknown preset, kind or setting, or `prepare` without the textworld
            package.
    """

    blocking = True  # the first reset of a game waits until it is made, a second or more
    stochastic = False

    def __init__(
        self, preset: str | None = None, *, kind: str | None = None,
        settings: Mapping[str, Any] | None = None, games: Mapping[str, int] | None = None,
        game_seed: int = 0, reward: str = "dense", observation: str = "tidy",
        cache: str | os.PathLike[str] | None = None, prepare: bool = False, split: str = "train",
        render_mode: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(split, render_mode)
        self.settings: GameSettings = game_settings(preset, kind, settings)
        self._sizes, self._game_seed = sizes(games), game_seed
        self._root = cache_root(cache)
        if reward not in REWARDS:
            raise unknown("reward", str(reward), REWARDS, "environment 'textworld'")
        if observation not in OBSERVATIONS:
            raise unknown("observation", str(observation), OBSERVATIONS, "environment 'textworld'")
        self._reward, self._observation = reward, observation
        self.tasks(split)
        self._story: Story | None = None
        self._now: TextWorldState | None = None
        if prepare:
            self.prepare()

    # The contract
    # ------------

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
            VERSION, GAMES_VERSION, versions(), self.settings.key(), self._game_seed,
            self._reward, self._observation,
        )  # fmt: skip
        sizes = tuple(self._sizes[split] for split in SPLITS)
        return hashlib.blake2b(repr((*parts, sizes)).encode(), digest_size=16).hexdigest()

    def _spec(self, task: object) -> GameSpec:
        split, index = index_of(task, self._sizes)
        return GameSpec(self.settings, split, index, self._game_seed)

    def prepare(self, split: str | None = None) -> int:
        """Make the missing games of a split (or of all) in parallel; return their number.

        Ctrl-C leaves the games made so far in the cache.
        """
        chosen = (split,) if split is not None else SPLITS
        specs = [self._spec(task) for name in chosen for task in self.tasks(name)]
        return prepare(specs, self._root)

    def _begin(self, task: TaskId) -> Outcome:
        add_player(self)
        story = self._story = load_story(game_of(self._spec(task), self._root))
        opening = text.read(story.opening)
        return self._arrive(story.first_state, story.first_world, (), 0, 0, opening, 0)

    def _act(self, action: str) -> Outcome:
        assert self._now is not None and self._now.world is not None and self._story is not None
        now, story, before = self._now, self._story, self._now.world
        if now.outcome.terminated:
            return self._stay(OVER)
        command = text.command_of(action)
        if text.refused(command):
            return self._stay(text.REFUSED)
        machine, printed = story.machine.send(now.machine, command)
        answer = text.read(printed)
        world, known = story.follow(before, answer.events)
        position = position_after(story, now.position, command, before, world)
        points = now.points if answer.score is None else answer.score
        gained, events = points - now.points, now.events + known
        return self._arrive(machine, world, events, points, position, answer, gained)

    def _arrive(
        self, machine: ZState, world: GameWorld, events: tuple[str, ...], points: int,
        position: int, answer: text.Answer, gained: int,
    ) -> Outcome:  # fmt: skip
        """Move to a state and return the outcome there."""
        assert self._story is not None
        story, over = self._story, answer.won or answer.lost
        facts = "\n".join(sorted(map(str, world.facts)))
        state = digest(
            story.record.content.encode(), story.machine.world(machine), facts.encode(),
            f"{points} {over}".encode(),
        )  # fmt: skip
        rewards = {
            "dense": gained / story.max_score,
            "raw": float(gained),
            "sparse": float(answer.won),
        }
        outcome = Outcome(
            observation=self._shown(answer.raw),
            instruction=story.objective,
            admissible=[] if over else list(world.commands),
            state=state,
            reward=rewards[self._reward],
            terminated=over,
            valid=bool(answer.events) or machine is story.first_state,
            success=answer.won,
            score=min(1.0, max(0.0, points / story.max_score)),
            rewards={"points": float(gained)},
            tags=[f"kind={self.settings.kind}", f"preset={self.settings.preset}"],
        )
        self._now = TextWorldState(machine, world, events, points, position, outcome)
        return outcome

    def _stay(self, observation: str) -> Outcome:
        """Return the outcome of an action that does not reach the game."""
        assert self._now is not None
        outcome = replace(self._now.outcome, observation=observation, reward=0.0, valid=False)
        self._now = replace(self._now, outcome=outcome)
        return outcome

    def _shown(self, raw: str) -> str:
        return text.tidy(raw) if self._observation == "tidy" else raw

    def expert_action(self) -> str | None:
        """Return the expert's next command; None outside an episode or if it finds no way."""
        now = self._now
        if self._task is None or now is None or now.outcome.terminated:
            return None
        assert self._story is not None and now.world is not None
        return next_command(self._story, now.position, now.world, now.events)

    # Snapshots, pickles, the end
    # ---------------------------

    def _save(self) -> TextWorldState | None:
        return self._now

    def _load(self, state: TextWorldState) -> None:
        assert self._task is not None
        add_player(self)
        self._story = load_story(game_of(self._spec(self._task), self._root))
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
        """End this episode; with the last open one, release games, interpreters and idle makers."""
        self._story, self._now, self._task = None, None, None
        if remove_player(self):
            maker_pool().close()
