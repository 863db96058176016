"""SWE environment: read an issue, fix the repository, submit.

The agent works in a sandbox that holds the broken repository. Each turn it runs one shell command
(or makes one tool call) and observes the exit code and the output. `submit`, or a command whose
first line of output is SUBMIT, ends the episode: the sandbox is closed, its source files are copied
into a fresh one, and the reference's tests are run there (`turnwise.envs.swe.grading`). An episode
that ends in any other way has submitted nothing and scores 0.

A failure of the sandbox or the grader raises; the rollout records it as an error, never as a reward
of zero.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Self, cast

from turnwise.envs.base import Info, Outcome, TaskId, TurnEnv
from turnwise.envs.swe.dependencies import python
from turnwise.envs.swe.edit_menu import (
    TEST_COMMAND,
    TEST_RESULTS,
    EditMenu,
    candidate_edits,
    summarise_tests,
)
from turnwise.envs.swe.expert import as_call, as_command
from turnwise.envs.swe.grading import Rules, Shape, Verdict
from turnwise.envs.swe.grading.cache import GradingCache, shared_cache
from turnwise.envs.swe.sandbox_pool import SandboxPool, StartingTree, opener
from turnwise.envs.swe.tasks import splits
from turnwise.envs.swe.tasks.task import SweTask, digest
from turnwise.envs.swe.tasks.trees import Trees
from turnwise.envs.swe.tools import ActionResult, Toolbox, read_call, refused, templates
from turnwise.envs.swe.workplace import Effects, FileWritten, SandboxLost, Workplace
from turnwise.errors import ConfigError, TaskError, unknown
from turnwise.sandbox.contract import Limits, Sandbox, Spec

VERSION = 0
"""Part of the data hash; raise it when a transcript changes."""
SUBMIT = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""First line of output that submits, as in mini-swe-agent."""
ACTIONS = ("bash", "tools", "closed")
EXPERTS = ("gold", "search")
SHAPES = ("binary", "ratio")
LOCATION = "The repository {name} is in /work."
MAX_PREPARED_TASKS = 512
"""Tasks whose trees are kept in memory."""
NO_REWARDS = {"resolved": 0.0, "f2p_rate": 0.0, "p2p_rate": 0.0, "tampered": 0.0}
"""Reward components of an episode without a submission."""


class SweInfo(Info):
    """`Info` plus the output and exit code of the last command."""

    output: str
    """Output of the command, clipped, without the exit code line."""
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class PreparedTask:
    """A task with its trees, ready to be played."""

    trees: Trees
    files: Mapping[str, bytes]
    """Files the agent starts with."""
    start: StartingTree
    menu: EditMenu | None
    """The edits on offer with `actions="closed"`, else None."""


@dataclass(frozen=True, slots=True)
class EpisodeState:
    """State of an episode between two turns."""

    effects: Effects = ()
    applied: frozenset[int] = frozenset()
    """Numbers of the applied edits (closed actions only)."""
    tested: tuple[tuple[frozenset[int], str], ...] = ()
    """Test summary for each set of applied edits that was tested."""
    spent: float = 0.0
    """Seconds used by commands so far."""
    done: bool = False
    verdict: Verdict | None = None


