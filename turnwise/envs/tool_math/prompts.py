"""Prompts for tool-integrated mathematics: Python and boxed answers, in four formats.

* `tool_math/act@1`: the reply is code without fences or a boxed answer, for tiny models.
* `tool_math/react@1`: reasoning, then a fenced block or an answer, as a chat.
* `tool_math/simpletir@1`: the same without a chat template, one growing text, as SimpleTIR (arXiv
  2509.02479) trains base models. Structure and interface strings are its own (the result comes as
  `Code execution result: …`), the instruction is in our words.
* `tool_math/hermes@1`: a tool call as the templates of Qwen and Hermes models write it:
  `<tool_call>{"name": "python", "arguments": {"code": …}}</tool_call>`, answered by a
  `<tool_response>`. Structure, tags and JSON are those of the templates (Hermes function calling),
  because models know them; the sentences are ours.

A reply ends at its first complete block or call. Where an engine cannot stop there, what it
produced beyond is dropped, by tokens; `parse` hands the environment the reply as it is, or the call
as a fenced block.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from turnwise.envs.prompt import RAW, Action, Message, Prompt, Step
from turnwise.envs.tool_math.turns import BOX, fenced, first_code, read_turn

REACT_SYSTEM = """\
Solve the problem. You may run Python: write the code in a block that begins with ```python and \
ends with ```, print what you \
want to know, and stop; the output is the next message. Use code for whatever is easier computed \
than reasoned. Each turn is \
either some reasoning and one block of code, or some reasoning and the final answer in \\boxed{}."""
SIMPLETIR_START = """\
Solve the problem step by step. Where a computation helps, write Python in a block that begins \
with ```python and ends with \
```. It is run, and what it prints is given back as "Code execution result: "; then go on \
reasoning from it. Every block is a \
program of its own and must print what is to be seen. Put the final answer in \\boxed{}, after \
checking it.

Problem: """
SIMPLETIR_END = "\n\nSolution:\n"
HERMES_SYSTEM = """\
Solve the problem, with Python where it helps. The final answer goes in \\boxed{}.

# Tools

There is a function to call, as often as it helps. Its signature:
<tools>
{"type": "function", "function": {"name": "python", "description": "Run Python code and return \
what it prints.", \
"parameters": {"type": "object", "properties": {"code": {"type": "string", "description": "The \
code to run."}}, \
"required": ["code"]}}}
</tools>

To call it, write its name and arguments as JSON in this form, and stop:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call>"""
CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
TOOLS = ("python", "code_interpreter")
NEITHER = "the reply has neither a complete block of Python nor an answer in \\boxed{}"


def output_of(step: Step) -> str | None:
    """Return what the code of the previous turn printed; None where no code ran."""
    return str(step.info.get("output", "")) if "code" in step.info.get("tags", ()) else None


def chat(system: str, history: Sequence[Step]) -> list[Message]:
    """Return the system message, unless empty, then each observation and reply in turn."""
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for step in history:
        messages.append({"role": "user", "content": step.observation.strip("\n")})
        if step.reply is not None:
            messages.append({"role": "assistant", "content": step.reply})
    return messages


class _Blocks:
    """Replies in which code stands in fenced blocks."""

    endings: ClassVar[str] = "`"

    def ended(self, text: str) -> bool:
        return first_code(text) is not None

    def parse(self, text: str) -> Action:
        void = read_turn(text).void
        return Action(text, not void, NEITHER if void else "")

    def reply(self, action: str, thought: str = "") -> str:
        return f"{thought}\n{action}" if thought else action


@dataclass(frozen=True, slots=True)
class ToolMathReact(_Blocks):
    """`tool_math/react@1`."""

    name: ClassVar[str] = "tool_math/react@1"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        return chat(REACT_SYSTEM, history)


@dataclass(frozen=True, slots=True)
class ToolMathSimpleTIR(_Blocks):
    """`tool_math/simpletir@1`: code without output is followed by nothing, as in the original."""

    name: ClassVar[str] = "tool_math/simpletir@1"
    template: ClassVar[str] = RAW

    def messages(self, history: Sequence[Step]) -> list[Message]:
        first, *later = history
        messages: list[Message] = [
            {"role": "user", "content": f"{SIMPLETIR_START}{first.observation}{SIMPLETIR_END}"}
        ]
        for before, step in zip(history, later, strict=False):
            messages.append({"role": "assistant", "content": before.reply or ""})
            messages.append(
                {"role": "user", "content": "" if output_of(step) == "" else step.observation}
            )
        return messages


@dataclass(frozen=True, slots=True)
class ToolMathHermes:
    """`tool_math/hermes@1`. A call that is not JSON, or of another tool, is void."""

    name: ClassVar[str] = "tool_math/hermes@1"
    endings: ClassVar[str] = ">"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        messages: list[Message] = [{"role": "system", "content": HERMES_SYSTEM}]
        for step in history:
            output = output_of(step)
            content = (
                step.observation
                if output is None
                else f"<tool_response>\n{output}\n</tool_response>"
            )
            messages.append({"role": "user", "content": content})
            if step.reply is not None:
                messages.append({"role": "assistant", "content": step.reply})
        return messages

    def ended(self, text: str) -> bool:
        return CALL.search(text) is not None

    def parse(self, text: str) -> Action:
        found = CALL.search(text)
        if found is None:
            answered = BOX in text
            return Action(
                text,
                answered,
                "" if answered else "the reply has neither a tool call nor an answer in \\boxed{}",
            )
        code, reason = _code_of(found[1])
        if code is None:
            return Action(text[: found.start()], False, reason)
        return Action(text[: found.start()] + fenced(code), True)

    def reply(self, action: str, thought: str = "") -> str:
        block = first_code(action)
        if block is not None:
            call = json.dumps(
                {"name": "python", "arguments": {"code": block.code}}, ensure_ascii=False
            )
            action = f"{action[: block.start]}<tool_call>\n{call}\n</tool_call>"
        return f"{thought}\n{action}" if thought else action


def _code_of(call: str) -> tuple[str | None, str]:
    try:
        made = json.loads(call)
        name, code = made["name"], made["arguments"]["code"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, 'the tool call is not {"name": "python", "arguments": {"code": …}}'
    if name not in TOOLS or not isinstance(code, str):
        return None, f"there is no tool {name!r}, or its code is no text"
    return code, ""


@dataclass(frozen=True, slots=True)
class ToolMathAct:
    """`tool_math/act@1`: a box is an answer, anything else is code."""

    name: ClassVar[str] = "tool_math/act@1"

    def messages(self, history: Sequence[Step]) -> list[Message]:
        messages: list[Message] = []
        for step in history:
            output = output_of(step)
            messages.append(
                {"role": "user", "content": step.observation if output is None else output}
            )
            if step.reply is not None:
                messages.append({"role": "assistant", "content": step.reply})
        return messages

    def parse(self, text: str) -> Action:
        body = text.strip()
        if not body:
            return Action(body, False, "the reply is empty")
        return Action(body if body.startswith(BOX) else fenced(body), True)

    def reply(self, action: str, thought: str = "") -> str:
        block = first_code(action)
        return action if block is None else block.code


PROMPTS: dict[str, Callable[[], Prompt]] = {
    "tool_math/act@1": ToolMathAct,
    "tool_math/hermes@1": ToolMathHermes,
    "tool_math/react@1": ToolMathReact,
    "tool_math/simpletir@1": ToolMathSimpleTIR,
}
"""Factories of the prompts in this module, by name."""
