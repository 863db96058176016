"""Tool-integrated mathematics: solve a problem by running Python, and answer in `\\boxed{}`.

A turn is the model's text up to its first complete Python block, or all of it
(`turnwise.envs.tool_math.turns`). The code runs in the episode's own interpreter, in a sandbox; its
output is the next observation. An answer, written or printed, ends the episode and is graded. A
void turn, with neither code nor answer, ends it too. This is the setting of SimpleTIR (arXiv
2509.02479), ToRL (2503.23383) and ARPO (2507.19849), which run every block in a new interpreter:
`stateful=False`.

A sandbox or grader that fails raises an error. The rollout records it as an errored trajectory,
never as a reward of zero.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, cast

from turnwise.envs.base import Info, Outcome, TaskId, TurnEnv
from turnwise.envs.tool_math import tasks as sources
from turnwise.envs.tool_math.grading import graded
from turnwise.envs.tool_math.interpreter import (
    FINAL_ANSWER,
    SEEDED,
    PythonInterpreter,
    SandboxPool,
    sandboxes,
)
from turnwise.envs.tool_math.problems import Problem
from turnwise.envs.tool_math.turns import BOX, ParsedTurn, call_output, fenced, read_turn
from turnwise.errors import ConfigError, TaskError
from turnwise.sandbox.contract import Limits, Result, Sandbox, Spec

VERSION = 0
"""Part of the data hash: raised when a transcript changes."""
RESULT = "\nCode execution result: {}\n"
"""Observation of a result, in SimpleTIR's words."""
ADMISSIBLE = (fenced("print(<expression>)"), fenced("<code>"), BOX + "<answer>}")
VOID = "Neither a complete block of Python nor an answer in \\boxed{}."


class ToolMathInfo(Info):
    """`Info`, with facts about the calls."""

    output: str
    """The last turn's output as the model is shown it, without the words around it; empty if no
    code ran."""
    tool_calls: int
    """Blocks run so far."""
    grader: str
    """`Grade.status` of the answer; empty before there is one."""


@dataclass(frozen=True, slots=True)
class ToolMathState:
    """State of an episode between two turns."""

    log: tuple[tuple[str, str], ...] = ()
    """Every block that ran, and its output as shown."""
    since: int = 0
    """Index of the first block that the present interpreter has run."""
    done: bool = False
    score: float = 0.0
    grader: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """Blocks that the present interpreter has run."""
        return tuple(code for code, _ in self.log[self.since :])

    def __repr__(self) -> str:
        # State hashes in recorded transcripts depend on this text.
        return (
            f"Place(log={self.log!r}, since={self.since!r}, done={self.done!r}, "
            f"score={self.score!r}, grader={self.grader!r})"
        )


