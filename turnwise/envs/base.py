"""The contract of an environment in which a language agent acts over many turns.

A `TurnEnv` is a genuine `gymnasium.Env[str, str]`: the observation is what the agent reads now, the
action is what it does now, the reward is the benchmark's own. Beyond Gymnasium it promises four
things: tasks are enumerable and splits are fixed by the data; `info` always has the same keys; an
episode can be snapshot, restored and forked at any turn, byte-equal to replaying its actions; and
(id, version, data, task, seed, actions) determine every byte shown.

A subclass writes `_begin` and `_act`, and `_save`/`_load` where its state can be copied faster than
replayed.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypedDict, TypeVar, cast

import gymnasium

from turnwise.envs.space import TextSpace
from turnwise.errors import TaskError, unknown

TaskId = int | str
State = TypeVar("State")


class Info(TypedDict):
    """What every `reset` and `step` returns beside the observation."""

    task: TaskId
    split: str
    instruction: str
    """What the agent is asked to do, without the rest of the page."""
    admissible: list[str]
    """Whole actions that would do something now; templates such as `search[<your query>]` stand for
    free text.
    """
    state: str
    """Hash of the *full* state after this step, not of the text shown: equal states behave equally.
    """
    valid: bool
    """False where the last action did nothing because it was malformed or not admissible."""
    success: bool
    score: float
    """The benchmark's own score so far, in [0, 1]."""
    rewards: dict[str, float]
    """Components of the reward by name; empty where there are none."""
    tags: list[str]
    """Words that say what kind of task or step this is, such as `category=beauty`."""


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[State]):
    """A point in an episode. Picklable; good for any environment over the same data."""

    task: TaskId
    split: str
    seed: int | None
    actions: tuple[str, ...]
    state: State | None = None
    rng: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What `_begin` and `_act` return: one observation and everything known about it."""

    observation: str
    instruction: str
    admissible: list[str]
    state: str
    reward: float = 0.0
    terminated: bool = False
    valid: bool = True
    success: bool = False
    score: float = 0.0
    rewards: dict[str, float] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)


class TurnEnv(gymnasium.Env[str, str], Generic[State]):
    """Base class of every environment. Observations and actions are plain strings.

    Args:
        split: the split that `reset` draws from when it is given neither `task` nor `split`.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012 (Gymnasium's own declaration is not a ClassVar)
    blocking: bool = False
    """True where `step` may wait on a process or a network, so that a driver calls it in a thread.
    """
    stochastic: bool = True
    """Whether `_act` draws from `self.np_random`; the generator is part of a snapshot only then."""

    def __init__(self, split: str = "train", render_mode: str | None = None) -> None:
        self.observation_space = TextSpace()
        self.action_space = TextSpace()
        self.render_mode = render_mode
        self.split = split
        self._task: TaskId | None = None
        self._split = split
        self._seed: int | None = None
        self._actions: list[str] = []
        self._last: Outcome | None = None

    # What a subclass provides
    # -------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, the training split first."""

    @abstractmethod
    def tasks(self, split: str) -> Sequence[TaskId]:
        """Task ids of a split, always the same and in the same order. Raises `TaskError` for an
        unknown split.
        """

    @property
    @abstractmethod
    def data_hash(self) -> str:
        """Hash of everything the transcripts depend on: catalogue, games, prices, settings."""

    @abstractmethod
    def _begin(self, task: TaskId) -> Outcome:
        """Start `task`. `self.np_random` is seeded; the same task and seed give the same episode."""

    @abstractmethod
    def _act(self, action: str) -> Outcome:
        """Do `action`. A malformed action is an `Outcome` with `valid=False`, never an exception."""

    def _save(self) -> State | None:
        """The episode's state as an immutable or copied value; None to fall back on replay."""
        return None

    def _load(self, state: State) -> None:
        """Put back what `_save` returned."""
        raise TypeError(f"{type(self).__name__} saves a state but cannot load one")

    def expert_action(self) -> str | None:
        """What the environment's expert does now, or None where there is no expert."""
        return None

    # What every environment does
    # ----------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: seeds the choice of the task (when none is given) and whatever is random in the
            episode.
            options: `{"task": id}` to choose a task, `{"split": name}` to draw from another split.

        Raises:
            TaskError: for an unknown split or task, or a split without tasks.
            ConfigError: for an option of another name, which would otherwise quietly draw some
                other task.
        """
        super().reset(seed=seed)
        chosen = dict(options or {})
        for name in chosen.keys() - {"task", "split"}:
            raise unknown("option", str(name), ("task", "split"), "reset(options=...)")
        self._split = str(chosen.get("split", self.split))
        if "task" in chosen:
            task = cast(TaskId, chosen["task"])
        else:
            tasks = self.tasks(self._split)
            if not len(tasks):
                raise TaskError(
                    f"split {self._split!r} of {type(self).__name__} has no tasks: choose one of {self.splits}"
                )
            task = tasks[int(self.np_random.integers(len(tasks)))]
        self._task, self._seed, self._actions = task, seed, []
        self._last = self._begin(task)
        return self._last.observation, cast(dict[str, Any], self._info(self._last))

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Do `action`; returns observation, reward, terminated, truncated (always False here),
        info.
        """
        if self._task is None:
            raise TaskError("there is no episode to act in: call reset() first")
        if not isinstance(action, str):
            raise TypeError(
                f"an action is text, such as one of info['admissible'], and {action!r} is not a string"
            )
        self._last = self._act(action)
        self._actions.append(action)
        last = self._last
        return (
            last.observation,
            last.reward,
            last.terminated,
            False,
            cast(dict[str, Any], self._info(last)),
        )

    def _info(self, last: Outcome) -> Info:
        assert self._task is not None
        # Lists and dicts are copies: what a caller does to them must not reach the outcome that
        # snapshots share.
        return Info(
            task=self._task, split=self._split, instruction=last.instruction, admissible=list(last.admissible),
            state=last.state, valid=last.valid, success=last.success, score=last.score, rewards=dict(last.rewards),
            tags=list(last.tags),
        )  # fmt: skip

    def render(self) -> str | None:
        """The last observation, when `render_mode="ansi"`."""
        return (
            self._last.observation
            if self._last is not None and self.render_mode == "ansi"
            else None
        )

    def snapshot(self) -> Snapshot[State]:
        """The episode as it stands now, to be given to `restore` here or in another environment
        over the same data.
        """
        if self._task is None:
            raise TaskError("there is no episode to snapshot: call reset() first")
        saved = self._save()
        # numpy makes a new dict at each look, so there is nothing to copy.
        rng = self.np_random.bit_generator.state if saved is not None and self.stochastic else None
        return Snapshot(
            self._task,
            self._split,
            self._seed,
            tuple(self._actions),
            saved,
            cast(dict[str, Any] | None, rng),
        )

    def restore(self, snapshot: Snapshot[State]) -> tuple[str, dict[str, Any]]:
        """Go to a snapshot; returns the observation and info that stood there."""
        if snapshot.state is None:
            observation, info = self.reset(
                seed=snapshot.seed, options={"task": snapshot.task, "split": snapshot.split}
            )
            for action in snapshot.actions:
                observation, _, _, _, info = self.step(action)
            return observation, info
        self._task, self._split, self._seed = snapshot.task, snapshot.split, snapshot.seed
        self._actions = list(snapshot.actions)
        if snapshot.rng is not None:
            self.np_random.bit_generator.state = snapshot.rng
        self._load(snapshot.state)
        assert self._last is not None, "_load must set self._last"
        return self._last.observation, cast(dict[str, Any], self._info(self._last))

    def spawn(self) -> Self:
        """Another environment over the same shared data, before its first reset."""
        other = object.__new__(type(self))  # not copy.copy, which would go through __getstate__
        other.__dict__.update(self.__dict__)
        other._task, other._actions, other._last = None, [], None
        other._np_random, other._np_random_seed = None, None
        other.observation_space, other.action_space = TextSpace(), TextSpace()
        return other

    def fork(self) -> Self:
        """A second environment that continues from here, independent of this one."""
        other = self.spawn()
        other.restore(self.snapshot())
        return other


def fork(env: gymnasium.Env[str, str]) -> gymnasium.Env[str, str]:
    """Fork an environment with the wrappers `gymnasium.make` put around it, their step counters
    included.
    """
    if isinstance(env, gymnasium.Wrapper):
        outer = copy.copy(env)
        outer.env = fork(env.env)
        return outer
    return cast(TurnEnv[Any], env).fork()
