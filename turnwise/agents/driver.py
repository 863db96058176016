"""The rollout driver: many concurrent episodes without a barrier between them.

Each episode is a coroutine that advances on its own, and the engine batches whatever waits for it.
Every wait is bounded. A failure in an episode (its environment, the engine, a timeout) becomes a
trajectory with an error, which is kept apart from the data: it is never a reward of zero, and never
ends the other episodes. A mistake in the request itself (`ConfigError`, `TaskError`) is raised.

An episode depends on its `Episode` alone, not on the order in which episodes are played, as long as
the agent keeps to that too. Trajectories are returned in the order of the episodes, forks last.
"""

from __future__ import annotations

import asyncio
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import gymnasium

from turnwise.agents.agent import Act, Actor, Agent, Episode, StopEpisode, seed_of
from turnwise.agents.progress import EpisodeProgress
from turnwise.agents.threads import in_thread
from turnwise.algorithms.parts.strategy import Branch, RolloutStrategy
from turnwise.envs.base import fork
from turnwise.envs.prompt import Step
from turnwise.errors import ConfigError, DataError, TaskError
from turnwise.records import Group, TaskId, Trajectory, Turn

Env: TypeAlias = gymnasium.Env[str, str]
MakeEnv: TypeAlias = Callable[[], Env]
RUNNING = "running"
"""Stop reason of an unfinished trajectory, as a strategy sees it."""


def episodes_for(
    tasks: Iterable[TaskId], n: int | RolloutStrategy, split: str, seed: int = 0
) -> list[Episode]:
    """Return `n` episodes of each task, or as many as a strategy starts with.

    Those of one task share a group and its environment seed.
    """
    episodes: list[Episode] = []
    for index, task in enumerate(tasks):
        group = f"{split}-{seed}-{index}-{task}"
        count = n if isinstance(n, int) else n.start(task)
        env_seed = seed_of("env", split, seed, index, task) >> 32
        episodes += [Episode(task, split, env_seed, group, f"{group}-{k}") for k in range(count)]
    return episodes


async def rollout(
    episodes: Sequence[Episode],
    make_env: MakeEnv,
    agent: Agent,
    *,
    max_turns: int | None = None,
    concurrency: int = 64,
    turn_timeout: float = 600.0,
    step_timeout: float = 120.0,
    strategy: RolloutStrategy | None = None,
    progress: bool = False,
    on_trajectory: Callable[[Trajectory], None] | None = None,
) -> list[Trajectory]:
    """Play episodes.

    Args:
        make_env: makes an environment; one whose episode ended without an error is reused.
        max_turns: turns after which an episode ends as `truncated`.
        concurrency: episodes in progress at once.
        turn_timeout: seconds that an agent may take for one reply.
        step_timeout: seconds that a reset or step of a `blocking` environment may take; those run
            in threads.
        strategy: decides after each turn and each trajectory where to branch.
        progress: show a progress bar when stderr is a terminal.
        on_trajectory: called with each trajectory as it ends; after Ctrl-C it has been called for
            every finished one.

    Returns:
        A trajectory for each episode, in their order, followed by the forks.

    Raises:
        ConfigError, TaskError: for a mistake in the request; the other episodes are cancelled.
    """
    if concurrency < 1 or (max_turns is not None and max_turns < 1):
        raise ConfigError(f"concurrency={concurrency} and max_turns={max_turns} must be at least 1")
    if len({episode.uid for episode in episodes}) != len(episodes):
        raise ConfigError(
            "two episodes have the same uid: each needs one of its own (see episodes_for)"
        )
    if strategy is not None and not strategy.branches:
        strategy = None
    with EpisodeProgress(len(episodes), show=progress) as bar:
        driver = _Driver(
            make_env, agent, max_turns, concurrency, turn_timeout, step_timeout, strategy, bar,
            on_trajectory,
        )  # fmt: skip
        return await driver.play([_Run(episode) for episode in episodes])


def play(
    episodes: Sequence[Episode], make_env: MakeEnv, agent: Agent, **settings: Any
) -> list[Trajectory]:
    """Run `rollout` from a program without an event loop, with the same arguments."""
    return asyncio.run(rollout(episodes, make_env, agent, **settings))