class ToolMathEnv(TurnEnv[tuple[ToolMathState, str, Outcome]]):
    """Problems to be solved with code.

    The reward is 1.0 for a right answer and 0.0 otherwise. `info["tags"]` describes each turn:
    `code`, `answer`, `code_error`, `void`, `truncated` (output was clipped, or text after the block
    was ignored).

    Args:
        problems: the problems, as one split `all`; or a mapping from split to problems. None for
            those of `data`, or generated ones.
        data: a file of problems (JSON lines, parquet) or a data set, or a mapping from split to
            these; see `turnwise.envs.tool_math.datasets`.
        fields: names of its columns, such as `{"question": "problem"}`.
        families, levels: families and levels of generated problems; empty for all.
        train, dev, test: number of generated problems of each split.
        problem_seed: seed of the generated problems.
        stateful: keep one interpreter for the episode; False runs every block in a new one, with an
            empty working directory.
        final_answer: define `final_answer(x)` in the interpreter, which prints `x` boxed.
        printed_answers: count an answer that code prints like one that is written.
        stop_at_void: end the episode at a void turn; False explains what was expected and goes on.
        output_chars: characters shown of a block's output, half from its beginning, half from its
            end.
        seconds: wall-clock limit of one block.
        memory_mb: memory limit of an episode's interpreter.
        sandbox: name of a backend (see `turnwise.sandbox`), or a function from `Spec` to sandbox.
        split: the split `reset` draws from.

    Raises:
        ConfigError: for both problems and data, or invalid sizes.
        DataError: for data that cannot be read.
        TaskError: for an unknown split.
    """

    blocking = True
    stochastic = False

    def __init__(
        self, problems: Sequence[Problem] | Mapping[str, Sequence[Problem]] | None = None, *,
        data: str | Mapping[str, str] = "", fields: Mapping[str, str] | None = None,
        families: Sequence[str] = (), levels: Sequence[int] = (),
        train: int = 2000, dev: int = 200, test: int = 500, problem_seed: int = 0,
        stateful: bool = True, final_answer: bool = False, printed_answers: bool = True,
        stop_at_void: bool = True, output_chars: int = 512, seconds: float = 5.0,
        memory_mb: int = 512, sandbox: str | Callable[[Spec], Sandbox] = "auto",
        split: str = "train", render_mode: str | None = None,
    ) -> None:  # fmt: skip
        if output_chars < 2 or seconds <= 0:
            raise ConfigError(
                f"output_chars={output_chars} must be at least 2 and seconds={seconds} more than 0"
            )
        if problems is not None and data:
            raise ConfigError(
                "problems and data were both given to ToolMath: give only one of them"
            )
        self._source: tuple[Any, ...]
        """A function of `tasks` and its arguments, which a pickle carries instead of problems."""
        if problems is not None:
            self._source = sources.passed_in, problems
        elif data:
            files, columns = sources.by_split(data).items(), (fields or {}).items()
            self._source = sources.loaded, tuple(files), tuple(columns)
        else:
            counts = train, dev, test
            self._source = (
                sources.generated, tuple(families), tuple(levels), counts, problem_seed
            )  # fmt: skip
        self._tasks = _problems_of(self._source)
        if self._tasks.splits == ("all",) and split == "train":
            split = "all"
        if split not in self._tasks.splits:
            raise TaskError(
                f"there is no split {split!r} here: choose one of {', '.join(self._tasks.splits)}"
            )
        super().__init__(split, render_mode)
        self.stateful, self.stop_at_void = stateful, stop_at_void
        self.printed_answers = printed_answers or final_answer
        self.output_chars, self.sandbox = output_chars, sandbox
        self.seconds, self.memory_mb = seconds, memory_mb
        self._prelude = SEEDED + FINAL_ANSWER * final_answer
        self._open_pool()

    # The contract
    # ------------

    @property
    def splits(self) -> tuple[str, ...]:
        return self._tasks.splits

    def tasks(self, split: str) -> Sequence[TaskId]:
        return self._tasks.task_ids(split)

    @property
    def data_hash(self) -> str:
        parts = (VERSION, self._tasks.data_hash, self._settings)
        return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()

    @property
    def _settings(self) -> tuple[object, ...]:
        """Everything that a transcript depends on, apart from the problem."""
        flags = self.stateful, self.printed_answers, self.stop_at_void
        return (*flags, self.output_chars, self.seconds, self.memory_mb, self._prelude)

    def _begin(self, task: TaskId) -> Outcome:
        self._interpreter.close()
        self._split, self._problem = self._tasks.problem(task, self._split)
        self._state, self._output = ToolMathState(), ""
        return self._outcome(self._problem.question)

    def _act(self, action: str) -> Outcome:
        turn = read_turn(action)
        if self._state.done:
            return self._outcome("", valid=False, terminated=True)
        if turn.void:
            self._output = ""
            self._state = replace(self._state, done=self.stop_at_void)
            return self._outcome(VOID, valid=False, terminated=self.stop_at_void, tags=["void"])
        tags = ["code"] * (turn.code is not None)
        printed, observation = "", ""
        self._output = ""
        if turn.code is not None:
            printed = self._run(turn.code, tags, turn)
            observation = RESULT.format(self._output)
        answers = [text for text in (turn.answer, printed) if text is not None and BOX in text]
        if answers:
            return self._answered("\n".join(answers), observation, tags)
        return self._outcome(observation, tags=tags)

    def expert_action(self) -> str | None:
        """Return the problem's program, then its output as the answer; None outside an episode.

        For a problem without a program, return the reference answer.
        """
        if self._task is None or self._state.done:
            return None
        program, log = self._problem.code, self._state.log
        if not program:
            return f"{BOX}{self._problem.answer}}}"
        return f"{BOX}{log[-1][1]}}}" if log and log[-1][0] == program else fenced(program)

    # Turns
    # -----

    def _run(self, code: str, tags: list[str], turn: ParsedTurn) -> str:
        """Run a block and log it; return its stdout, or "" if printed answers do not count."""
        state = self._state
        result = self._result(code)
        output = call_output(result, self.output_chars, self.seconds, self.stateful)
        tags += ["code_error"] * (result.error != "none")
        tags += ["truncated"] * (output.clipped or turn.cut)
        log = (*state.log, (code, output.text))
        # A session that ended lost its variables, so its cells are not to be run again.
        lost = self.stateful and not self._interpreter.live
        self._state = replace(state, log=log, since=len(log) if lost else state.since)
        self._output = output.text
        return result.stdout if self.printed_answers else ""

    def _result(self, code: str) -> Result:
        if self.stateful:
            return self._interpreter.run(self._state.cells, code)
        try:
            return self._interpreter.run((), code)
        finally:
            self._interpreter.close()

    def _answered(self, text: str, observation: str, tags: list[str]) -> Outcome:
        verdict = graded(self._problem.answer, text)
        score = 1.0 if verdict.correct else 0.0
        self._state = replace(self._state, done=True, score=score, grader=verdict.status)
        observation += f"The answer is {'right' if verdict.correct else 'not right'}."
        return self._outcome(observation, reward=score, terminated=True, tags=[*tags, "answer"])

    def _outcome(
        self, observation: str, *, reward: float = 0.0, terminated: bool = False,
        valid: bool = True, tags: Sequence[str] = (),
    ) -> Outcome:  # fmt: skip
        state = self._state
        if state.done:
            self._interpreter.close()
        return Outcome(
            observation=observation, instruction=self._problem.question,
            admissible=list(ADMISSIBLE), state=self._state_hash(), reward=reward,
            terminated=terminated, valid=valid, success=state.score == 1.0, score=state.score,
            tags=[*self._problem.tags, *tags],
        )  # fmt: skip

    def _state_hash(self) -> str:
        """Return a hash of problem, settings, every block with its output, and the ending."""
        parts = (self._problem.question, self._problem.answer, self._settings, self._state)
        return hashlib.blake2b(
            repr(parts).encode("utf8", "surrogatepass"), digest_size=8
        ).hexdigest()

    def _info(self, last: Outcome) -> ToolMathInfo:
        known, state = super()._info(last), self._state
        calls = len(state.log)
        return ToolMathInfo(**known, output=self._output, tool_calls=calls, grader=state.grader)

    # Interpreters, snapshots, pickles
    # --------------------------------

    def _open_pool(self) -> None:
        limits = Limits(seconds=self.seconds, memory_mb=self.memory_mb)
        self._pool = SandboxPool(sandboxes(self.sandbox, limits), self._prelude)
        self._interpreter = PythonInterpreter(self._pool, self.seconds)

    def close(self) -> None:
        """End the interpreter, which also ends with the episode or the environment object."""
        self._interpreter.close()

    def spawn(self) -> Self:
        other = super().spawn()
        other._interpreter = PythonInterpreter(self._pool, self.seconds)
        return other

    def fork(self) -> Self:
        """Return an environment that continues from here.

        It has a copy of the interpreter if the sandbox can be copied; if not, it runs the cells
        again.
        """
        other = super().fork()
        other._interpreter = self._interpreter.fork()
        return other

    def _save(self) -> tuple[ToolMathState, str, Outcome]:
        assert self._last is not None
        return self._state, self._output, self._last

    def _load(self, state: tuple[ToolMathState, str, Outcome]) -> None:
        assert self._task is not None
        self._problem = self._tasks.problem(self._task, self._split)[1]
        self._state, self._output, self._last = state

    def __getstate__(self) -> dict[str, Any]:
        left_out = "_interpreter", "_pool", "_tasks"
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._tasks = _problems_of(self._source)
        self._open_pool()


def _problems_of(source: tuple[Any, ...]) -> sources.ProblemSplits:
    make, *arguments = source
    return cast(sources.ProblemSplits, make(*arguments))
