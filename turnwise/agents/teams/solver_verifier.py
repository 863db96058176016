"""A solver and a verifier: an answer counts when it is approved, or when there is no round left.

The mathematics team of Dr. MAS (arXiv 2602.08847, section 5.1; in its code the loop is solver,
verifier, solver, and a missing verdict approves). The solver may run code before it answers: a
block goes to the environment at once, only an answer goes to the verifier. The environment gets the
solver's last answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from turnwise.agents.teams.orchestration import Move, Said, Table
from turnwise.agents.teams.role_prompt import Plain, RolePrompt, Tagged
from turnwise.agents.teams.team import Team
from turnwise.envs.prompt import Action, Prompt, Step
from turnwise.envs.tool_math.prompts import ToolMathAct, ToolMathReact, output_of
from turnwise.envs.tool_math.turns import first_code, read_turn
from turnwise.errors import ConfigError

SOLVER, VERIFIER = "solver", "verifier"
APPROVE, REJECT = "approve", "reject"

SOLVE = """\
You are one of two who solve a problem together: the solver. You may run Python: write the code in a block that begins with \
```python and ends with ```, print what you want to know, and stop; you are shown the output on your next turn. When you know the \
answer, give it in \\boxed{} with the reasoning behind it. The verifier reads it; if it is rejected, find out what is wrong and \
answer again."""
VERIFY = """\
You are one of two who solve a problem together: the verifier. The solver has given an answer. Check it against the task, step by \
step, and against what the code printed. End with <verify>approve</verify> if it is right, or say what is wrong and end with \
<verify>reject</verify>."""


@dataclass(frozen=True, slots=True)
class SolverVerifier:
    """Who acts: the solver, until it answers; then the verifier.

    Args:
        answers: answers the solver may give; the last of them is not verified.
    """

    answers: int = 2
    name: ClassVar[str] = "solver_verifier"
    roles: ClassVar[tuple[str, ...]] = (SOLVER, VERIFIER)

    def __post_init__(self) -> None:
        if self.answers < 1:
            raise ConfigError(f"answers={self.answers}: a solver needs at least one")

    def agent(self, table: Table) -> str:
        return VERIFIER if table.board and table.board[-1].agent == SOLVER else SOLVER

    def admissible(self, table: Table, offered: Sequence[str]) -> list[str]:
        return list(offered) if self.agent(table) == SOLVER else [APPROVE, REJECT]

    def hear(self, table: Table, said: str) -> Move:
        board = (*table.board, Said(self.agent(table), said))
        if self.agent(table) == VERIFIER:
            verdict = said.strip().lower()
            rejected = verdict == REJECT
            return Move(
                board, None if rejected else table.last(SOLVER), verdict in (APPROVE, REJECT)
            )
        if read_turn(said).answer is None:
            return Move(table.board, said)
        last = table.count(SOLVER) + 1 >= self.answers
        return Move(board, said if last else None)

    def expert(self, table: Table, action: str, instruction: str) -> str:
        """The solver does what the environment's expert does; the verifier approves of that and
        nothing else.
        """
        if self.agent(table) == SOLVER:
            return action
        return APPROVE if table.last(SOLVER) == action else REJECT


@dataclass(frozen=True, slots=True)
class SolverPrompt(RolePrompt):
    """The solver's: a reply ends with its first block of code."""

    endings: ClassVar[str] = ToolMathReact.endings

    def ended(self, text: str) -> bool:
        return first_code(text) is not None


def run(before: Step, step: Step) -> str:
    """A block of code and its output, without fences."""
    block = first_code(before.action or "")
    output = output_of(Step(step.observation, step.info.get("env", {})))
    return f"{block.code if block is not None else before.action}\n{output if output is not None else step.observation.strip()}"


@dataclass(frozen=True, slots=True)
class Cleared:
    """The verdict between tags."""

    tagged: ClassVar[Tagged] = Tagged("verify")

    def parse(self, text: str) -> Action:
        found = self.tagged.parse(text)
        verdict = found.text.lower()
        return Action(verdict, found.valid and verdict in (APPROVE, REJECT), found.reason)

    def reply(self, action: str, thought: str = "") -> str:
        return self.tagged.reply(action, thought)


def solver_verifier(style: str = "full", **options: Any) -> Team:
    """The team; `style` is `full` or, for tiny models, `act`. Options: `answers`."""
    play = SolverVerifier(**options)
    name = f"{play.name}/{style}@1"
    prompts: dict[str, Prompt]
    if style == "act":
        prompts = {
            SOLVER: RolePrompt(name, SOLVER, "", ToolMathAct(), terse=True, shown=run),
            VERIFIER: RolePrompt(
                name, VERIFIER, "", Plain(f"{APPROVE}|{REJECT}"), terse=True, shown=run
            ),
        }
    else:
        prompts = {
            SOLVER: SolverPrompt(name, SOLVER, SOLVE, ToolMathReact()),
            VERIFIER: RolePrompt(name, VERIFIER, VERIFY, Cleared()),
        }
    return Team(play, prompts, name)
