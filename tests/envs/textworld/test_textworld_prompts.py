"""TextWorld's prompts: what they show, and how replies are read."""

from __future__ import annotations

import pytest

from turnwise.envs.prompt import Step
from turnwise.envs.registry import make_prompt, prompt_names

NAMES = [
    "textworld/act-listed@1",
    "textworld/act@1",
    "textworld/react-listed@1",
    "textworld/react@1",
]
INFO = {"instruction": "Find the coin.", "admissible": ["go north", "look"]}
HISTORY = [
    Step("Find the coin.\n\n-= Attic =-", INFO, reply="REPLY", action="go north"),
    Step("-= Study =-", {**INFO, "admissible": ["take coin"]}),
]


def test_they_are_registered() -> None:
    assert [name for name in prompt_names() if name.startswith("textworld/")] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_episode_is_one_growing_text(name: str) -> None:
    prompt = make_prompt(name)
    assert prompt.name == name
    early, late = prompt.messages(HISTORY[:1]), prompt.messages(HISTORY)
    assert (
        late[: len(early) - 1] == early[:-1]
        and late[len(early) - 1]["content"] == early[-1]["content"]
    )
    assert [message["role"] for message in late] == ["system", "user", "assistant", "user"]
    assert late[2]["content"] == "REPLY"


@pytest.mark.parametrize("name", NAMES)
def test_commands_are_listed_only_where_the_name_says_so(name: str) -> None:
    last = make_prompt(name).messages(HISTORY)[-1]["content"]
    assert ("take coin" in last) == ("listed" in name)
    assert last.startswith("-= Study =-")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("action", ["go north", "take key from old chest"])
def test_what_is_written_is_read(name: str, action: str) -> None:
    prompt = make_prompt(name)
    found = prompt.parse(prompt.reply(action, "because"))
    assert (found.text, found.valid) == (action, True)


@pytest.mark.parametrize("text", ["", "  ", "go north\ntake coin"])
def test_act_takes_one_line(text: str) -> None:
    found = make_prompt("textworld/act@1").parse(text)
    assert not found.valid and found.reason


@pytest.mark.parametrize("text", ["go north", "Thought: hm", "Action:", "Thought: x\nAction:   \n"])
def test_react_needs_its_action_line(text: str) -> None:
    found = make_prompt("textworld/react@1").parse(text)
    assert not found.valid and found.reason


def test_the_first_action_line_counts() -> None:
    assert (
        make_prompt("textworld/react@1").parse("Thought: a\nAction: look\nAction: wait").text
        == "look"
    )
