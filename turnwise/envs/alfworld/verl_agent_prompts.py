"""`alfworld/verl-agent@1`: the windowed prompt of the verl-agent codebase, in our own words.

One user message, rebuilt each turn: who the agent is, the task, how many steps were taken, the last
two observations and actions, the present observation, the admissible commands in quotes and without
`help`. The first turn shows the opening, which says the task. Structure, fields and parsing follow
the ALFWorld specification, section 6: a reply without tags or with Chinese characters is invalid,
its last 30 characters are given to the game. A well-formed command that is not admissible is the
game's to refuse. `alfworld/verl-agent-open@1` is the same without the
admissible commands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from turnwise.envs.prompt import Prompt
from turnwise.envs.webshop.verl_agent_prompts import VerlAgent

ROLE = (
    "You are an agent that does household tasks in the ALFRED Embodied Environment, and does them "
    "expertly.\n"
)
PAST = """You have to: {task_description}
You have taken {step_count} step(s) so far. The last {history_length} observations, each with the \
action you took:
{action_history}
This is step {current_step}.
"""
PRESENT = "You observe now: {current_observation}\n"
ADMISSIBLE = """The actions admissible here are:
[{admissible_actions}].
"""
CHOOSE = """
Take one action now.
Reason first, step by step, about where you are and what brings the task forward; put the \
reasoning inside <think> </think>.
Then give the {} inside <action> </action>.
"""
LISTED = PRESENT + ADMISSIBLE + CHOOSE.format("admissible action you choose")
OPEN = PRESENT + CHOOSE.format("command you choose, such as go to shelf 1,")


@dataclass(frozen=True, slots=True)
class ALFWorldVerlAgent(VerlAgent):
    """`alfworld/verl-agent@1`: with the admissible commands."""

    name: str = "alfworld/verl-agent@1"
    first: str = ROLE + LISTED
    later: str = ROLE + PAST + LISTED
    fallback: int = 30


@dataclass(frozen=True, slots=True)
class ALFWorldVerlAgentOpen(VerlAgent):
    """`alfworld/verl-agent-open@1`: without them."""

    name: str = "alfworld/verl-agent-open@1"
    first: str = ROLE + OPEN
    later: str = ROLE + PAST + OPEN
    fallback: int = 30


PROMPTS: dict[str, Callable[[], Prompt]] = {
    "alfworld/verl-agent@1": ALFWorldVerlAgent,
    "alfworld/verl-agent-open@1": ALFWorldVerlAgentOpen,
}
"""Factories of the prompts in this module, by name."""
