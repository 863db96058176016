"""The prompts of tool-integrated mathematics: what is shown, what is read, and that what is written
is read back.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.made_tokenizers import CHATML, byte_bpe
from turnwise.agents.renderer import Renderer
from turnwise.envs.prompt import Prompt, SelfEnding, Step
from turnwise.envs.registry import make_prompt
from turnwise.envs.tool_math.turns import fenced

NAMES = ("tool_math/act@1", "tool_math/hermes@1", "tool_math/react@1", "tool_math/simpletir@1")
RAN: dict[str, Any] = {"tags": ["family=sum", "code"], "output": "3"}
SILENT: dict[str, Any] = {"tags": ["code"], "output": ""}
BEGINNING: dict[str, Any] = {"tags": ["family=sum"], "output": ""}


def history(replies: list[str], results: list[tuple[str, dict[str, Any]]]) -> list[Step]:
    observations = [("What is 1 + 2?", BEGINNING), *results]
    return [
        Step(text, info, reply)
        for (text, info), reply in zip(observations, [*replies, None], strict=True)
    ]


@pytest.mark.parametrize("name", NAMES)
@given(code=st.text(st.characters(exclude_characters="\r"), min_size=1, max_size=40))
def test_code_that_is_written_is_read_back(name: str, code: str) -> None:
    code = code.strip() or "pass"
    prompt = make_prompt(name)
    action = prompt.parse(prompt.reply(fenced(code)))
    assert (action.text, action.valid) == (fenced(code), True)


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_written_and_read(name: str) -> None:
    prompt = make_prompt(name)
    assert prompt.name == name
    action = prompt.parse(prompt.reply("\\boxed{\\frac{1}{2}}"))
    assert (action.text, action.valid) == ("\\boxed{\\frac{1}{2}}", True)


@pytest.mark.parametrize("name", NAMES[1:])
def test_a_thought_stands_before_what_is_done(name: str) -> None:
    prompt = make_prompt(name)
    assert prompt.reply("\\boxed{3}", "It is 3.") == "It is 3.\n\\boxed{3}"
    code = fenced("print(3)")
    assert prompt.parse(prompt.reply(code, "I compute.")).text == "I compute.\n" + code


@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize(
    "text", ["", "It is 3.", "```python\nprint(3)", '<tool_call>{"name": "python"}']
)
def test_a_reply_with_neither_is_not_valid_and_says_why(name: str, text: str) -> None:
    action = make_prompt(name).parse(text)
    assert not action.valid and "neither" in action.reason and action.text == text


@pytest.mark.parametrize("name", ["tool_math/react@1", "tool_math/simpletir@1"])
def test_a_reply_ends_at_its_first_complete_block(name: str) -> None:
    prompt = make_prompt(name)
    assert isinstance(prompt, SelfEnding)
    whole = "So:\n" + fenced("print(1)")
    assert prompt.ended(whole) and prompt.ended(whole + "\nmore") and whole[-1] in prompt.endings
    assert not any(prompt.ended(whole[:k]) for k in range(len(whole)))


def test_chat_messages() -> None:
    steps = history(
        ["I compute.\n" + fenced("print(1 + 2)")], [("\nCode execution result: 3\n", RAN)]
    )
    system, *rest = make_prompt("tool_math/react@1").messages(steps)
    assert (
        system["role"] == "system"
        and "```python" in system["content"]
        and "\\boxed{}" in system["content"]
    )
    assert [(m["role"], m["content"]) for m in rest] == [
        ("user", "What is 1 + 2?"), ("assistant", steps[0].reply),
        ("user", "Code execution result: 3"),
    ]  # fmt: skip
    assert [(m["role"], m["content"]) for m in make_prompt("tool_math/act@1").messages(steps)] == [
        ("user", "What is 1 + 2?"), ("assistant", steps[0].reply), ("user", "3"),
    ]  # fmt: skip


def test_a_remark_is_shown_where_no_code_ran() -> None:
    remark: dict[str, Any] = {"tags": ["void"], "output": ""}
    for name in NAMES:
        assert (
            make_prompt(name).messages(history(["Hm."], [("Neither.", remark)]))[-1]["content"]
            == "Neither."
        )


def test_without_a_template_it_is_one_growing_text() -> None:
    prompt = make_prompt("tool_math/simpletir@1")
    block = fenced("print(1 + 2)")
    steps = history(
        [block, fenced("x = 1")],
        [("\nCode execution result: 3\n", RAN), ("\nCode execution result: \n", SILENT)],
    )
    renderer = Renderer.of(byte_bpe(CHATML), prompt)
    text = renderer.text(prompt.messages(steps))
    assert text.endswith(
        "What is 1 + 2?\n\nSolution:\n" + block + "\nCode execution result: 3\n" + fenced("x = 1")
    )
    assert "<|im_start|>" not in text
    # Turn by turn the same text comes about, and no token is made twice.
    dialogue = renderer.dialogue()
    ids: tuple[int, ...] = ()
    for k in range(3):
        asked = [*steps[:k], Step(steps[k].observation, steps[k].info)]
        now = dialogue.prompt(prompt.messages(asked))
        assert now[: len(ids)] == ids
        said = tuple(renderer.encode(steps[k].reply or "\\boxed{3}"))
        dialogue.add(said)
        ids = now + said
    assert renderer.decode(ids) == text + "\\boxed{3}"


def test_a_tool_call() -> None:
    prompt = make_prompt("tool_math/hermes@1")
    call = (
        '<tool_call>\n{"name": "python", "arguments": {"code": "x = \\"é\\"\\nprint(x)"}}\n'
        "</tool_call>"
    )
    action = prompt.parse("<think>hm</think>I run it.\n" + call + "\nand then")
    assert action.valid and action.text == "<think>hm</think>I run it.\n" + fenced(
        'x = "é"\nprint(x)'
    )
    assert isinstance(prompt, SelfEnding) and prompt.ended(call) and not prompt.ended(call[:-1])
    assert prompt.reply(fenced('x = "é"\nprint(x)')) == call
    messages = prompt.messages(history([call], [("\nCode execution result: 3\n", RAN)]))
    assert messages[-1] == {"role": "user", "content": "<tool_response>\n3\n</tool_response>"}
    tools = (
        messages[0]["content"]
        .partition("<tools>\n")[2]
        .partition("</tools> XML")[2]
        .partition("</tools>")[0]
    )
    shown = next(line for line in messages[0]["content"].splitlines() if line.startswith('{"type"'))
    assert json.loads(shown)["function"]["name"] == "python" and tools is not None


@pytest.mark.parametrize(
    "body",
    [
        "no json", "{}", "[]", '{"name": "python"}', '{"name": "python", "arguments": {}}',
        '{"name": "python", "arguments": {"code": 3}}',
        '{"name": "search", "arguments": {"code": "1"}}', "[" * 100_000,
    ],
)  # fmt: skip
def test_a_call_that_is_none_runs_nothing(body: str) -> None:
    action = make_prompt("tool_math/hermes@1").parse(
        f"So <tool_call>{body}</tool_call> {fenced('print(1)')}"
    )
    assert not action.valid and action.text == "So " and "tool" in action.reason


def test_the_smallest_prompt_takes_whatever_is_no_box_for_code() -> None:
    prompt: Prompt = make_prompt("tool_math/act@1")
    assert prompt.parse(" print(3) \n").text == fenced("print(3)")
    assert not prompt.parse("  \n").valid and prompt.parse("\\boxed{3").text == "\\boxed{3"
    assert not isinstance(prompt, SelfEnding)
