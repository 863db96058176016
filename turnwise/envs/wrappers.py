"""Environments of other libraries as a `TurnEnv`.

`wrap` takes three interfaces, all of text:

* Gymnasium's and gem's (`axon-rl/gem`): `reset(seed=…) -> (observation, info)`, `step(action) ->
  (observation, reward, terminated, truncated, info)`;
* skyrl-gym's (`NovaSky-AI/SkyRL`): `init(prompt) -> (messages, info)`, `step(action) ->
  {"observations": messages, "reward": …, "done": …, "metadata": …}`.

The command line needs a factory in a file of yours:

    # my_envs.py
    import gem
    from turnwise.envs.wrappers import wrap

    def make():
        return wrap(lambda: gem.make("game:GuessTheNumber-v0"), tasks=200, max_turns=20)

    $ turnwise eval my_envs:make --agent openai:my-model@http://localhost:8000/v1
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import inspect
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import gymnasium
import numpy as np

from turnwise.envs.base import Outcome, TaskId, TurnEnv
from turnwise.errors import ConfigError, DataError, TaskError

MAX_OBSERVATION_CHARS = 20_000
NO_TEXT = (
    gymnasium.spaces.Box,
    gymnasium.spaces.Discrete,
    gymnasium.spaces.MultiBinary,
    gymnasium.spaces.MultiDiscrete,
)
"""Gymnasium's spaces whose elements are numbers."""


def wrap(
    make_env: Any,
    tasks: int | Sequence[Any] = 100,
    *,
    splits: Mapping[str, Sequence[int]] | None = None,
    test_fraction: float = 0.2,
    instruction: str = "",
    success_return: float = 1.0,
    admissible: str = "admissible",
    malformed: tuple[type[Exception], ...] = (),
    max_turns: int = TurnEnv.max_turns,
    prompt: str = TurnEnv.default_prompt,
    eval_split: str = "",
    version: str = "0",
    blocking: bool = False,
    split: str = "",
) -> TextEnv:
    """Make a text environment of Gymnasium, gem or skyrl-gym a `TurnEnv`.

    Args:
        make_env: makes an environment, without arguments, or with one: the task, where each task
            needs an environment of its own. An id of Gymnasium or an environment (which is
            deep-copied) will do. Where processes are to share the result, it must be picklable.
        tasks: a number n, for the seeds 0 to n - 1; or a sequence. Whole numbers in it are seeds;
            other tasks, such as rows of a data set, are numbered by their place.
            skyrl-gym's `init` receives the task's `prompt`, if it is a mapping, or the task.
        splits: task ids by split, the training split first.
        test_fraction: without `splits`, the share of tasks, from the end, that form the split
            `test`; the others form `train`.
        instruction: what the agent is asked to do; the first observation when empty.
        success_return: an episode with this sum of rewards is a success with score 1.
        admissible: the key of the inner `info` that lists the actions possible now, if any.
        malformed: exceptions of `step` which mean that the action was malformed. Others end the
            episode with an error.
        max_turns, prompt, eval_split: as in `EnvSpec`; the last split when `eval_split` is empty.
        version: part of the data hash: change it when the environment's transcripts change.
        blocking: whether a step may wait on a process or a network.
        split: the split that `reset` draws from by default; the first when empty.

    Raises:
        ConfigError: for splits or tasks that do not fit; an environment with another interface, or
            whose actions are numbers.
    """
    return TextEnv(
        make_env, tasks, splits, test_fraction, instruction, success_return, admissible, malformed,
        max_turns, prompt, eval_split, version, blocking, split,
    )  # fmt: skip


