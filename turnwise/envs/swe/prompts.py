"""Prompts for repairing repositories: a shell command, a tool call, or a short action a turn.

* `swe/bash@1`: reasoning, then one command in a fenced block, as mini-swe-agent has it
  (github.com/SWE-agent/mini-swe-agent): the last command submits. For `actions="bash"`.
* `swe/tools@1`: a tool call as the templates of Qwen and Hermes models write it,
  `<tool_call>{"name": …}</tool_call>`, answered by a `<tool_response>`. For `actions="tools"`.
* `swe/act@1`: the reply is the action and nothing else, for tiny models and `actions="closed"`.

A reply ends at its first complete block or call; what follows is dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from turnwise.envs.prompt import Action, Message, Prompt, Step
from turnwise.envs.swe.edit_menu import ACTION
from turnwise.envs.swe.tools import TOOLS, Tool

OPENING = re.compile(r"^(`{3,})([^\n`]*)\n", re.MULTILINE)
LANGUAGES = ("", "bash", "sh", "shell")
CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
FENCE = re.compile(r"`{3,}")
BASH_SYSTEM = """\
You repair software. The user describes a problem with the repository in /work, where a shell \
waits for you. Each turn, reason \
briefly and then give one command in a block that begins with ```bash and ends with ```. It is \
run, and you are shown its exit \
code and its output. The shell keeps its directory and its variables.

Find the cause in the source, reproduce the problem, mend the source, and check that it is gone \
and that the tests still pass. Do \
not change tests: hidden ones decide. There is no network. When you are done, give the command \
`submit` alone in its block."""
TOOLS_SYSTEM = """\
You repair software. The user describes a problem with the repository in /work. Find the cause in \
the source, reproduce the \
problem, mend the source, and check that it is gone and that the tests still pass. Do not change \
tests: hidden ones decide. There \
is no network. Use one tool a turn, and submit when you are done.

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within \
<tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""


def first_command(text: str) -> str | None:
    """Return the first complete block of shell commands; None without one."""
    at = 0
    while (opened := OPENING.search(text, at)) is not None:
        closed = re.compile(rf"^{opened[1]}(?!`)", re.MULTILINE).search(text, opened.end())
        if closed is None:
            return None
        if opened[2].strip().lower() in LANGUAGES:
            return text[opened.end() : closed.start()].removesuffix("\n")
        at = closed.end()
    return None


def signature(tool: Tool) -> str:
    """Return the JSON schema of a tool, on one line."""
    properties = {
        parameter.name: {"type": parameter.kind, "description": parameter.about}
        for parameter in tool.parameters
    }
    needed = [parameter.name for parameter in tool.parameters if parameter.needed]
    parameters = {"type": "object", "properties": properties, "required": needed}
    function = {"name": tool.name, "description": tool.about, "parameters": parameters}
    return json.dumps({"type": "function", "function": function})


def dialogue(system: str, history: Sequence[Step], shown: str = "{}") -> list[Message]:
    """Return the system message, unless empty, then each observation and reply in turn.

    Args:
        shown: a format for every observation but the first.
    """
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for number, step in enumerate(history):
        messages.append(
            {
                "role": "user",
                "content": shown.format(step.observation) if number else step.observation,
            }
        )
        if step.reply is not None:
            messages.append({"role": "assistant", "content": step.reply})
    return messages


@dataclass(frozen=True, slots=True)
class SweBash:
    """`swe/bash@1`: the first block counts."""

    name: ClassVar[str] = "swe/bash@1"
    endings: ClassVar[str] = "`"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return dialogue(BASH_SYSTEM, history)

    def ended(self, text: str) -> bool:
        return first_command(text) is not None

    def parse(self, text: str) -> Action:
        command = first_command(text)
        if command is None:
            return Action("", False, "the reply has no complete block that begins with ```bash")
        return Action(
            command, bool(command.strip()), "" if command.strip() else "the block is empty"
        )

    def reply(self, action: str, thought: str = "") -> str:
        fence = max([*FENCE.findall(action), "``"], key=len) + "`"  # longer than any in the command
        block = f"{fence}bash\n{action}\n{fence}"
        return f"{thought}\n\n{block}" if thought else block


@dataclass(frozen=True, slots=True)
class SweTools:
    """`swe/tools@1`: the first call counts."""

    name: ClassVar[str] = "swe/tools@1"
    endings: ClassVar[str] = ">"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        system = TOOLS_SYSTEM.format(tools="\n".join(map(signature, TOOLS)))
        return dialogue(system, history, "<tool_response>\n{}\n</tool_response>")

    def ended(self, text: str) -> bool:
        return CALL.search(text) is not None

    def parse(self, text: str) -> Action:
        found = CALL.search(text)
        return (
            Action(found[1], True)
            if found is not None
            else Action("", False, "the reply has no tool call")
        )

    def reply(self, action: str, thought: str = "") -> str:
        call = f"<tool_call>\n{action}\n</tool_call>"
        return f"{thought}\n{call}" if thought else call


@dataclass(frozen=True, slots=True)
class SweAct:
    """`swe/act@1`: one action of the closed set."""

    name: ClassVar[str] = "swe/act@1"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return dialogue("", history)

    def parse(self, text: str) -> Action:
        action = text.strip()
        fits = ACTION.fullmatch(action) is not None
        return Action(
            action,
            fits,
            "" if fits else "the reply is not one action such as apply 1, test or submit",
        )

    def reply(self, action: str, thought: str = "") -> str:
        return action


PROMPTS: dict[str, Callable[[], Prompt]] = {
    "swe/act@1": SweAct,
    "swe/bash@1": SweBash,
    "swe/tools@1": SweTools,
}
"""Factories of the prompts in this module, by name."""
