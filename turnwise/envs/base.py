"""The contract of an environment in which a language agent acts over many turns.

A `TurnEnv` is a `gymnasium.Env[str, str]`: the observation is the text the agent reads, the action
the text it answers with, and the reward is the benchmark's own. Four promises go beyond Gymnasium:

* tasks can be enumerated, and the data fixes the splits;
* `info` always has the same keys;
* an episode can be saved, restored and forked at any turn, byte-equal to replaying its actions;
* (id, version, data, task, seed, actions) determine every byte of a transcript.

A subclass implements `splits`, `tasks`, `data_hash`, `_begin` and `_act`; and `_save` and `_load`
where copying its state is faster than replaying the episode.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Self, TypedDict, TypeVar, cast

import gymnasium
from gymnasium.spaces import Space

from turnwise.errors import ConfigError, TaskError, unknown

TaskId = int | str
State = TypeVar("State")
SAMPLE_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789 []-,.'"
MAX_SAMPLE_CHARS = 23


class TextSpace(Space[str]):
    """All strings. Samples are short random strings, for `check_env` and fuzzing.

    Gymnasium's own `Text` rejects blanks, newlines and Unicode by default, and `AsyncVectorEnv`
    with its default `shared_memory=True` returns garbage for it. A space that is not Gymnasium's
    makes that constructor ask for `shared_memory=False`.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(shape=(), dtype=None, seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        return False

    def contains(self, x: Any) -> bool:
        return isinstance(x, str)

    def sample(self, mask: None = None, probability: None = None) -> str:
        length = int(self.np_random.integers(1, MAX_SAMPLE_CHARS + 1))
        places = self.np_random.integers(len(SAMPLE_ALPHABET), size=length)
        return "".join(SAMPLE_ALPHABET[int(i)] for i in places)

    def to_jsonable(self, sample_n: Iterable[str]) -> list[str]:
        return list(sample_n)

    def from_jsonable(self, sample_n: list[Any]) -> list[str]:
        return [str(x) for x in sample_n]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextSpace)

    def __hash__(self) -> int:
        return hash(TextSpace)

    def __repr__(self) -> str:
        return "TextSpace()"