class TextEnv(TurnEnv[str]):
    """A text environment of another library; see `wrap`.

    Snapshots and forks replay the actions in an environment of their own. The state hash is that
    of the transcript, so it never calls two states equal that differ. Python's and NumPy's global
    random generators, which some of these environments draw from, are seeded and kept for each
    episode. Observations are cut at `MAX_OBSERVATION_CHARS`.
    """

    stochastic = False  # the task is the seed

    def __init__(
        self, make_env: Any, tasks: int | Sequence[Any], splits: Mapping[str, Sequence[int]] | None,
        test_fraction: float, instruction: str, success_return: float, admissible: str,
        malformed: tuple[type[Exception], ...], max_turns: int, prompt: str, eval_split: str,
        version: str, blocking: bool, split: str,
    ) -> None:  # fmt: skip
        self.make_env = _factory(make_env)
        self.records = _records(tasks)
        self._splits = _splits(self.records, splits, test_fraction)
        self.asked, self.success_return = instruction, success_return
        self.admissible_key, self.malformed = admissible, malformed
        self.max_turns, self.default_prompt, self.blocking = max_turns, prompt, blocking
        self.eval_split = eval_split or self.splits[-1]
        for name in (self.eval_split, split or self.splits[0]):
            self.tasks(name)
        super().__init__(split or self.splits[0])
        self._hash = _data_hash(make_env, self.records, self._splits, version)
        self._env: Any = None
        self._random: tuple[Any, Any] | None = None
        self._behind = False
        self._env = self._inner(next(iter(self.records)))
        _check_interface(self._env)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self._splits)

    def tasks(self, split: str) -> Sequence[TaskId]:
        if split not in self._splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self._splits)}"
            )
        return self._splits[split]

    @property
    def data_hash(self) -> str:
        return self._hash

    def _begin(self, task: TaskId) -> Outcome:
        if task not in self.records:
            raise TaskError(
                f"there is no task {task!r} here: choose one of the {len(self.records)} of "
                "tasks(split)"
            )
        assert isinstance(task, int)
        self._behind, self._return, self._over = False, 0.0, False
        self._transcript = hashlib.sha256(f"{self._hash} {task}".encode())
        self._random = _seeded(task)
        with self._own_random():
            env = self._env = self._inner(task)
            if hasattr(env, "reset"):
                answer = env.reset(seed=task)
            else:
                answer = env.init(_prompt_of(self.records[task]))
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise ConfigError(
                f"{'reset' if hasattr(env, 'reset') else 'init'} of {type(env).__name__} returned "
                "something else than (observation, info): wrap takes the interface of Gymnasium, "
                "gem or skyrl-gym"
            )
        observation, info = answer
        shown = self._text(observation)
        self._transcript.update(json.dumps([shown]).encode())
        self._instruction = self.asked or shown or "Act."
        return self._outcome(shown, info)

    def _act(self, action: str) -> Outcome:
        assert self._last is not None and self._task is not None
        if self._behind:
            self._catch_up()
        if self._over:
            return self._unchanged(terminated=True)
        try:
            with self._own_random():
                answer = self._env.step(action)
        except self.malformed:
            self._transcript.update(json.dumps([action]).encode())
            return self._unchanged(terminated=False)
        if isinstance(answer, Mapping):
            observation, reward = answer["observations"], answer["reward"]
            over, info = bool(answer["done"]), answer.get("metadata")
        elif not isinstance(answer, tuple) or len(answer) != 5:
            raise ConfigError(
                f"step of {type(self._env).__name__} returned something else than (observation, "
                "reward, terminated, truncated, info): wrap takes the interface of Gymnasium, gem "
                "or skyrl-gym"
            )
        else:
            observation, reward, terminated, truncated, info = answer
            over = bool(terminated or truncated)
        self._over = over
        self._return += float(reward)
        shown = self._text(observation)
        self._transcript.update(json.dumps([action, shown, float(reward), over]).encode())
        return self._outcome(shown, info, float(reward), action)

    def _outcome(
        self, shown: str, info: Mapping[str, Any] | None, reward: float = 0.0, action: str = ""
    ) -> Outcome:
        known = info or {}
        listed = known.get(self.admissible_key)
        if isinstance(listed, str):
            listed = [listed]
        score = min(1.0, max(0.0, self._return / self.success_return))
        valid = known.get("valid")
        return Outcome(
            shown, self._instruction,
            [str(one) for one in listed] if listed is not None and not self._over else [],
            self._transcript.hexdigest(), reward, self._over,
            valid=valid if isinstance(valid, bool) else True,
            success=self._return >= self.success_return, score=score,
        )  # fmt: skip

    def _unchanged(self, terminated: bool) -> Outcome:
        """Return the last outcome again, for an action without effect."""
        assert self._last is not None
        last = self._last
        return Outcome(
            last.observation, last.instruction, list(last.admissible),
            self._transcript.hexdigest(), terminated=terminated, valid=False,
            success=last.success, score=last.score,
        )  # fmt: skip

    def _inner(self, task: int) -> Any:
        """Return the environment of an episode: a new one for each task, or always the same."""
        if _takes_task(self.make_env):
            self.close()
            return self.make_env(self.records[task])
        return self._env if self._env is not None else self.make_env()

    def _text(self, observation: Any) -> str:
        if isinstance(observation, str):
            text = observation
        elif isinstance(observation, Sequence):  # skyrl-gym's messages
            text = "\n\n".join(str(message["content"]) for message in observation)
        else:
            raise ConfigError(
                f"an observation of {type(self._env).__name__} is a {type(observation).__name__}: "
                "wrap takes environments whose observations are text"
            )
        if len(text) > MAX_OBSERVATION_CHARS:
            cut = len(text) - MAX_OBSERVATION_CHARS
            return f"{text[:MAX_OBSERVATION_CHARS]}\n[{cut} characters left out]"
        return text

    @contextlib.contextmanager
    def _own_random(self) -> Iterator[None]:
        """Let the inner environment draw from this episode's global generators."""
        assert self._random is not None
        theirs = random.getstate(), np.random.get_state()
        random.setstate(self._random[0])
        np.random.set_state(self._random[1])
        try:
            yield
        finally:
            self._random = random.getstate(), np.random.get_state()
            random.setstate(theirs[0])
            np.random.set_state(theirs[1])

    # Copies do not share the inner environment: they replay the episode in one of their own.

    def spawn(self) -> Self:
        other = super().spawn()
        other._env = None
        return other

    def _save(self) -> str:
        """Return the hash of the transcript, which a replay has to reach."""
        assert self._last is not None
        return self._last.state

    def _load(self, state: str) -> None:
        """Replay the actions.

        Raises:
            DataError: when the transcript is another one.
        """
        assert self._task is not None
        actions = list(self._actions)
        self.reset(seed=self._seed, options={"task": self._task, "split": self._split})
        for action in actions:
            self.step(action)
        assert self._last is not None
        if self._last.state != state:
            raise DataError(
                f"{type(self._env).__name__} cannot be forked or restored: playing the actions of "
                f"task {self._task} again gave another transcript; let the seed of reset decide "
                "everything"
            )

    def __getstate__(self) -> dict[str, Any]:
        kept = {k: v for k, v in self.__dict__.items() if k not in ("_env", "_transcript")}
        return {**kept, "_behind": self._task is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._env = None

    def _catch_up(self) -> None:
        """Replay the episode after unpickling."""
        assert self._last is not None
        self._load(self._last.state)

    def close(self) -> None:
        if hasattr(self._env, "close"):
            self._env.close()


def _factory(make_env: Any) -> Callable[..., Any]:
    if isinstance(make_env, str):
        return _GymnasiumEnv(make_env)
    if hasattr(make_env, "step"):
        return _Copies(make_env) if not inspect.isclass(make_env) else make_env
    if callable(make_env):
        return make_env
    raise ConfigError(
        f"wrap was given a {type(make_env).__name__}: give a function that makes an environment"
    )


class _GymnasiumEnv:
    """Makes the environment of an id. A class and not a lambda, so that it can be pickled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self) -> Any:
        try:
            return gymnasium.make(self.name, disable_env_checker=True)
        except gymnasium.error.Error as problem:
            raise ConfigError(
                f"wrap cannot make {self.name!r} with Gymnasium: {problem}"
            ) from problem


class _Copies:
    """Makes copies of an environment."""

    def __init__(self, env: Any) -> None:
        self.env = env

    def __call__(self) -> Any:
        return copy.deepcopy(self.env)


def _takes_task(make_env: Callable[..., Any]) -> bool:
    """Return whether a factory has a required argument."""
    try:
        parameters = inspect.signature(make_env).parameters.values()
    except ValueError:  # a builtin type
        return False
    positional = (p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    return any(p.default is p.empty for p in positional)


def _records(tasks: int | Sequence[Any]) -> dict[int, Any]:
    if isinstance(tasks, int):
        tasks = range(tasks)
    if not len(tasks):
        raise ConfigError("wrap was given no tasks: give a number of seeds, or a sequence")
    if all(isinstance(task, int) for task in tasks):
        return {task: task for task in tasks}
    return dict(enumerate(tasks))


def _splits(
    records: Mapping[int, Any], splits: Mapping[str, Sequence[int]] | None, test_fraction: float
) -> dict[str, tuple[int, ...]]:
    if splits is None:
        ids, n = tuple(records), round(len(records) * test_fraction)
        if not 0 < n < len(ids):
            raise ConfigError(
                f"test_fraction={test_fraction} of {len(ids)} tasks leaves a split empty: give "
                "more tasks, or splits"
            )
        return {"train": ids[:-n], "test": ids[-n:]}
    for name, given in splits.items():
        for task in given:
            if task not in records:
                raise ConfigError(
                    f"split {name!r} has the task {task!r}, which is not among the tasks that "
                    "wrap was given"
                )
    return {name: tuple(given) for name, given in splits.items()}


def _prompt_of(record: Any) -> list[dict[str, str]]:
    """Return the messages that skyrl-gym's `init` takes."""
    found = record.get("prompt", []) if isinstance(record, Mapping) else record
    if isinstance(found, str):
        return [{"role": "user", "content": found}]
    return [] if isinstance(found, int) else list(found)


def _data_hash(
    make_env: Any, records: Mapping[int, Any], splits: Mapping[str, Any], version: str
) -> str:
    name = make_env if isinstance(make_env, str) else getattr(make_env, "__qualname__", "")
    facts = [name or type(make_env).__qualname__, records, splits, version]
    return hashlib.sha256(json.dumps(facts, default=repr).encode()).hexdigest()[:32]


def _seeded(task: int) -> tuple[Any, Any]:
    """Return states of Python's and NumPy's global generators, seeded."""
    return random.Random(task).getstate(), np.random.RandomState(task % 2**32).get_state()


def _check_interface(env: Any) -> None:
    lacking = [] if hasattr(env, "step") else ["step"]
    if not hasattr(env, "reset") and not hasattr(env, "init"):
        lacking.append("reset or init")
    if lacking:
        raise ConfigError(
            f"wrap was given a {type(env).__name__} without {' and '.join(lacking)}: it takes "
            "environments with the interface of Gymnasium, gem or skyrl-gym"
        )
    if hasattr(env, "reset") and not _takes_seed(env.reset):
        raise ConfigError(
            f"reset of {type(env).__name__} takes no seed, so its episodes could not be played "
            "again: give it the keyword seed"
        )
    space = getattr(env, "action_space", None)
    if isinstance(space, NO_TEXT):
        raise ConfigError(
            f"the actions of {type(env).__name__} are {space}: wrap takes environments whose "
            "actions are text"
        )


def _takes_seed(reset: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(reset).parameters
    except (TypeError, ValueError):  # it does not say
        return True
    return "seed" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
