"""Tool-integrated mathematics: solve a problem by running Python and answering in `\\boxed{}`.

A turn is the model's text up to its first complete Python block, or all of it
(`turnwise.envs.tool_math.turns`). The code runs in the episode's own interpreter, in a sandbox; its
output is the next observation. An answer, written or printed, ends the episode and is graded; a
void turn, which has neither, ends it too. That is the setting of SimpleTIR (arXiv 2509.02479), ToRL
(2503.23383) and ARPO (2507.19849), which run every block afresh: `stateful=False`.

A sandbox or a grader that fails raises. The rollout makes of it a trajectory with an error, never a
reward of zero.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, cast

from turnwise.envs.base import Info, Outcome, TaskId, TurnEnv
from turnwise.envs.tool_math import tasks as sources
from turnwise.envs.tool_math.fences import fenced
from turnwise.envs.tool_math.grading import graded
from turnwise.envs.tool_math.interpreter import FINAL_ANSWER, SEEDED, Interpreter, Pool, sandboxes
from turnwise.envs.tool_math.output import shown
from turnwise.envs.tool_math.problems import Problem
from turnwise.envs.tool_math.turns import BOX, Move, read_turn
from turnwise.errors import ConfigError, TaskError
from turnwise.sandbox.contract import Limits, Result, Sandbox, Spec

VERSION = 0
"""Part of the data hash: raised when a transcript changes."""
RESULT = "\nCode execution result: {}\n"
"""How a result is shown: SimpleTIR's words."""
ADMISSIBLE = (fenced("print(<expression>)"), fenced("<code>"), BOX + "<answer>}")
VOID = "Neither a complete block of Python nor an answer in \\boxed{}."


class ToolMathInfo(Info):
    """`Info`, and what is known about the calls."""

    output: str
    """What the last turn's code printed, as the model is shown it, without words around it; empty
    where no code ran.
    """
    tool_calls: int
    """Blocks run so far."""
    grader: str
    """What became of the answer: `graded`, or why it was not read (`Grade.status`); empty before
    one is given.
    """


@dataclass(frozen=True, slots=True)
class Place:
    """An episode between two turns."""

    log: tuple[tuple[str, str], ...] = ()
    """Every block that ran, and what was shown of it."""
    since: int = 0
    """The first of them that the present interpreter has run."""
    done: bool = False
    score: float = 0.0
    grader: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """What the present interpreter has run."""
        return tuple(code for code, _ in self.log[self.since :])


