"""The rollout driver: many episodes at once, and no barrier between them.

Each episode is a coroutine that advances on its own; whatever waits for the engine is batched
there; a finished episode costs nothing. Every wait is bounded. Whatever fails in an episode (its
environment, the engine, a timeout) becomes a trajectory with an error, kept apart from the data:
never a reward of zero, never the end of the other episodes. A mistake in what was asked
(`ConfigError`, `TaskError`) is not a failure of an episode and is raised.

What an episode contains depends on its `Episode` alone, not on the order in which episodes were
played, as long as the agent keeps to that too; the list that comes back is in the order of the
episodes, forks after them.
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

from turnwise.agents.agent import Act, Actor, Agent, Episode, Finished, seed_of
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


def episodes_for(
    tasks: Iterable[TaskId], n: int | RolloutStrategy, split: str, seed: int = 0
) -> list[Episode]:
    """`n` episodes of each task, or as many as a strategy starts with; those of one task share a
    group and its seed.
    """
    episodes: list[Episode] = []
    for place, task in enumerate(tasks):
        group = f"{split}-{seed}-{place}-{task}"
        count = n if isinstance(n, int) else n.start(task)
        env_seed = seed_of("env", split, seed, place, task) >> 32
        episodes += [Episode(task, split, env_seed, group, f"{group}-{k}") for k in range(count)]
    return episodes


@dataclass(slots=True)
class _Run:
    """An episode as it is being played."""

    episode: Episode
    parent: tuple[str, int] | None = None
    history: list[Step] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    env: Env | None = None
    forks: int = 0
    ended: Trajectory | None = None

    def record(self, stop_reason: str, error: str | None = None) -> Trajectory:
        e, ok = self.episode, error is None
        return Trajectory(
            task=e.task, group=e.group, uid=e.uid, turns=tuple(self.turns), success=ok and bool(self.info.get("success", False)),
            score=float(self.info.get("score", 0.0)) if ok else 0.0, stop_reason=stop_reason, parent=self.parent, error=error,
            split=e.split, seed=e.seed, tags=self.tags,
        )  # fmt: skip


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
        make_env: makes an environment; one that finished an episode cleanly is used for the next.
        max_turns: turn limit; such an episode ends `truncated`, as it does when the environment
        says so.
        concurrency: how many episodes run at once.
        turn_timeout: seconds an agent may take over one reply.
        step_timeout: seconds a `blocking` environment may take over a reset or a step; those run in
        threads.
        strategy: asked after each turn and each trajectory where to branch.
        progress: show a bar on the terminal, when there is one.
        on_trajectory: called with each trajectory as it ends, in that order. After Ctrl-C it has
            seen every finished one.

    Returns:
        A trajectory for each episode, in their order, then those that were forked.

    Raises:
        ConfigError, TaskError: for a mistake in what was asked; the other episodes are abandoned.
    """
    _check(episodes, max_turns, concurrency)
    driver = _Driver(
        make_env, agent, max_turns, concurrency, turn_timeout, step_timeout, strategy, on_trajectory
    )
    with EpisodeProgress(len(episodes), show=progress) as driver.progress:
        return await driver.play([_Run(episode) for episode in episodes])


def play(
    episodes: Sequence[Episode], make_env: MakeEnv, agent: Agent, **settings: Any
) -> list[Trajectory]:
    """`rollout` for programs without an event loop. Takes the same arguments."""
    return asyncio.run(rollout(episodes, make_env, agent, **settings))


def _check(episodes: Sequence[Episode], max_turns: int | None, concurrency: int) -> None:
    if concurrency < 1 or (max_turns is not None and max_turns < 1):
        raise ConfigError(f"concurrency={concurrency} and max_turns={max_turns} must be at least 1")
    if len({episode.uid for episode in episodes}) != len(episodes):
        raise ConfigError(
            "two episodes have the same uid: each needs one of its own (see episodes_for)"
        )


