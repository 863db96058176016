"""The built-in ALFWorld prompts: what the model is shown, and what its replies mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.alfworld import ALFWorldEnv, generate
from turnwise.envs.prompt import Message, Prompt, Step
from turnwise.envs.registry import make_prompt, prompt_names

ACT = ["alfworld/act@1", "alfworld/act-listed@1"]
REACT = ["alfworld/react@1", "alfworld/react-listed@1"]
VERL = ["alfworld/verl-agent@1", "alfworld/verl-agent-open@1"]
GAMES = generate(6, 3, difficulty="easy")


def played(turns: int, wording: str = "0.4") -> list[Step]:
    """An episode in which the expert has answered `turns` observations, and one more."""
    env = ALFWorldEnv(GAMES, wording=wording, expert="partial")
    observation, info = env.reset(options={"task": 2})
    steps = [Step(observation, info)]
    for _ in range(turns):
        action = str(env.expert_action())
        observation, _, _, _, info = env.step(action)
        steps[-1] = Step(steps[-1].observation, steps[-1].info, f"I say {action}", action)
        steps.append(Step(observation, info))
    return steps


def only(messages: list[Message]) -> str:
    assert [message["role"] for message in messages] == ["user"]
    return messages[0]["content"]


def test_they_are_known_by_name() -> None:
    for name in [*ACT, *REACT, *VERL]:
        assert (
            name in prompt_names()
            and isinstance(make_prompt(name), Prompt)
            and make_prompt(name).name == name
        )


@pytest.mark.parametrize("name", [*ACT, *REACT, *VERL])
@given(number=st.integers(1, 99), thought=st.sampled_from(["", "the mug is there"]))
def test_a_demonstrated_reply_means_its_action(name: str, number: int, thought: str) -> None:
    for action in (f"go to shelf {number}", f"put mug 2 in/on shelf {number}", "use desklamp 1"):
        parsed = make_prompt(name).parse(make_prompt(name).reply(action, thought))
        assert (parsed.text, parsed.valid, parsed.reason) == (action, True, "")


@pytest.mark.parametrize("name", [*ACT, *REACT, *VERL])
@given(text=st.text(max_size=80))
def test_no_reply_can_break_a_parser(name: str, text: str) -> None:
    parsed = make_prompt(name).parse(text)
    assert parsed.valid == (parsed.reason == "")


@pytest.mark.parametrize("name", [*ACT, *REACT])
@pytest.mark.parametrize("wording", ["2.1.1", "0.4"])
def test_dialogues_only_grow(name: str, wording: str) -> None:
    steps = played(4, wording)
    before: list[Message] = []
    for turn in range(5):
        at = Step(steps[turn].observation, steps[turn].info)
        messages = make_prompt(name).messages([*steps[:turn], at])
        assert messages[: len(before)] == before and messages[-1]["role"] == "user"
        assert messages[0]["role"] == "system" and messages[1]["content"].startswith(
            "You are in the middle of a room."
        )
        before = [*messages, {"role": "assistant", "content": f"I say {steps[turn].action}"}]


@pytest.mark.parametrize("name", [*ACT, *REACT])
def test_the_listed_variants_end_each_observation_with_the_commands(name: str) -> None:
    steps = played(2)
    last = make_prompt(name).messages(steps)[-1]["content"]
    assert last.startswith(steps[-1].observation)
    offered = [command for command in steps[-1].info["admissible"] if command != "help"]
    if "listed" in name:
        assert last.splitlines()[-len(offered) :] == offered
    else:
        assert last == steps[-1].observation


@pytest.mark.parametrize(
    ("wording", "says", "not_this"),
    [("2.1.1", "put OBJECT in/on", "move OBJECT"), ("0.4", "move OBJECT to", "put OBJECT")],
)
def test_react_says_how_this_release_puts_things_down(
    wording: str, says: str, not_this: str
) -> None:
    system = make_prompt("alfworld/react@1").messages(played(1, wording))[0]["content"]
    assert says in system and not_this not in system
    unknown = make_prompt("alfworld/react@1").messages([Step("You are somewhere.", {})])[0][
        "content"
    ]
    assert says in unknown and not_this in unknown


@pytest.mark.parametrize(
    ("text", "action", "valid"),
    [
        ("Thought: there.\nAction: go to shelf 1", "go to shelf 1", True),
        ("action:  take mug 1 from shelf 1  \nAction: look", "take mug 1 from shelf 1", True),
        ("go to shelf 1", "", False),
        ("Thought: hm\nAction:", "", False),
    ],
)
def test_react_reads_the_first_action_line(text: str, action: str, valid: bool) -> None:
    parsed = make_prompt("alfworld/react@1").parse(text)
    assert (parsed.text, parsed.valid) == (action, valid)


@pytest.mark.parametrize(
    ("text", "valid"),
    [(" go to shelf 1 \n", True), ("look\nlook", False), ("", False), ("  ", False)],
)
def test_act_wants_one_line(text: str, valid: bool) -> None:
    assert make_prompt("alfworld/act@1").parse(text).valid == valid


@pytest.mark.parametrize(
    ("text", "action", "valid"),
    [
        ("<think>so</think><action>Go To Shelf 1</action>", "go to shelf 1", True),
        (
            "<think>a</think><action> fly </action>",
            "fly",
            True,
        ),  # not admissible, which is not for the prompt to say
        ("<think>a</think><action>one</action><action>two</action>", "one", True),
        ("<action>look</action>", "look", False),
        ("<think>看</think><action>look</action>", "look", False),
        (
            "<think>so</think> I Will Now Go To The Shelf 1, Which Is There",
            "to the shelf 1, which is there",
            False,
        ),
        ("short", "short", False),
    ],
)
def test_verl_agent_parses_as_published(text: str, action: str, valid: bool) -> None:
    for name in VERL:
        parsed = make_prompt(name).parse(text)
        assert (parsed.text, parsed.valid) == (action, valid)


def test_verl_agent_shows_the_opening_alone_at_first() -> None:
    steps = played(0)
    text = only(make_prompt(VERL[0]).messages(steps))
    assert steps[0].observation in text and "step(s)" not in text and "You have to" not in text
    assert "'help'" not in text and "[Observation" not in text
    offered = [command for command in steps[0].info["admissible"] if command != "help"]
    assert "[" + "\n".join(f"'{command}'" for command in offered) + "]." in text


def test_verl_agent_shows_the_last_two_turns_with_their_numbers() -> None:
    steps = played(4)
    text = only(make_prompt(VERL[0]).messages(steps))
    assert f"You have to: {steps[0].info['instruction']}" in text
    assert (
        "taken 4 step(s)" in text
        and "The last 2 observations" in text
        and "This is step 5." in text
    )
    for number in (3, 4):
        step = steps[number - 1]
        assert (
            f"[Observation {number}: '{step.observation}', Action {number}: '{step.action}']"
            in text
        )
    assert "Observation 2:" not in text and steps[0].observation not in text
    assert f"You observe now: {steps[4].observation}\n" in text


def test_verl_agent_open_is_the_same_without_the_commands() -> None:
    steps = played(3)
    listed, without = (only(make_prompt(name).messages(steps)) for name in VERL)
    assert "admissible" in listed and "admissible" not in without
    assert without.splitlines()[:6] == listed.splitlines()[:6]


def test_a_template_from_a_file_works_here_too(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine@1"\nanswers = "alfworld/verl-agent@1"\n'
        'first = "{current_observation} [{admissible_actions}]"\n'
        'later = "{task_description} {step_count} {history_length} {action_history} '
        '{current_step} [{admissible_actions}]"\n',
        encoding="utf8",
    )
    mine, steps = make_prompt(f"file:{file}"), played(1)
    text = only(mine.messages(steps))
    assert text.startswith(
        f"{steps[0].info['instruction']} 1 1 [Observation 1: '{steps[0].observation}', Action 1: "
    )
    assert "'look']" in text and "'help'" not in text
    assert mine.parse(mine.reply("look")).text == "look"