@dataclass(slots=True)
class _Run:
    """State of an episode in progress."""

    episode: Episode
    parent: tuple[str, int] | None = None
    history: list[Step] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    env: Env | None = None
    forks: int = 0
    ended: Trajectory | None = None

    def trajectory(self, stop_reason: str, error: str | None = None) -> Trajectory:
        e, ok = self.episode, error is None
        return Trajectory(
            task=e.task, group=e.group, uid=e.uid, turns=tuple(self.turns),
            success=ok and bool(self.info.get("success", False)),
            score=float(self.info.get("score", 0.0)) if ok else 0.0, stop_reason=stop_reason,
            parent=self.parent, error=error, split=e.split, seed=e.seed, tags=self.tags,
        )  # fmt: skip

    def add_turn(
        self, act: Act, name: str, reward: float, info: dict[str, Any], seconds: float
    ) -> None:
        """Append the turn in which `act` led to `reward` and `info`; `name` is the agent's."""
        step = self.history[-1]
        new_tags = (tag for tag in info.get("tags", ()) if tag not in self.tags)
        turn = Turn(
            agent=act.agent or name, prompt_ids=act.prompt_ids,
            completion_ids=act.completion_ids, logprobs=act.logprobs, entropies=act.entropies,
            observation=step.observation, completion=act.completion, action=act.action,
            valid=act.valid and bool(info.get("valid", True)),
            rewards={"env": reward, **info.get("rewards", {})},
            state=self.info.get("state", ""), next_state=info.get("state", ""),
            tags=(*act.tags, *new_tags), stop_reason=act.stop_reason, wall_seconds=seconds,
            weights_version=act.weights_version,
        )  # fmt: skip
        self.turns.append(turn)
        self.history[-1] = Step(step.observation, step.info, act.completion, act.action)
        self.info = info


