"""A team of a solver and a verifier: an answer counts once it is approved, or when it is the last.

The mathematics team of Dr. MAS (arXiv 2602.08847, section 5.1; in its code the loop is solver,
verifier, solver, and a missing verdict approves). The solver may run code before it answers: a
block of code goes to the environment at once, and only an answer goes to the verifier. The
environment receives the solver's last answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from turnwise.agents.teams.orchestration import TeamMessage, TeamState, Transition
from turnwise.agents.teams.role_prompt import PlainForm, RolePrompt, TaggedForm
from turnwise.agents.teams.team import Team
from turnwise.envs.prompt import Action, Step
from turnwise.envs.tool_math.prompts import ToolMathAct, ToolMathReact, output_of
from turnwise.envs.tool_math.turns import first_code, read_turn
from turnwise.errors import ConfigError

SOLVER, VERIFIER = "solver", "verifier"
APPROVE, REJECT = "approve", "reject"

SOLVE = """\
You are one of two who solve a problem together: the solver. You may run Python: write the code in \
a block that begins with ```python and ends with ```, print what you want to know, and stop; you \
are shown the output on your next turn. When you know the answer, give it in \\boxed{} with the \
reasoning behind it. The verifier reads it; if it is rejected, find out what is wrong and answer \
again."""
VERIFY = """\
You are one of two who solve a problem together: the verifier. The solver has given an answer. \
Check it against the task, step by step, and against what the code printed. End with \
<verify>approve</verify> if it is right, or say what is wrong and end with \
<verify>reject</verify>."""


@dataclass(frozen=True, slots=True)
class SolverVerifier:
    """The solver acts until it answers; then the verifier.

    Args:
        answers: answers that the solver may give; the last of them is not verified.
    """

    answers: int = 2
    name: ClassVar[str] = "solver_verifier"
    roles: ClassVar[tuple[str, ...]] = (SOLVER, VERIFIER)

    def __post_init__(self) -> None:
        if self.answers < 1:
            raise ConfigError(f"answers={self.answers}: a solver needs at least one")

    def agent(self, state: TeamState) -> str:
        return VERIFIER if state.board and state.board[-1].agent == SOLVER else SOLVER

    def admissible(self, state: TeamState, offered: Sequence[str]) -> list[str]:
        return list(offered) if self.agent(state) == SOLVER else [APPROVE, REJECT]

    def receive(self, state: TeamState, message: str) -> Transition:
        board = (*state.board, TeamMessage(self.agent(state), message))
        if self.agent(state) == VERIFIER:
            verdict = message.strip().lower()
            action = None if verdict == REJECT else state.last(SOLVER)
            return Transition(board, action, verdict in (APPROVE, REJECT))
        if read_turn(message).answer is None:
            return Transition(state.board, message)
        last = state.count(SOLVER) + 1 >= self.answers
        return Transition(board, message if last else None)

    def expert(self, state: TeamState, action: str, instruction: str) -> str:
        """Return the environment expert's action; the verifier approves that and nothing else."""
        if self.agent(state) == SOLVER:
            return action
        return APPROVE if state.last(SOLVER) == action else REJECT


@dataclass(frozen=True, slots=True)
class SolverPrompt(RolePrompt):
    """The solver's prompt: a reply ends with its first block of code."""

    endings: ClassVar[str] = ToolMathReact.endings

    def ended(self, text: str) -> bool:
        """Return whether the reply has a complete block of code."""
        return first_code(text) is not None


def show_code_run(before: Step, step: Step) -> str:
    """Return a block of code and its output, without fences."""
    block = first_code(before.action or "")
    output = output_of(Step(step.observation, step.info.get("env", {})))
    code = block.code if block is not None else before.action
    return f"{code}\n{output if output is not None else step.observation.strip()}"


@dataclass(frozen=True, slots=True)
class VerdictForm:
    """The verdict between tags, in any case."""

    tagged: ClassVar[TaggedForm] = TaggedForm("verify")

    def parse(self, text: str) -> Action:
        found = self.tagged.parse(text)
        verdict = found.text.lower()
        return Action(verdict, found.valid and verdict in (APPROVE, REJECT), found.reason)

    def reply(self, action: str, thought: str = "") -> str:
        return self.tagged.reply(action, thought)


def make(style: str = "full", answers: int = 2) -> Team:
    """Make the team.

    Args:
        style: of the prompts: `full`, or `act` for tiny models.
        answers: see `SolverVerifier`.
    """
    orchestration = SolverVerifier(answers)
    name = f"{orchestration.name}/{style}@1"
    verdict = PlainForm(f"{APPROVE}|{REJECT}")
    act = (
        RolePrompt(name, SOLVER, "", ToolMathAct(), terse=True, show=show_code_run),
        RolePrompt(name, VERIFIER, "", verdict, terse=True, show=show_code_run),
    )
    full = (
        SolverPrompt(name, SOLVER, SOLVE, ToolMathReact()),
        RolePrompt(name, VERIFIER, VERIFY, VerdictForm()),
    )
    return Team.with_style(orchestration, {"full": full, "act": act}, style)
