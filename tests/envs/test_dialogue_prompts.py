"""The prompts for any text environment, and the digest of every text that models are shown."""

from __future__ import annotations

import hashlib
import json

import pytest

from turnwise.envs.dialogue_prompts import DialoguePrompt
from turnwise.envs.prompt import Prompt, Step
from turnwise.envs.registry import make_prompt, prompt_names
from turnwise.envs.specs import BUILT_IN

ASKED = {"instruction": "Walk home.", "admissible": ["go <way>", "wait"]}
EPISODE = [Step("You are here.", ASKED, "Thought: a\nAction: go on", "go on"), Step("There.", {})]


def test_react_for_any_environment() -> None:
    prompt = make_prompt("text/react@1")
    system, first, reply, second = prompt.messages(EPISODE)
    assert system["role"] == "system" and "exactly two lines" in system["content"]
    assert first["content"] == "Task: Walk home.\n\nYou are here.\n\nActions:\ngo <way>\nwait"
    assert (reply["role"], second["content"]) == ("assistant", "There.")
    assert prompt.parse("Thought: so\nAction: go left").text == "go left"
    assert not prompt.parse("go left").valid and not prompt.parse("Action:").valid


def test_act_for_any_environment() -> None:
    prompt = make_prompt("text/act@1")
    assert [m["role"] for m in prompt.messages(EPISODE)] == ["user", "assistant", "user"]
    assert prompt.parse(" two\nlines ").text == "two\nlines"
    assert prompt.parse(" ").reason == "the reply is empty"


def test_an_instruction_on_the_page_is_not_repeated() -> None:
    page = "You are here. Walk home."
    assert make_prompt("text/act@1").messages([Step(page, {"instruction": "Walk home."})]) == [
        {"role": "user", "content": page}
    ]


@pytest.mark.parametrize("name", ["text/act@1", "text/react@1", *(s.prompt for s in BUILT_IN)])
def test_replies_are_parsed_as_written(name: str) -> None:
    prompt = make_prompt(name)
    assert isinstance(prompt, Prompt) and prompt.name == name
    if isinstance(prompt, DialoguePrompt):
        action = "search[a word]"
        assert prompt.parse(prompt.reply(action, "because")).text == action


SHOWN = "652b31d36387c2a6d1a18954eb522f3a3999b7efb2824e6ce5461bfc42da4eb6"
"""Change it only with the version of a prompt."""


def test_what_models_are_shown_does_not_change() -> None:
    greeting = "-= Welcome to TextWorld, ALFRED! =-\n\n"
    first = {"instruction": "walk", "admissible": ["help", "go"], "clickables": ["search", "x"]}
    later = {
        "instruction": "walk",
        "admissible": [],
        "valid": False,
        "tags": ["code"],
        "output": "",
    }
    repeated = "Shop [SEP] Instruction: [SEP] walk [SEP] page"
    episode = [Step(greeting + repeated, first, "r", "a"), Step(repeated, later)]
    shown = {
        name: make_prompt(name).messages(episode)
        for name in prompt_names()
        if name.partition("/")[0] in {"text", *(spec.name for spec in BUILT_IN)}
    }
    assert len(shown) == 25
    digest = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()
    assert digest == SHOWN