@dataclass(slots=True)
class _Driver:
    make_env: MakeEnv
    agent: Agent
    max_turns: int | None
    concurrency: int
    turn_timeout: float
    step_timeout: float
    strategy: RolloutStrategy | None
    progress: EpisodeProgress
    on_trajectory: Callable[[Trajectory], None] | None
    runs: dict[str, _Run] = field(default_factory=dict)
    groups: dict[str, list[_Run]] = field(default_factory=dict)
    waiting: deque[_Run] = field(default_factory=deque)
    idle: list[Env] = field(default_factory=list)
    """Environments ready for the next episode."""
    tasks: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)
    workers: int = 0

    # Episodes and workers

    async def play(self, runs: Sequence[_Run]) -> list[Trajectory]:
        for run in runs:
            self._register(run)
            self.waiting.append(run)
        try:
            async with self.tasks:
                self._start_workers()
        except BaseExceptionGroup as problems:
            # A task group wraps what its tasks raise; callers expect the error itself.
            raise problems.exceptions[0] from None
        finally:
            # After a cancellation, forks that have not started hold environments of their own.
            for env in [*self.idle, *(run.env for run in self.waiting if run.env is not None)]:
                await self._close(env)
        return [run.ended for run in self.runs.values() if run.ended is not None]

    def _register(self, run: _Run) -> None:
        self.runs[run.episode.uid] = run
        self.groups.setdefault(run.episode.group, []).append(run)

    def _start_workers(self) -> None:
        """Start a worker for each waiting episode, up to `concurrency`."""
        while self.waiting and self.workers < self.concurrency:
            self.workers += 1
            self.tasks.create_task(self._work(self.waiting.popleft()))

    async def _work(self, run: _Run) -> None:
        """Play `run`, then waiting episodes until there are none."""
        while True:
            run.ended = await self._episode(run)
            self.progress.add(run.ended)
            self._notify(run.ended)
            if self.strategy is not None:
                branches = self.strategy.after_trajectory(self._group(run), run.episode.uid)
                await self._branch(run, branches)
            else:  # nothing can branch here any more: free the texts
                run.history, run.turns = [], []
            if not self.waiting:
                self.workers -= 1
                return
            run = self.waiting.popleft()

    def _notify(self, trajectory: Trajectory) -> None:
        if self.on_trajectory is not None:
            self.on_trajectory(trajectory)

    # One episode

    async def _episode(self, run: _Run) -> Trajectory:
        """Play a run to its end, whole or errored."""
        try:
            trajectory = run.trajectory(await self._play_run(run))
            if run.env is not None:
                # Only reached without an error: one that failed is closed below, not reused.
                self.idle.append(run.env)
                run.env = None
            return trajectory
        except (ConfigError, TaskError):
            raise
        except Exception as problem:
            return run.trajectory("error", f"turn {len(run.turns)}: {_describe(problem)}")
        finally:
            if run.env is not None:
                await self._close(run.env)
                run.env = None

    async def _play_run(self, run: _Run) -> str:
        """Continue a run from its current state to its end; return the stop reason."""
        if run.env is None:
            await self._reset(run)
        # The last step has no reply yet; a fork's earlier ones are its parent's.
        actor = self.agent.begin(run.episode, run.history[:-1], run.turns)
        try:
            return await self._play_turns(run, actor)
        finally:
            async with asyncio.timeout(self.turn_timeout):
                await actor.end()

    async def _reset(self, run: _Run) -> None:
        """Reset an environment, and replay the turns that a fork takes over from its parent."""
        e = run.episode
        env = run.env = self.idle.pop() if self.idle else self.make_env()
        observation, run.info = await self._call(
            env, env.reset, seed=e.seed, options={"task": e.task, "split": e.split}
        )
        run.tags = tuple(run.info.get("tags", ()))
        for turn in run.turns:
            observation, _, _, _, run.info = await self._call(env, env.step, turn.action)
            if run.info.get("state", "") != turn.next_state:
                raise DataError(
                    "replaying the parent's actions led to another state: "
                    "the environment is not deterministic"
                )
        run.history.append(Step(observation, run.info))

    async def _play_turns(self, run: _Run, actor: Actor) -> str:
        env, uid = run.env, run.episode.uid
        assert env is not None
        while self.max_turns is None or len(run.turns) < self.max_turns:
            began = time.perf_counter()
            try:
                act = await self._act(run, actor, env)
            except StopEpisode as stop:
                return stop.stop_reason
            if self.strategy is not None:
                copies = self.strategy.before_step(self._group(run), uid, act.entropies or ())
                await self._branch(run, [Branch(uid, len(run.turns))] * copies)
            observation, reward, terminated, truncated, info = await self._call(
                env, env.step, act.action
            )
            seconds = time.perf_counter() - began
            run.add_turn(act, self.agent.name, float(reward), info, seconds)
            run.history.append(Step(observation, info))
            if terminated or truncated:
                return "terminated" if terminated else "truncated"
            if self.strategy is not None:
                await self._branch(run, self.strategy.after_turn(self._group(run), uid))
            # A scripted agent never waits: give other episodes and Ctrl-C a chance to run.
            await asyncio.sleep(0)
        return "truncated"

    async def _act(self, run: _Run, actor: Actor, env: Env) -> Act:
        try:
            async with asyncio.timeout(self.turn_timeout) as bound:
                return await actor.act(run.history, env)
        except TimeoutError as problem:
            if bound.expired():
                raise TimeoutError(
                    f"the agent did not answer within {self.turn_timeout:g} s"
                ) from problem
            raise

    # Branches

    def _group(self, run: _Run) -> Group:
        """Return the group of `run` as it is now, unfinished members included."""
        e = run.episode
        members = (other.ended or other.trajectory(RUNNING) for other in self.groups[e.group])
        return Group(e.task, e.group, tuple(members))

    async def _branch(self, run: _Run, branches: Iterable[Branch]) -> None:
        """Queue forks that the strategy asks for after a turn of `run`.

        Where `run` is now, its environment is forked; anywhere else the actions are replayed.
        """
        for branch in branches:
            parent = self.runs.get(branch.uid)
            if parent is None or not 0 <= branch.turn <= len(parent.turns):
                raise ConfigError(
                    f"the strategy branches {branch.uid!r} at turn {branch.turn}, "
                    "which has not been played"
                )
            parent.forks += 1
            child = _fork_of(parent, branch.turn)
            # Registered before the first wait, so that the next call of the strategy counts it.
            self._register(child)
            # Forking costs less than a replay, but only `run` stands still while it waits here.
            if parent is run and parent.env is not None and 0 < branch.turn == len(parent.turns):
                child.info, child.history = parent.info, list(parent.history)
                try:
                    child.env = await self._call(parent.env, fork, parent.env)
                except Exception as problem:  # the fork's failure, not its parent's
                    message = f"fork at turn {branch.turn}: {_describe(problem)}"
                    child.ended = child.trajectory("error", message)
                    self._notify(child.ended)
                    continue
            self.waiting.append(child)
            self.progress.grow()
        self._start_workers()

    # Environments

    async def _call(self, env: Env, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the environment here, or in a thread where it may block."""
        if not getattr(env.unwrapped, "blocking", False):
            return method(*args, **kwargs)
        what = f"the environment's {method.__name__}"
        return await in_thread(lambda: method(*args, **kwargs), self.step_timeout, what)

    async def _close(self, env: Env) -> None:
        try:
            await self._call(env, env.close)
        except Exception as problem:
            warnings.warn(
                f"an environment could not be closed ({_describe(problem)}): "
                "it may still hold resources",
                stacklevel=2,
            )


def _fork_of(parent: _Run, turn: int) -> _Run:
    """Return a run that takes over the first `turn` turns of `parent`."""
    uid = f"{parent.episode.uid}.{parent.forks}"
    child = _Run(replace(parent.episode, uid=uid), tags=parent.tags)
    if turn:
        child.parent = (parent.episode.uid, turn)
        child.turns, child.history = parent.turns[:turn], parent.history[:turn]
    return child


def _describe(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
