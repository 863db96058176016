"""The prompts of SWE: messages, and the parsing of replies."""

from __future__ import annotations

import json

import pytest

from turnwise.envs.prompt import SelfEnding, Step
from turnwise.envs.registry import make_prompt
from turnwise.envs.swe.prompts import SweAct, SweBash, SweTools
from turnwise.envs.swe.tools import TOOLS, templates

HISTORY = [Step("the issue", {}, "reply 1", "ls"), Step("exit code 0\na.py", {})]
COMMANDS = [
    "ls -la",
    "submit",
    "cat <<'E'\n```\nin a fence\n```\nE",
    "a\n\nb\n",
    "  indented",
    "echo '````'",
    "x\r\ny",
]


@pytest.mark.parametrize("name", ["swe/bash@1", "swe/tools@1", "swe/act@1"])
def test_prompts_are_known_by_name(name: str) -> None:
    assert make_prompt(name).name == name
    messages = make_prompt(name).messages(HISTORY)
    assert [m["role"] for m in messages if m["role"] != "system"] == ["user", "assistant", "user"]
    assert next(m["content"] for m in messages if m["role"] == "user") == "the issue"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_parsed_as_it_was_written(command: str) -> None:
    asked = SweBash()
    for thought in ("", "I look at `it`."):
        reply = asked.reply(command, thought)
        assert asked.parse(reply).text == command and asked.parse(reply).valid
        assert asked.ended(reply) and not asked.ended(reply[:-1])


def test_the_first_block_counts_and_no_block_is_no_action() -> None:
    asked = SweBash()
    assert asked.parse("Two:\n```bash\nls\n```\n```bash\nrm -r .\n```").text == "ls"
    assert asked.parse("```\nls\n```").text == "ls"
    assert asked.parse("Such as:\n```python\nx = 1\n```\nso:\n```sh\nls\n```").text == "ls"
    for text in ("ls", "```bash\nls", "```python\nprint()\n```", "say ```bash ls ```"):
        assert not asked.parse(text).valid, text
    assert asked.parse("```bash\n```").reason == "the block is empty"


@pytest.mark.parametrize("action", templates())
def test_a_call_is_parsed_as_it_was_written(action: str) -> None:
    asked = SweTools()
    reply = asked.reply(action, "First this.")
    assert (
        asked.parse(reply) == asked.parse(asked.reply(action)) and asked.parse(reply).text == action
    )
    assert asked.ended(reply) and not asked.ended(reply[:-1])
    assert not asked.parse(action).valid


def test_every_tool_is_described_once_and_answers_are_marked() -> None:
    system, first, _, later = SweTools().messages(HISTORY)
    described = [
        json.loads(line)["function"]
        for line in system["content"].splitlines()
        if line.startswith('{"type"')
    ]
    assert [one["name"] for one in described] == [tool.name for tool in TOOLS]
    assert (
        first["content"] == "the issue"
        and later["content"] == "<tool_response>\nexit code 0\na.py\n</tool_response>"
    )


def test_tiny_models_write_the_action_alone() -> None:
    asked = SweAct()
    assert asked.parse(" apply 2\n").text == "apply 2" and asked.parse("apply 2").valid
    assert not asked.parse("apply two").valid
    assert asked.reply("test") == "test"


def test_commands_and_calls_end_a_reply() -> None:
    assert isinstance(SweBash(), SelfEnding) and isinstance(SweTools(), SelfEnding)
    assert all(SweBash().reply(command)[-1] in SweBash.endings for command in COMMANDS)