class _Driver:
    def __init__(
        self, make_env: MakeEnv, agent: Agent, max_turns: int | None, concurrency: int, turn_timeout: float,
        step_timeout: float, strategy: RolloutStrategy | None, on_trajectory: Callable[[Trajectory], None] | None,
    ) -> None:  # fmt: skip
        self.make_env, self.agent = make_env, agent
        self.max_turns, self.concurrency = max_turns, concurrency
        self.turn_timeout, self.step_timeout = turn_timeout, step_timeout
        self.strategy = strategy if strategy is not None and strategy.branches else None
        self.on_trajectory = on_trajectory
        self.progress: EpisodeProgress | None = None
        self.runs: dict[str, _Run] = {}
        self.groups: dict[str, list[_Run]] = {}
        self.waiting: deque[_Run] = deque()
        self.idle: list[Env] = []
        self.tasks: asyncio.TaskGroup | None = None
        self.busy = 0

    # Episodes and workers
    # -----------------------------------------------------------------------------------------

    async def play(self, runs: Sequence[_Run]) -> list[Trajectory]:
        for run in runs:
            self._register(run)
            self.waiting.append(run)
        try:
            async with asyncio.TaskGroup() as self.tasks:
                self._hire()
        except BaseExceptionGroup as problems:
            raise problems.exceptions[0] from None
        finally:
            # Forks that never had their turn, because everything was abandoned, hold environments
            # of their own.
            for env in [*self.idle, *(run.env for run in self.waiting if run.env is not None)]:
                await self._close(env)
        return [run.ended for run in self.runs.values() if run.ended is not None]

    def _register(self, run: _Run) -> None:
        self.runs[run.episode.uid] = run
        self.groups.setdefault(run.episode.group, []).append(run)

    def _hire(self) -> None:
        """Start workers, up to `concurrency`, each with an episode that waits."""
        assert self.tasks is not None
        while self.waiting and self.busy < self.concurrency:
            self.busy += 1
            self.tasks.create_task(self._work(self.waiting.popleft()))

    async def _work(self, run: _Run) -> None:
        while True:
            run.ended = await self._episode(run)
            if self.progress is not None:
                self.progress.add(run.ended)
            self._tell(run.ended)
            if self.strategy is not None:
                await self._branch(
                    run, self.strategy.after_trajectory(self._group(run), run.episode.uid)
                )
            else:
                run.history, run.turns = [], []
            if not self.waiting:
                self.busy -= 1
                return
            run = self.waiting.popleft()

    def _tell(self, trajectory: Trajectory) -> None:
        if self.on_trajectory is not None:
            self.on_trajectory(trajectory)

    # One episode
    # --------------------------------------------------------------------------------------------------

    async def _episode(self, run: _Run) -> Trajectory:
        try:
            trajectory = run.record(await self._played(run))
            if run.env is not None:
                self.idle.append(run.env)
                run.env = None
            return trajectory
        except (ConfigError, TaskError):
            raise
        except Exception as problem:
            return run.record("error", f"turn {len(run.turns)}: {_say(problem)}")
        finally:
            if run.env is not None:
                await self._close(run.env)
                run.env = None

    async def _played(self, run: _Run) -> str:
        """Play from wherever the run stands to its end; returns the stop reason."""
        if run.env is None:
            await self._begin(run)
        actor = self.agent.begin(run.episode, run.history[:-1], run.turns)
        try:
            return await self._turns(run, actor)
        finally:
            async with asyncio.timeout(self.turn_timeout):
                await actor.end()

    async def _begin(self, run: _Run) -> None:
        """Reset an environment, and replay what the parent did when the episode branches off its
        past.
        """
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
                    "replaying the parent's actions led to another state: the environment is not deterministic"
                )
        run.history.append(Step(observation, run.info))

    async def _turns(self, run: _Run, actor: Actor) -> str:
        env, limit = run.env, self.max_turns
        assert env is not None
        while limit is None or len(run.turns) < limit:
            began = time.perf_counter()
            try:
                act = await self._answer(run, actor, env)
            except Finished as finished:
                return finished.stop_reason
            if self.strategy is not None:
                copies = self.strategy.before_step(
                    self._group(run), run.episode.uid, act.entropies or ()
                )
                await self._branch(run, [Branch(run.episode.uid, len(run.turns))] * copies)
            observation, reward, terminated, truncated, info = await self._call(
                env, env.step, act.action
            )
            self._record(run, act, float(reward), info, time.perf_counter() - began)
            run.history.append(Step(observation, info))
            if terminated or truncated:
                return "terminated" if terminated else "truncated"
            if self.strategy is not None:
                await self._branch(run, self.strategy.after_turn(self._group(run), run.episode.uid))
            await asyncio.sleep(
                0
            )  # scripted agents never wait: let the others, and Ctrl-C, have their turn
        return "truncated"

    async def _answer(self, run: _Run, actor: Actor, env: Env) -> Act:
        try:
            async with asyncio.timeout(self.turn_timeout) as bound:
                return await actor.act(run.history, env)
        except TimeoutError as problem:
            if bound.expired():
                raise TimeoutError(
                    f"the agent did not answer within {self.turn_timeout:g} s"
                ) from problem
            raise

    def _record(
        self, run: _Run, act: Act, reward: float, info: dict[str, Any], seconds: float
    ) -> None:
        step = run.history[-1]
        run.turns.append(
            Turn(
                agent=act.agent or self.agent.name, prompt_ids=act.prompt_ids, completion_ids=act.completion_ids,
                logprobs=act.logprobs, entropies=act.entropies, observation=step.observation, completion=act.completion,
                action=act.action, valid=act.valid and bool(info.get("valid", True)),
                rewards={"env": reward, **info.get("rewards", {})},
                state=run.info.get("state", ""), next_state=info.get("state", ""),
                tags=(*act.tags, *(tag for tag in info.get("tags", ()) if tag not in run.tags)), stop_reason=act.stop_reason,
                wall_seconds=seconds, weights_version=act.weights_version,
            )
        )  # fmt: skip
        run.history[-1] = Step(step.observation, step.info, act.completion, act.action)
        run.info = info

    # Branches
    # -----------------------------------------------------------------------------------------------------

    def _group(self, run: _Run) -> Group:
        e = run.episode
        return Group(
            e.task,
            e.group,
            tuple(other.ended or other.record(RUNNING) for other in self.groups[e.group]),
        )

    async def _branch(self, asker: _Run, branches: Iterable[Branch]) -> None:
        """Enlist forks. Where the asker stands now its environment is forked; everywhere else the
        actions are replayed.
        """
        for branch in branches:
            parent = self.runs.get(branch.uid)
            if parent is None or not 0 <= branch.turn <= len(parent.turns):
                raise ConfigError(
                    f"the strategy branches {branch.uid!r} at turn {branch.turn}, which has not been played"
                )
            parent.forks += 1
            child = _Run(
                replace(parent.episode, uid=f"{branch.uid}.{parent.forks}"), tags=parent.tags
            )
            if branch.turn:
                child.parent = (branch.uid, branch.turn)
                child.turns, child.history = (
                    parent.turns[: branch.turn],
                    parent.history[: branch.turn],
                )
            self._register(
                child
            )  # before anything is waited for, so that the next to ask sees it in its group
            if parent is asker and parent.env is not None and 0 < branch.turn == len(parent.turns):
                child.info, child.history = parent.info, list(parent.history)
                try:
                    child.env = await self._call(parent.env, fork, parent.env)
                except Exception as problem:  # the fork's failure, not its parent's
                    child.ended = child.record(
                        "error", f"fork at turn {branch.turn}: {_say(problem)}"
                    )
                    self._tell(child.ended)
                    continue
            self.waiting.append(child)
            if self.progress is not None:
                self.progress.grow()
        self._hire()

    # Environments
    # -------------------------------------------------------------------------------------------------

    async def _call(self, env: Env, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the environment here, or in a thread when it may wait on something."""
        if not getattr(env.unwrapped, "blocking", False):
            return method(*args, **kwargs)
        return await in_thread(
            lambda: method(*args, **kwargs),
            self.step_timeout,
            f"the environment's {method.__name__}",
        )

    async def _close(self, env: Env) -> None:
        try:
            await self._call(env, env.close)
        except Exception as problem:
            warnings.warn(
                f"an environment could not be closed ({_say(problem)}): it may still hold resources",
                stacklevel=2,
            )


def _say(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
