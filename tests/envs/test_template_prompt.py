"""Prompts from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from turnwise.envs.prompt import Step
from turnwise.envs.registry import make_prompt
from turnwise.envs.webshop.verl_agent_prompts import PAST, PRESENT, ROLE
from turnwise.errors import ConfigError

GOOD = """\
name = "mine@1"
answers = "webshop/verl-agent@1"
first = "Do {task_description}: {current_observation}"
"""
INFO = {"instruction": "walk", "admissible": ["go[on]"]}
PAGE = "WebShop [SEP] Instruction: [SEP] walk [SEP] Search"
TWO = [Step(PAGE, INFO, "I go", "go[on]"), Step("Instruction: [SEP] walk [SEP] here", INFO)]


@pytest.fixture
def written(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(text: str) -> str:
        file = tmp_path / "p.toml"
        file.write_text(text, encoding="utf8")
        return f"file:{file}"

    return write


def test_a_file_is_a_prompt(written: Any) -> None:
    mine = make_prompt(
        written(
            GOOD
            + 'later = "{{{step_count}}} {action_history} | {observation}"\n'
            + 'system = "Walk!"\nhistory = 1\n'
        )
    )
    assert mine.name == "mine@1"
    assert mine.messages(TWO[:1]) == [
        {"role": "system", "content": "Walk!"},
        {"role": "user", "content": "Do walk: 'Search'"},
    ]
    assert (
        mine.messages(TWO)[1]["content"] == "{1} [Observation 1: ''Search'', Action 1: 'go[on]'] | "
        "Instruction: [SEP] walk [SEP] here"
    )
    assert mine.parse("<think></think><action>go[on]</action>").text == "go[on]"
    assert mine.reply("go[on]") == "<think></think><action>go[on]</action>"


def test_without_later_every_turn_is_written_with_first(written: Any) -> None:
    assert make_prompt(written(GOOD)).messages(TWO) == [
        {"role": "user", "content": "Do walk: 'here'"}
    ]


def test_a_dialogue_keeps_every_turn(written: Any) -> None:
    text = GOOD + 'later = "Now {current_observation}"\nstyle = "dialogue"\nsystem = "Walk!"\n'
    assert [m["content"] for m in make_prompt(written(text)).messages(TWO)] == [
        "Walk!",
        "Do walk: 'Search'",
        "I go",
        "Now 'here'",
    ]


def test_the_built_in_text_can_be_put_in_a_file(written: Any) -> None:
    body = (
        'name = "copy"\nanswers = "webshop/verl-agent@1"\n'
        f'first = """{ROLE + PRESENT}"""\nlater = """{ROLE + PAST + PRESENT}"""\n'
    )
    copy = make_prompt(written(body.replace('"""\n', '"""\n\n', 1)))
    for history in (TWO[:1], TWO):
        assert (
            copy.messages(history)[0]["content"].strip()
            == make_prompt("webshop/verl-agent@1").messages(history)[0]["content"].strip()
        )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            GOOD.replace("answers", "answer"),
            "unknown key 'answer' in .*p.toml: did you mean 'answers'",
        ),
        (GOOD.replace('name = "mine@1"\n', ""), "lacks 'name'"),
        (GOOD.replace("webshop/verl-agent@1", "webshop/verl@1"), "unknown prompt 'webshop/verl@1'"),
        (GOOD.replace("{task_description}", "{task}"), "unknown field 'task' in first of .*p.toml"),
        (GOOD.replace("{task_description}", "{task_description.__class__}"), "unknown field"),
        (GOOD.replace("{task_description}", "{step_count:>9}"), "unknown field 'step_count:>9'"),
        (GOOD.replace("{task_description}", "{"), "stray brace"),
        (GOOD + "history = true\n", "history = True in .* is not a number"),
        (GOOD + "system = 3\n", "system = 3 in .* is not text"),
        (GOOD + 'style = "dialog"\n', "did you mean 'dialogue'"),
        ("name = ", "is not TOML"),
    ],
)
def test_a_bad_file_is_one_clear_sentence(written: Any, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        make_prompt(written(text))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml does not exist"):
        make_prompt(f"file:{tmp_path / 'absent.toml'}")