class ToolMathEnv(TurnEnv[tuple[Place, str, Outcome]]):
    """Problems to be solved with code.

    The reward is 1.0 for a right answer, and 0.0 otherwise. `info["tags"]` says of each turn what
    it was: `code`, `answer`, `code_error`, `void`, `truncated` (the output was clipped, or text
    after the block left out of account).

    Args:
        problems: the problems, as one split `all`; or a mapping from split to problems. None for
        those of `data`, or generated.
        data: a file of problems (JSON lines, parquet) or a dataset, or a mapping from split to
            such; see `turnwise.envs.tool_math.datasets`.
        fields: what its columns are called, such as `{"question": "problem"}`.
        families, levels: kinds and difficulties of generated problems; empty for all of them.
        train, dev, test: how many problems to generate for each split.
        problem_seed: seeds the generated problems.
        stateful: one interpreter for the episode; False runs every block in a new one, with an
        empty working directory.
        final_answer: define `final_answer(x)` in the interpreter, which prints `x` boxed.
        printed_answers: an answer that code prints counts as one that is written.
        stop_at_void: end the episode at a void turn; False says what was expected and goes on.
        output_chars: characters shown of what a block prints: half from its beginning, half from
        its end.
        seconds: wall clock of one block.
        memory_mb: memory of an episode's interpreter.
        sandbox: name of a backend (see `turnwise.sandbox`), or a function that opens a sandbox to a
        `Spec`.
        split: the split `reset` draws from.

    Raises:
        ConfigError: for both problems and data, or sizes that make no sense.
        DataError: for data that cannot be read.
        TaskError: for a split that there is not.
    """

    blocking = True
    stochastic = False

    def __init__(
        self, problems: Sequence[Problem] | Mapping[str, Sequence[Problem]] | None = None, *,
        data: str | Mapping[str, str] = "", fields: Mapping[str, str] | None = None, families: Sequence[str] = (),
        levels: Sequence[int] = (), train: int = 2000, dev: int = 200, test: int = 500, problem_seed: int = 0,
        stateful: bool = True, final_answer: bool = False, printed_answers: bool = True, stop_at_void: bool = True,
        output_chars: int = 512, seconds: float = 5.0, memory_mb: int = 512, sandbox: str | Callable[[Spec], Sandbox] = "auto",
        split: str = "train", render_mode: str | None = None,
    ) -> None:  # fmt: skip
        if output_chars < 2 or seconds <= 0:
            raise ConfigError(
                f"output_chars={output_chars} must be at least 2 and seconds={seconds} more than 0"
            )
        if problems is not None and data:
            raise ConfigError(
                "problems and data were both given, and each says which tasks there are: give one of them"
            )
        self._recipe: tuple[Any, ...] = (
            sources.generated,
            tuple(families),
            tuple(levels),
            (train, dev, test),
            problem_seed,
        )
        if problems is not None:
            self._recipe = sources.given, problems
        elif data:
            self._recipe = (
                sources.loaded,
                tuple(sources.by_split(data).items()),
                tuple((fields or {}).items()),
            )
        self._tasks = _made(self._recipe)
        if self._tasks.splits == ("all",) and split == "train":
            split = "all"
        if split not in self._tasks.splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self._tasks.splits)}"
            )
        super().__init__(split, render_mode)
        self.stateful, self.printed_answers, self.stop_at_void = (
            stateful,
            printed_answers or final_answer,
            stop_at_void,
        )
        self.output_chars, self.seconds, self.memory_mb, self.sandbox = (
            output_chars,
            seconds,
            memory_mb,
            sandbox,
        )
        self._prelude = SEEDED + FINAL_ANSWER * final_answer
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
        parts = (VERSION, self._tasks.data_hash, self._settings)
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    @property
    def _settings(self) -> tuple[object, ...]:
        """What a transcript depends on beside the problem."""
        flags = self.stateful, self.printed_answers, self.stop_at_void
        return (*flags, self.output_chars, self.seconds, self.memory_mb, self._prelude)

    def _begin(self, task: TaskId) -> Outcome:
        self._interpreter.close()
        self._split, self._problem = self._tasks.problem(task, self._split)
        self._place, self._output = Place(), ""
        return self._look(self._problem.question)

    def _act(self, action: str) -> Outcome:
        move = read_turn(action)
        if self._place.done:
            return self._look("", valid=False, terminated=True)
        if move.void:
            self._output = ""
            self._place = replace(self._place, done=self.stop_at_void)
            return self._look(VOID, valid=False, terminated=self.stop_at_void, tags=["void"])
        tags = ["code"] * (move.code is not None)
        printed, observation = "", ""
        self._output = ""
        if move.code is not None:
            printed = self._run(move.code, tags, move)
            observation = RESULT.format(self._output)
        answers = [text for text in (move.answer, printed) if text is not None and BOX in text]
        return (
            self._answered("\n".join(answers), observation, tags)
            if answers
            else self._look(observation, tags=tags)
        )

    def expert_action(self) -> str | None:
        """The problem's program, then an answer with what it printed; the answer alone where the
        problem brings no program.
        """
        if self._task is None or self._place.done:
            return None
        program, log = self._problem.code, self._place.log
        if not program:
            return f"{BOX}{self._problem.answer}}}"
        return f"{BOX}{log[-1][1]}}}" if log and log[-1][0] == program else fenced(program)

    # Turns
    # --------------------------------------------------------------------------------------------------------

    def _run(self, code: str, tags: list[str], move: Move) -> str:
        """Run a block, note it, and return all it printed where that may hold an answer."""
        place = self._place
        result = self._result(code)
        seen = shown(result, self.output_chars, self.seconds, self.stateful)
        tags += ["code_error"] * (result.error != "none") + ["truncated"] * (
            seen.clipped or move.cut
        )
        log = (*place.log, (code, seen.text))
        # A session that did not survive took its variables along: the cells before it belong to the
        # past.
        lost = self.stateful and not self._interpreter.live
        self._place, self._output = (
            replace(place, log=log, since=len(log) if lost else place.since),
            seen.text,
        )
        return result.stdout if self.printed_answers else ""

    def _result(self, code: str) -> Result:
        if self.stateful:
            return self._interpreter.run(self._place.cells, code)
        try:
            return self._interpreter.run((), code)
        finally:
            self._interpreter.close()

    def _answered(self, text: str, observation: str, tags: list[str]) -> Outcome:
        verdict = graded(self._problem.answer, text)
        score = 1.0 if verdict.correct else 0.0
        self._place = replace(self._place, done=True, score=score, grader=verdict.status)
        said = f"The answer is {'right' if verdict.correct else 'not right'}."
        return self._look(observation + said, reward=score, terminated=True, tags=[*tags, "answer"])

    def _look(
        self,
        observation: str,
        *,
        reward: float = 0.0,
        terminated: bool = False,
        valid: bool = True,
        tags: Sequence[str] = (),
    ) -> Outcome:
        if self._place.done:
            self._interpreter.close()
        return Outcome(
            observation=observation, instruction=self._problem.question, admissible=list(ADMISSIBLE), state=self._state_hash(),
            reward=reward, terminated=terminated, valid=valid, success=self._place.score == 1.0, score=self._place.score,
            tags=[*self._problem.tags, *tags],
        )  # fmt: skip

    def _state_hash(self) -> str:
        """Of the problem, the settings, every block that ran with what was shown of it, and how the
        episode ended.
        """
        parts = (self._problem.question, self._problem.answer, self._settings, self._place)
        return hashlib.blake2b(
            repr(parts).encode("utf8", "surrogatepass"), digest_size=8
        ).hexdigest()

    def _info(self, last: Outcome) -> ToolMathInfo:
        place = self._place
        known = super()._info(last)
        return ToolMathInfo(
            **known, output=self._output, tool_calls=len(place.log), grader=place.grader
        )

    # Interpreters, snapshots, pickles
    # -----------------------------------------------------------------------------

    def _open_pool(self) -> None:
        limits = Limits(seconds=self.seconds, memory_mb=self.memory_mb)
        self._pool = Pool(sandboxes(self.sandbox, limits), self._prelude)
        self._interpreter = Interpreter(self._pool, self.seconds)

    def close(self) -> None:
        """End the episode's interpreter. It ends also with the episode, and when the environment is
        forgotten.
        """
        self._interpreter.close()

    def spawn(self) -> Self:
        other = super().spawn()
        other._interpreter = Interpreter(self._pool, self.seconds)
        return other

    def fork(self) -> Self:
        """A second environment that continues from here, with a copy of the interpreter where the
        sandbox can be copied.
        """
        other = super().fork()
        other._interpreter = self._interpreter.fork()
        return other

    def _save(self) -> tuple[Place, str, Outcome]:
        assert self._last is not None
        return self._place, self._output, self._last

    def _load(self, state: tuple[Place, str, Outcome]) -> None:
        assert self._task is not None
        self._problem = self._tasks.problem(self._task, self._split)[1]
        self._place, self._output, self._last = state

    def __getstate__(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in ("_interpreter", "_pool", "_tasks")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._tasks = _made(self._recipe)
        self._open_pool()


def _made(recipe: tuple[Any, ...]) -> sources.Tasks:
    """The tasks of a recipe: a function that keeps what it makes, and what it is called with."""
    make, *arguments = recipe
    return cast(sources.Tasks, make(*arguments))
