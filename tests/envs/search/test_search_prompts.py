"""The prompts for searching: what the model is shown, and what its replies mean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.prompt import RAW, Prompt, SelfEnding, Step, Templated
from turnwise.envs.registry import make_prompt

NAMES = ["search/act@1", "search/react@1", "search/search-r1@1"]
QUESTION = "Where was the author of Bako born?"
OK: dict[str, Any] = {"instruction": QUESTION, "valid": True}
WRONG: dict[str, Any] = {"instruction": QUESTION, "valid": False}


def history(*replies: str, info: dict[str, Any] = OK) -> list[Step]:
    shown = [QUESTION, *[f"Teli: passage {k}" for k in range(1, len(replies) + 1)]]
    steps = [
        Step(shown[0], OK, *replies[:1]),
        *[Step(text, info, *replies[k : k + 1]) for k, text in enumerate(shown[1:], 1)],
    ]
    return steps


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("call", ["search", "answer"])
@given(
    argument=st.text(
        st.characters(categories=["Lu", "Ll", "Nd", "Po"], max_codepoint=0x24F),
        min_size=1,
        max_size=30,
    )
)
def test_a_demonstrated_reply_means_its_action(name: str, call: str, argument: str) -> None:
    action = f"{call}[{argument}]"
    for thought in ("", "the town is missing"):
        parsed = make_prompt(name).parse(make_prompt(name).reply(action, thought))
        assert (parsed.text, parsed.valid, parsed.reason) == (action, True, "")


@pytest.mark.parametrize("name", NAMES)
@given(text=st.text(max_size=80))
def test_no_reply_can_break_a_parser(name: str, text: str) -> None:
    parsed = make_prompt(name).parse(text)
    assert parsed.valid == (parsed.reason == "")


@pytest.mark.parametrize("name", NAMES)
def test_dialogues_only_grow(name: str) -> None:
    assert isinstance(make_prompt(name), Prompt) and make_prompt(name).name == name
    before: list[Any] = []
    for turns in range(4):
        messages = make_prompt(name).messages(history(*[f"reply {k}" for k in range(turns)]))
        assert messages[: len(before)] == before and messages[-1]["role"] == "user"
        assert (f"passage {turns}" if turns else QUESTION) in messages[-1]["content"]
        before = list(messages)
    assert sum(QUESTION in message["content"] for message in before) == 1


def test_the_smallest_prompt_has_no_words_of_its_own() -> None:
    messages = make_prompt("search/act@1").messages(history("search[Bako]"))
    assert [(m["role"], m["content"]) for m in messages] == [
        ("user", QUESTION), ("assistant", "search[Bako]"), ("user", "Teli: passage 1"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "action", "valid"),
    [
        ("search/act@1", " search[Bako] \n", "search[Bako]", True),
        ("search/act@1", "I search[Bako]", "I search[Bako]", False),
        ("search/act@1", "search[]", "search[]", False),
        ("search/act@1", "click[Bako]", "click[Bako]", False),
        (
            "search/react@1",
            "Thought: who?\nAction: Search[Bako]\nAction: answer[x]",
            "Search[Bako]",
            True,
        ),
        ("search/react@1", "Thought: it is Teli\naction:answer[Teli]  ", "answer[Teli]", True),
        ("search/react@1", "search[Bako]", "", False),
        ("search/react@1", "Action: look up Bako", "", False),
        ("search/search-r1@1", "<think>who</think><search> Bako </search>", "search[Bako]", True),
        (
            "search/search-r1@1",
            "<search>a</search><information>b</information><answer>c</answer>",
            "search[a]",
            True,
        ),
        (
            "search/search-r1@1",
            "<think> so </think>\n<answer>\nTeli\n</answer>",
            "answer[Teli]",
            True,
        ),
        ("search/search-r1@1", "<answer></answer>", "", False),
        ("search/search-r1@1", "<search>Bako</answer>", "", False),
        ("search/search-r1@1", "Teli", "", False),
    ],
)
def test_what_a_reply_means(name: str, text: str, action: str, valid: bool) -> None:
    parsed = make_prompt(name).parse(text)
    assert (parsed.text, parsed.valid) == (action, valid)


def test_one_growing_text_in_tags() -> None:
    prompt = make_prompt("search/search-r1@1")
    assert isinstance(prompt, Templated) and prompt.template == RAW
    reply = prompt.reply("search[Bako]", "Who wrote it?")
    assert reply == "<think> Who wrote it? </think>\n<search> Bako </search>"
    text = "".join(message["content"] for message in prompt.messages(history(reply)))
    assert text.endswith(
        f"Question: {QUESTION}\n{reply}\n\n<information>Teli: passage 1</information>\n\n"
    )
    shown_page = prompt.messages(history("Teli", info=WRONG))[-1]["content"]
    assert "<information>" not in shown_page and "<search>" in shown_page


def test_a_tagged_reply_ends_at_its_first_complete_search_or_answer() -> None:
    prompt = make_prompt("search/search-r1@1")
    assert isinstance(prompt, SelfEnding)
    for action in ("search[Bako]", "answer[Teli]"):
        whole = prompt.reply(action)
        assert prompt.ended(whole) and prompt.ended(whole + " more") and whole[-1] in prompt.endings
        assert not any(prompt.ended(whole[:k]) for k in range(len(whole)))
