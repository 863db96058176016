"""Repair a repository: read an issue, find the bug, mend it, submit. Graded by tests the agent has
never seen.

The agent works in a sandbox that holds the broken repository and a persistent shell, one command
(or tool call) a turn, and sees the exit code and the output. `submit`, or a command whose first
line of output is SUBMIT, ends the episode: the sandbox is killed, the source files it held go to a
fresh one, and the reference's tests decide there (`turnwise.envs.swe.grade`). An episode that ends
otherwise has handed in nothing.

A sandbox or a grader that fails raises. The rollout makes of it a trajectory with an error, never a
reward of zero.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, Self

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
from turnwise.envs.swe.grading import Rules, Verdict
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
"""Part of the data hash: raised when a transcript changes."""
SUBMIT = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
"""The first line of output that submits, as mini-swe-agent has it."""
ACTIONS = ("bash", "tools", "closed")
EXPERTS = ("gold", "search")
SHAPES = ("binary", "ratio")
LOCATION = "The repository {name} is in /work."
MAX_PREPARED_TASKS = 512
"""Tasks that are kept ready."""
NO_REWARDS = {"resolved": 0.0, "f2p_rate": 0.0, "p2p_rate": 0.0, "tampered": 0.0}
"""Components of the reward where nothing was handed in."""


class SweInfo(Info):
    """`Info`, and what came of the last command."""

    output: str
    """What it wrote, clipped, without the line about its end."""
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class PreparedTask:
    """A task, ready."""

    trees: Trees
    found: Mapping[str, bytes]
    """What the agent finds."""
    repo: StartingTree
    desk: EditMenu | None
    """Where actions are of a closed set."""


@dataclass(frozen=True, slots=True)
class EpisodeState:
    """An episode between two turns."""

    effects: Effects = ()
    made: frozenset[int] = frozenset()
    """Edits that are made, of a closed set."""
    tested: tuple[tuple[frozenset[int], str], ...] = ()
    """What the tests said of the edits made together."""
    spent: float = 0.0
    """Seconds its commands took."""
    done: bool = False
    verdict: Verdict | None = None


class SweEnv(TurnEnv[tuple[EpisodeState, ActionResult, Outcome]]):
    """Repositories to be repaired.

    `info["rewards"]` carries, at the end, `resolved`, `f2p_rate` and `p2p_rate` (shares of the
    failing and of the passing tests that pass), `tampered`. `info["tags"]` says how a command ended
    (`ended=timeout`), that output was `clipped`, and how the episode did: `submitted`, `tampered`,
    `wall_limit`, `sandbox_lost`.

    Args:
        tasks: a file of recipes, split by function; or a mapping from split to file. "" for the
        repository of our own.
        source: the directory or the archive the recipes were made from, or a directory of several;
            "" lets pip download what is on the index.
        actions: `bash` (a command a turn), `tools` (a call a turn), or `closed` (a few actions, the
        right edits among others).
        hidden: the agent does not find the tests that fail; False shows them.
        choices: edits offered by a closed set.
        expert: `gold` makes the inverse patch; of a closed set also `search`, which tries the edits
        and runs the tests.
        reward: `binary`, 1.0 for a resolved task; or `ratio`, the two rates multiplied.
        output_chars: characters shown of an output: half from its beginning, half from its end.
        seconds: wall clock of one command.
        episode_seconds: wall clock of all commands together; the episode ends when it is passed.
        memory_mb: memory of an episode's sandbox.
        rules: how strictly to grade (`turnwise.envs.swe.grade.Rules`), by name.
        sandbox: name of a backend (see `turnwise.sandbox`), or a function that opens a sandbox to a
        `Spec`.
        split: the split `reset` draws from.

    Raises:
        ConfigError: for settings that make no sense, or where pytest is not installed.
        DataError: for recipes or sources that cannot be read.
        TaskError: for a split that there is not.
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
                f"expert={expert!r} with actions={actions!r}: give gold, or search with closed "
                "actions"
            )
        if output_chars < 2 or seconds <= 0 or episode_seconds <= 0 or not 1 <= choices <= 99:
            raise ConfigError(
                f"output_chars={output_chars} must be at least 2, seconds={seconds} and "
                f"episode_seconds={episode_seconds} above 0, "
                f"choices={choices} 1 to 99"
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
        self.actions, self.hidden, self.choices, self.expert, self.reward = (
            actions,
            hidden,
            choices,
            expert,
            reward,
        )
        self.output_chars, self.seconds, self.episode_seconds = (
            output_chars,
            seconds,
            episode_seconds,
        )
        self.memory_mb, self.sandbox = memory_mb, sandbox
        self._open_pool()

    # The contract
    # -------------------------------------------------------------------------------------------------

    @property
    def splits(self) -> tuple[str, ...]:
        return self._tasks.splits

    def tasks(self, split: str) -> Sequence[TaskId]:
        return self._tasks.of(split)

    @property
    def data_hash(self) -> str:
        return hashlib.blake2b(
            repr((VERSION, self._tasks.data_hash, self._settings)).encode(), digest_size=16
        ).hexdigest()

    @property
    def _settings(self) -> tuple[object, ...]:
        """What a transcript depends on beside the task."""
        settings = self.actions, self.hidden, self.choices, self.reward
        return (
            *settings,
            self.output_chars,
            self.seconds,
            self.episode_seconds,
            self.memory_mb,
            self.rules,
        )

    @property
    def verdict(self) -> Verdict | None:
        """What the grader said, its reasons too: for people. None before a submission."""
        return self._place.verdict

    def _begin(self, task: TaskId) -> Outcome:
        self._workplace.close()
        self._take_up(task)
        self._place, self._seen = EpisodeState(), ActionResult("")
        edits = f"\n\n{self._given.desk.listing}" if self._given.desk is not None else ""
        first = edits or f"\n\n{LOCATION.format(name=self._recipe.name)}"
        return self._look(self._recipe.issue.strip() + first)

    def _act(self, action: str) -> Outcome:
        if self._place.done:
            self._seen = ActionResult("")
            return self._look("The episode is over.", valid=False)
        try:
            self._seen, place = self._done(action)
        except SandboxLost as ending:
            self._seen = ActionResult("")
            self._place = replace(self._place, done=True)
            return self._look(
                f"The sandbox is gone ({ending}), and nothing was handed in.", tags=["sandbox_lost"]
            )
        effects = (
            place.effects if self._seen.effect is None else (*place.effects, self._seen.effect)
        )
        self._place = replace(place, effects=effects, spent=place.spent + self._seen.seconds)
        if self._seen.submit:
            return self._submitted()
        if self._place.spent > self.episode_seconds:
            self._place = replace(self._place, done=True)
            text = (
                f"{self._seen.text}\nThe time for all commands is over, and nothing was handed in."
            )
            return self._look(text, tags=[*self._seen.tags, "wall_limit"])
        return self._look(self._seen.text, valid=self._seen.valid, tags=self._seen.tags)

    def expert_action(self) -> str | None:
        """The next piece of the inverse patch, then `submit`."""
        if self._task is None or self._place.done:
            return None
        desk, place = self._given.desk, self._place
        if desk is not None:
            return (
                desk.expert(place.made)
                if self.expert == "gold"
                else desk.search(place.made, dict(place.tested))
            )
        read = partial(self._workplace.read, place.effects)
        return (as_command if self.actions == "bash" else as_call)(self._given.trees.gold, read)

    # Turns
    # --------------------------------------------------------------------------------------------------------

    def _done(self, action: str) -> tuple[ActionResult, EpisodeState]:
        """Do an action; what is seen of it, and where the episode then is but for the effect."""
        place = self._place
        if self._given.desk is not None:
            seen, made = self._given.desk.act(
                action.strip(), place.made, self.output_chars, self._tested
            )
            tested = (*place.tested, (made, seen.text)) if "test" in seen.tags else place.tested
            return seen, replace(place, made=made, tested=tested)
        tools = Toolbox(self._workplace, self.output_chars, self.seconds)
        if self.actions == "tools":
            call = read_call(action)
            return (
                refused(call) if isinstance(call, str) else tools.use(call, place.effects)
            ), place
        if action.strip() == "submit":
            return ActionResult("", submit=True), place
        seen = tools.bash(place.effects, action)
        first = seen.output.lstrip().partition("\n")[0].strip()
        return (
            replace(seen, submit=True) if first == SUBMIT and seen.exit_code == 0 else seen
        ), place

    def _tested(self) -> str:
        """What the tests say of the edits that are made."""
        assert self._given.desk is not None
        files = self._given.desk.files(self._place.made)
        effects = tuple(FileWritten(path, data) for path, data in sorted(files.items()))
        key = digest(repr((self._given.repo.key, effects, self.seconds)).encode())
        return TEST_RESULTS.get(
            key, lambda: summarise_tests(self._workplace.program(effects, TEST_COMMAND))
        )

    def _submitted(self) -> Outcome:
        verdict = self._verdicts.of(
            self._recipe, self._given.trees.pristine, self._handed_in(), self.rules
        )
        self._place = replace(self._place, done=True, verdict=verdict)
        said = f"Submitted. The issue is {'resolved' if verdict.resolved else 'not resolved'}."
        tags = [*self._seen.tags, "submitted", *["tampered"] * verdict.tampered]
        return self._look(said, reward=verdict.reward(self.reward), tags=tags)  # type: ignore[arg-type]

    def _handed_in(self) -> Mapping[str, bytes]:
        place, found = self._place, self._given.found
        if self._given.desk is not None:
            return {**found, **self._given.desk.files(place.made)}
        if all(
            isinstance(effect, FileWritten) for effect in place.effects
        ):  # nothing ran that could have changed another file
            return {
                **found,
                **{
                    effect.path: effect.data
                    for effect in place.effects
                    if isinstance(effect, FileWritten)
                },
            }
        return self._workplace.submission(place.effects).files

    def _look(
        self, observation: str, *, reward: float = 0.0, valid: bool = True, tags: Sequence[str] = ()
    ) -> Outcome:
        place, verdict = self._place, self._place.verdict
        if place.done:
            self._workplace.close()
        score = verdict.reward(self.reward) if verdict is not None else 0.0  # type: ignore[arg-type]
        return Outcome(
            observation=observation,
            instruction=self._recipe.issue,
            admissible=self._admissible(),
            state=self._state_hash(),
            reward=reward,
            terminated=place.done,
            valid=valid,
            success=verdict is not None and verdict.resolved,
            score=score,
            rewards=(verdict.rewards if verdict is not None else dict(NO_REWARDS))
            if place.done
            else {},
            tags=[f"difficulty={self._recipe.difficulty}", *tags],
        )

    def _admissible(self) -> list[str]:
        if self._given.desk is not None:
            return self._given.desk.admissible(self._place.made)
        return templates() if self.actions == "tools" else ["<command>", "submit"]

    def _state_hash(self) -> str:
        """Of the task, the settings, how the episode ended, and the files where only files were
        written, else every effect.

        So the order of edits and what was looked at make no difference, as long as no command has
        run.
        """
        place, found = self._place, self._given.found
        effects: object = place.effects
        if all(isinstance(effect, FileWritten) for effect in place.effects):
            last = {
                effect.path: effect.data
                for effect in place.effects
                if isinstance(effect, FileWritten)
            }
            effects = sorted(
                (path, digest(data)) for path, data in last.items() if found.get(path) != data
            )
        rewards = place.verdict.rewards if place.verdict is not None else None
        parts = (
            self._recipe.id,
            self._given.repo.key,
            self._settings,
            effects,
            sorted(place.made),
            place.done,
            rewards,
        )
        return hashlib.blake2b(
            repr(parts).encode("utf8", "surrogatepass"), digest_size=8
        ).hexdigest()

    def _info(self, last: Outcome) -> SweInfo:
        return SweInfo(
            **super()._info(last), output=self._seen.output, exit_code=self._seen.exit_code
        )

    # Workplaces, snapshots, pickles
    # -------------------------------------------------------------------------------

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
        self._ready = lru_cache(maxsize=MAX_PREPARED_TASKS)(
            partial(_ready, self._tasks, self.actions, self.hidden, self.choices)
        )

    def _take_up(self, task: TaskId) -> None:
        self._split, self._recipe = self._tasks.task(task, self._split)
        self._given = self._ready(self._recipe)
        self._workplace.begin(self._given.repo)

    def close(self) -> None:
        """End the episode's sandbox. It ends also with the episode, and when the environment is
        forgotten.
        """
        self._workplace.close()

    def spawn(self) -> Self:
        other = super().spawn()
        other._workplace = Workplace(self._pool, self.seconds)
        return other

    def fork(self) -> Self:
        """A second environment that continues from here: with a copy of the files, and a shell that
        knows what this one knows.
        """
        other = super().fork()
        other._workplace = self._workplace.fork()
        return other

    def _save(self) -> tuple[EpisodeState, ActionResult, Outcome]:
        assert self._last is not None
        return self._place, self._seen, self._last

    def _load(self, state: tuple[EpisodeState, ActionResult, Outcome]) -> None:
        assert self._task is not None
        self._take_up(self._task)
        self._place, self._seen, self._last = state

    def __getstate__(self) -> dict[str, Any]:
        live = ("_workplace", "_pool", "_tasks", "_verdicts", "_ready", "_given")
        return {name: value for name, value in self.__dict__.items() if name not in live}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._tasks = splits.load_tasks(self._files, self._source)
        self._open_pool()
        if self._task is not None:
            self._take_up(self._task)


def _ready(
    tasks: splits.TaskSplits, actions: str, hidden: bool, choices: int, recipe: SweTask
) -> PreparedTask:
    trees = tasks.trees(recipe)
    found = trees.visible if hidden else trees.broken
    desk = (
        EditMenu(trees.broken, candidate_edits(recipe, trees, choices))
        if actions == "closed"
        else None
    )
    return PreparedTask(trees, found, StartingTree.of(found, recipe.roots, recipe.requires), desk)


def _rules(given: Mapping[str, Any]) -> Rules:
    for name in given:
        if name not in Rules.__slots__:
            raise unknown("rule", name, Rules.__slots__, "how to grade")
    return Rules(**given)