class SweEnv(TurnEnv[tuple[EpisodeState, ActionResult, Outcome]]):
    """Repair a broken repository in a sandbox.

    At the end, `info["rewards"]` holds `resolved`, `f2p_rate` and `p2p_rate` (shares of the
    fail-to-pass and pass-to-pass tests that pass) and `tampered`. `info["tags"]` reports how a
    command ended (`ended=timeout`), whether output was `clipped`, and how the episode went:
    `submitted`, `tampered`, `wall_limit`, `sandbox_lost`.

    Args:
        tasks: a task file, which is split by function, or a mapping from split to file; "" for the
            shipped tasks.
        source: the directory or archive the tasks were generated from, or a directory of several;
            "" lets pip download published packages.
        actions: `bash` (one command a turn), `tools` (one tool call a turn) or `closed` (a small
            set of actions that includes the right edits).
        hidden: whether the fail-to-pass tests are removed from the agent's repository.
        choices: number of edits offered with closed actions.
        expert: `gold` applies the inverse patch; `search` (closed actions only) tries edits and
            runs the tests.
        reward: `binary` (1.0 for a resolved task) or `ratio` (the product of the two rates).
        output_chars: characters of output shown: half from the start, half from the end.
        seconds: wall-clock limit of one command.
        episode_seconds: wall-clock limit of all commands together; exceeding it ends the episode.
        memory_mb: memory of the episode's sandbox.
        rules: grading rules by name (`turnwise.envs.swe.grading.Rules`).
        sandbox: name of a backend (see `turnwise.sandbox`), or a function that opens a sandbox from
            a `Spec`.
        split: the split that `reset` draws from.

    Raises:
        ConfigError: for inconsistent settings, or if pytest is not installed.
        DataError: for task files or sources that cannot be read.
        TaskError: for an unknown split.
    """

    blocking = True
    stochastic = False

    def __init__(
        self,
        tasks: str | Mapping[str, str] = "",
        source: str = "",
        *,
        actions: str = "bash",
        hidden: bool = True,
        choices: int = 4,
        expert: str = "gold",
        reward: str = "binary",
        output_chars: int = 10_000,
        seconds: float = 60.0,
        episode_seconds: float = 900.0,
        memory_mb: int = 1024,
        rules: Mapping[str, Any] | None = None,
        sandbox: str | Callable[[Spec], Sandbox] = "auto",
        split: str = "train",
        render_mode: str | None = None,
    ) -> None:
        if actions not in ACTIONS:
            raise unknown("kind of actions", actions, ACTIONS)
        if reward not in SHAPES:
            raise unknown("kind of reward", reward, SHAPES)
        if expert not in EXPERTS or (expert == "search" and actions != "closed"):
            raise ConfigError(
                f"expert={expert!r} with actions={actions!r}: choose gold, or search with "
                "actions='closed'"
            )
        if output_chars < 2 or seconds <= 0 or episode_seconds <= 0 or not 1 <= choices <= 99:
            raise ConfigError(
                f"output_chars={output_chars} must be at least 2, seconds={seconds} and "
                f"episode_seconds={episode_seconds} above 0, choices={choices} 1 to 99"
            )
        python.requirements()
        self.rules = _rules(rules or {})
        self._files = (
            tuple(tasks.items()) if isinstance(tasks, Mapping) else (("", tasks),) if tasks else ()
        )
        self._source = source
        self._tasks = splits.load_tasks(self._files, source)
        if split not in self._tasks.splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self._tasks.splits)}"
            )
        super().__init__(split, render_mode)
        self.actions, self.hidden, self.choices = actions, hidden, choices
        self.expert, self.reward = expert, reward
        self.output_chars, self.memory_mb, self.sandbox = output_chars, memory_mb, sandbox
        self.seconds, self.episode_seconds = seconds, episode_seconds
        self._open_pool()

    # Gymnasium interface

    @property
    def splits(self) -> tuple[str, ...]:
        return self._tasks.splits

    def tasks(self, split: str) -> Sequence[TaskId]:
        return self._tasks.task_ids(split)

    @property
    def data_hash(self) -> str:
        return hashlib.blake2b(
            repr((VERSION, self._tasks.data_hash, self._settings)).encode(), digest_size=16
        ).hexdigest()

    @property
    def _settings(self) -> tuple[object, ...]:
        """Settings that a transcript depends on, beside the task."""
        actions = self.actions, self.hidden, self.choices, self.reward
        limits = self.output_chars, self.seconds, self.episode_seconds, self.memory_mb
        return (*actions, *limits, self.rules)

    @property
    def verdict(self) -> Verdict | None:
        """The grader's verdict with its reasons (not shown to agents); None before a submission."""
        return self._state.verdict

    def _begin(self, task: TaskId) -> Outcome:
        self._workplace.close()
        self._prepare(task)
        self._state, self._result = EpisodeState(), ActionResult("")
        edits = f"\n\n{self._prepared.menu.listing}" if self._prepared.menu is not None else ""
        first = edits or f"\n\n{LOCATION.format(name=self._swe_task.name)}"
        return self._outcome(self._swe_task.issue.strip() + first)

    def _act(self, action: str) -> Outcome:
        if self._state.done:
            self._result = ActionResult("")
            return self._outcome("The episode is over.", valid=False)
        try:
            self._result, state = self._perform(action)
        except SandboxLost as ending:
            self._result = ActionResult("")
            self._state = replace(self._state, done=True)
            return self._outcome(
                f"The sandbox is gone ({ending}), and nothing was handed in.", tags=["sandbox_lost"]
            )
        effects = (
            state.effects if self._result.effect is None else (*state.effects, self._result.effect)
        )
        self._state = replace(state, effects=effects, spent=state.spent + self._result.seconds)
        if self._result.submit:
            return self._grade_submission()
        if self._state.spent > self.episode_seconds:
            self._state = replace(self._state, done=True)
            closing = "The time for all commands is over, and nothing was handed in."
            text = f"{self._result.text}\n{closing}"
            return self._outcome(text, tags=[*self._result.tags, "wall_limit"])
        return self._outcome(self._result.text, valid=self._result.valid, tags=self._result.tags)

    def expert_action(self) -> str | None:
        """Return the next step of the inverse patch, then `submit`; None after the end."""
        if self._task is None or self._state.done:
            return None
        menu, state = self._prepared.menu, self._state
        if menu is not None:
            if self.expert == "gold":
                return menu.expert(state.applied)
            return menu.search(state.applied, dict(state.tested))
        read = partial(self._workplace.read, state.effects)
        return (as_command if self.actions == "bash" else as_call)(self._prepared.trees.gold, read)

    # Turns

    def _perform(self, action: str) -> tuple[ActionResult, EpisodeState]:
        """Perform an action; return its result and the new state, without the result's effect."""
        state = self._state
        if self._prepared.menu is not None:
            seen, applied = self._prepared.menu.act(
                action.strip(), state.applied, self.output_chars, self._run_tests
            )
            tested = (*state.tested, (applied, seen.text)) if "test" in seen.tags else state.tested
            return seen, replace(state, applied=applied, tested=tested)
        tools = Toolbox(self._workplace, self.output_chars, self.seconds)
        if self.actions == "tools":
            call = read_call(action)
            if isinstance(call, str):
                return refused(call), state
            return tools.use(call, state.effects), state
        if action.strip() == "submit":
            return ActionResult("", submit=True), state
        seen = tools.bash(state.effects, action)
        first = seen.output.lstrip().partition("\n")[0].strip()
        submits = first == SUBMIT and seen.exit_code == 0
        return (replace(seen, submit=True) if submits else seen), state

    def _run_tests(self) -> str:
        """Run the repository's tests with the applied edits and summarise the outcome."""
        assert self._prepared.menu is not None
        files = self._prepared.menu.files(self._state.applied)
        effects = tuple(FileWritten(path, data) for path, data in sorted(files.items()))
        key = digest(repr((self._prepared.start.key, effects, self.seconds)).encode())
        return TEST_RESULTS.get(
            key, lambda: summarise_tests(self._workplace.program(effects, TEST_COMMAND))
        )

    def _grade_submission(self) -> Outcome:
        verdict = self._verdicts.verdict(
            self._swe_task, self._prepared.trees.pristine, self._submission(), self.rules
        )
        self._state = replace(self._state, done=True, verdict=verdict)
        text = f"Submitted. The issue is {'resolved' if verdict.resolved else 'not resolved'}."
        tags = [*self._result.tags, "submitted", *["tampered"] * verdict.tampered]
        reward = verdict.reward(cast(Shape, self.reward))
        return self._outcome(text, reward=reward, tags=tags)

    def _submission(self) -> Mapping[str, bytes]:
        """Return the files to grade."""
        state, found = self._state, self._prepared.files
        if self._prepared.menu is not None:
            return {**found, **self._prepared.menu.files(state.applied)}
        if all(isinstance(effect, FileWritten) for effect in state.effects):
            # No command ran, so no other file can have changed.
            return {**found, **_written(state.effects)}
        return self._workplace.submission(state.effects).files

    def _outcome(
        self, observation: str, *, reward: float = 0.0, valid: bool = True, tags: Sequence[str] = ()
    ) -> Outcome:
        state, verdict = self._state, self._state.verdict
        if state.done:
            self._workplace.close()
        score = verdict.reward(cast(Shape, self.reward)) if verdict is not None else 0.0
        return Outcome(
            observation=observation,
            instruction=self._swe_task.issue,
            admissible=self._admissible(),
            state=self._state_hash(),
            reward=reward,
            terminated=state.done,
            valid=valid,
            success=verdict is not None and verdict.resolved,
            score=score,
            rewards=(verdict.rewards if verdict is not None else dict(NO_REWARDS))
            if state.done
            else {},
            tags=[f"difficulty={self._swe_task.difficulty}", *tags],
        )

    def _admissible(self) -> list[str]:
        if self._prepared.menu is not None:
            return self._prepared.menu.admissible(self._state.applied)
        return templates() if self.actions == "tools" else ["<command>", "submit"]

    def _state_hash(self) -> str:
        """Hash the task, the settings, the files and how the episode ended.

        If only files were written, the hash covers their contents, so the order of edits does not
        matter. Once a shell command has run, it covers the sequence of effects.
        """
        state, found = self._state, self._prepared.files
        effects: object = state.effects
        if all(isinstance(effect, FileWritten) for effect in state.effects):
            last = _written(state.effects).items()
            effects = sorted((path, digest(data)) for path, data in last if found.get(path) != data)
        rewards = state.verdict.rewards if state.verdict is not None else None
        task = self._swe_task.id, self._prepared.start.key, self._settings
        parts = (*task, effects, sorted(state.applied), state.done, rewards)
        return hashlib.blake2b(
            repr(parts).encode("utf8", "surrogatepass"), digest_size=8
        ).hexdigest()

    def _info(self, last: Outcome) -> SweInfo:
        return SweInfo(
            **super()._info(last), output=self._result.output, exit_code=self._result.exit_code
        )

    # Workplaces, snapshots, pickles

    def _open_pool(self) -> None:
        limits = Limits(
            seconds=self.seconds, memory_mb=self.memory_mb, processes=64, disk_mb=256, files=50_000
        )
        self._pool = SandboxPool(opener(self.sandbox), limits)
        self._workplace = Workplace(self._pool, self.seconds)
        self._verdicts = (
            shared_cache(self.sandbox)
            if isinstance(self.sandbox, str)
            else GradingCache(self.sandbox)
        )
        self._prepare_cached = lru_cache(maxsize=MAX_PREPARED_TASKS)(
            partial(_prepare_task, self._tasks, self.actions, self.hidden, self.choices)
        )

    def _prepare(self, task: TaskId) -> None:
        self._split, self._swe_task = self._tasks.task(task, self._split)
        self._prepared = self._prepare_cached(self._swe_task)
        self._workplace.begin(self._prepared.start)

    def close(self) -> None:
        """Close the episode's sandbox.

        It is also closed when the episode ends or the environment is garbage-collected.
        """
        self._workplace.close()

    def spawn(self) -> Self:
        other = super().spawn()
        other._workplace = Workplace(self._pool, self.seconds)
        return other

    def fork(self) -> Self:
        """Return an environment that continues from here.

        It has a copy of the files and of the shell's state.
        """
        other = super().fork()
        other._workplace = self._workplace.fork()
        return other

    def _save(self) -> tuple[EpisodeState, ActionResult, Outcome]:
        assert self._last is not None
        return self._state, self._result, self._last

    def _load(self, state: tuple[EpisodeState, ActionResult, Outcome]) -> None:
        assert self._task is not None
        self._prepare(self._task)
        self._state, self._result, self._last = state

    def __getstate__(self) -> dict[str, Any]:
        live = ("_workplace", "_pool", "_tasks", "_verdicts", "_prepare_cached", "_prepared")
        return {name: value for name, value in self.__dict__.items() if name not in live}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._tasks = splits.load_tasks(self._files, self._source)
        self._open_pool()
        if self._task is not None:
            self._prepare(self._task)


def _prepare_task(
    tasks: splits.TaskSplits, actions: str, hidden: bool, choices: int, task: SweTask
) -> PreparedTask:
    """Build the trees of a task, and its edit menu for closed actions."""
    trees = tasks.trees(task)
    found = trees.visible if hidden else trees.broken
    menu = (
        EditMenu(trees.broken, candidate_edits(task, trees, choices))
        if actions == "closed"
        else None
    )
    return PreparedTask(trees, found, StartingTree.of(found, task.roots, task.requires), menu)


def _written(effects: Effects) -> dict[str, bytes]:
    """Return the files that effects wrote, without those of commands: path -> last content."""
    return {effect.path: effect.data for effect in effects if isinstance(effect, FileWritten)}


def _rules(given: Mapping[str, Any]) -> Rules:
    """Return `Rules` from settings by name. Raises `ConfigError` for an unknown name."""
    for name in given:
        if name not in Rules.__slots__:
            raise unknown("rule", name, Rules.__slots__, "how to grade")
    return Rules(**given)