class Info(TypedDict):
    """The dictionary that `reset` and `step` return beside the observation."""

    task: TaskId
    split: str
    instruction: str
    """The task in words, without the rest of the page."""
    admissible: list[str]
    """Actions that have an effect now. `<words>` in one, as in `search[<your query>]`, stand for
    text of the agent's own."""
    state: str
    """Hash of the full state, not of the observation: equal states behave equally."""
    valid: bool
    """False where the last action was malformed or not admissible and had no effect."""
    success: bool
    score: float
    """The benchmark's own score so far, in [0, 1]."""
    rewards: dict[str, float]
    """Components of the reward by name; empty where there are none."""
    tags: list[str]
    """Labels of the task or of this step, such as `category=beauty`."""


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[State]):
    """A point in an episode. Can be pickled, and restored in any environment over the same data."""

    task: TaskId
    split: str
    seed: int | None
    actions: tuple[str, ...]
    state: State | None = None
    rng: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of `_begin` and `_act`: an observation and the fields of `Info` that go with it."""

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
    """Base class of every environment. Observations and actions are strings.

    Args:
        split: the split that `reset` draws from when given neither `task` nor `split`.
        render_mode: None, or `ansi` for the observation as text.
    """

    # Gymnasium declares `metadata` without ClassVar.
    metadata = {"render_modes": ["ansi"], "render_fps": 1}  # noqa: RUF012
    blocking: bool = False
    """True where `step` may wait on a process or a network; a driver then calls it in a thread."""
    stochastic: bool = True
    """Whether `_act` draws from `self.np_random`. Only then do snapshots hold the generator."""

    # Defaults of an environment that is named by its import path; an `EnvSpec` overrides them.
    max_turns: int = 30
    """Turns after which a driver, or Gymnasium's wrapper, truncates an episode."""
    default_prompt: str = "text/react@1"
    """Name or import path of the prompt that agents use when none is named."""
    eval_split: str = "test"
    """The split that agents are evaluated on when none is named."""

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

    # To be implemented by a subclass
    # ------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, the training split first."""

    @abstractmethod
    def tasks(self, split: str) -> Sequence[TaskId]:
        """Return the task ids of a split, always the same and in the same order.

        Raises:
            TaskError: for an unknown split.
        """

    @property
    @abstractmethod
    def data_hash(self) -> str:
        """Hash of everything the transcripts depend on: catalogue, games, prices, settings."""

    @abstractmethod
    def _begin(self, task: TaskId) -> Outcome:
        """Start `task`. `self.np_random` is seeded: equal task and seed give equal episodes."""

    @abstractmethod
    def _act(self, action: str) -> Outcome:
        """Apply `action`. A malformed one is an `Outcome` with `valid=False`, not an exception."""

    def _save(self) -> State | None:
        """Return the episode's state as an immutable or copied value; None to replay instead."""
        return None

    def _load(self, state: State) -> None:
        """Restore what `_save` returned, `self._last` included."""
        raise TypeError(f"{type(self).__name__} saves a state but cannot load one")

    def expert_action(self) -> str | None:
        """Return the action of the environment's expert; None where there is no expert."""
        return None

    # The same in every environment
    # --------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: seeds the choice of the task, when none is given, and the randomness of the
                episode.
            options: `{"task": id}` chooses a task, `{"split": name}` draws from another split.

        Returns:
            The first observation, and `info` with the keys of `Info`.

        Raises:
            TaskError: for an unknown split or task, or a split without tasks.
            ConfigError: for an option of another name; ignoring it would draw another task.
        """
        super().reset(seed=seed)
        chosen = dict(options or {})
        for name in chosen.keys() - {"task", "split"}:
            raise unknown("option", str(name), ("task", "split"), "reset(options=...)")
        # An environment that never names a split of its own may have none called "train".
        first = self.split == "train" and "train" not in self.splits
        self._split = str(chosen.get("split", self.splits[0] if first else self.split))
        if "task" in chosen:
            task = cast(TaskId, chosen["task"])
        else:
            tasks = split_tasks(self, self._split)
            if not len(tasks):
                raise TaskError(
                    f"split {self._split!r} of {type(self).__name__} has no tasks: "
                    f"choose one of {self.splits}"
                )
            task = tasks[int(self.np_random.integers(len(tasks)))]
        self._task, self._seed, self._actions = task, seed, []
        self._last = self._checked(self._begin(task), "_begin")
        return self._last.observation, cast(dict[str, Any], self._info(self._last))

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Apply `action`; return observation, reward, terminated, truncated and info.

        `truncated` is always False: turn limits belong to the registration.
        """
        if self._task is None:
            raise TaskError("there is no episode to act in: call reset() first")
        if not isinstance(action, str):
            raise TypeError(
                f"{action!r} is not a string: an action is text, such as one of info['admissible']"
            )
        self._last = self._checked(self._act(action), "_act")
        self._actions.append(action)
        last = self._last
        info = cast(dict[str, Any], self._info(last))
        return last.observation, last.reward, last.terminated, False, info

    def _checked(self, outcome: Outcome, method: str) -> Outcome:
        if not isinstance(outcome, Outcome):
            raise ConfigError(
                f"{method} of {type(self).__name__} returned a {type(outcome).__name__}: return "
                "a turnwise.Outcome"
            )
        return outcome

    def _info(self, last: Outcome) -> Info:
        assert self._task is not None
        # Snapshots share the outcome, so a caller gets copies of its lists and dicts.
        return Info(
            task=self._task, split=self._split, instruction=last.instruction,
            admissible=list(last.admissible), state=last.state, valid=last.valid,
            success=last.success, score=last.score, rewards=dict(last.rewards),
            tags=list(last.tags),
        )  # fmt: skip

    def render(self) -> str | None:
        """Return the last observation, when `render_mode="ansi"`."""
        if self._last is None or self.render_mode != "ansi":
            return None
        return self._last.observation

    def snapshot(self) -> Snapshot[State]:
        """Save the episode, for `restore` here or in another environment over the same data."""
        if self._task is None:
            raise TaskError("there is no episode to snapshot: call reset() first")
        saved = self._save()
        rng = None
        if saved is not None and self.stochastic:
            # numpy makes a new dict at each access, so there is nothing to copy.
            rng = cast(dict[str, Any], self.np_random.bit_generator.state)
        actions = tuple(self._actions)
        return Snapshot(self._task, self._split, self._seed, actions, saved, rng)

    def restore(self, snapshot: Snapshot[State]) -> tuple[str, dict[str, Any]]:
        """Go back to a snapshot; return its observation and info."""
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
        """Return another environment over the same shared data, not yet reset."""
        other = object.__new__(type(self))  # not copy.copy, which would go through __getstate__
        other.__dict__.update(self.__dict__)
        other._task, other._actions, other._last = None, [], None
        # Two environments must not draw from one generator; Gymnasium makes a new one for None.
        other._np_random, other._np_random_seed = None, None
        other.observation_space, other.action_space = TextSpace(), TextSpace()
        return other

    def fork(self) -> Self:
        """Return a second environment that continues from here, independent of this one."""
        other = self.spawn()
        other.restore(self.snapshot())
        return other


def split_tasks(env: TurnEnv[Any], split: str) -> Sequence[TaskId]:
    """Return `env.tasks(split)` after checking that there is such a split.

    Raises:
        TaskError: for an unknown split.
        ConfigError: when the environment returns no sequence.
    """
    if split not in env.splits:
        raise TaskError(f"there is no split {split!r} here: choose one of {', '.join(env.splits)}")
    tasks = env.tasks(split)
    if not hasattr(tasks, "__len__") or not hasattr(tasks, "__getitem__"):
        raise ConfigError(
            f"tasks({split!r}) of {type(env).__name__} returned a {type(tasks).__name__}: return "
            "a sequence, such as a list or a range"
        )
    return tasks


def fork(env: gymnasium.Env[str, str]) -> gymnasium.Env[str, str]:
    """Fork an environment together with the wrappers around it and their step counters."""
    if isinstance(env, gymnasium.Wrapper):
        # A shallow copy has its own step counter; what it wraps is forked below.
        outer = copy.copy(env)
        outer.env = fork(env.env)
        return outer
    return cast(TurnEnv[Any], env).fork()
