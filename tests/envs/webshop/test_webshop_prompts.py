"""The built-in WebShop prompts: what the model is shown, and what its replies mean."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.prompt import Prompt, Step
from turnwise.envs.registry import make_prompt, prompt_names
from turnwise.errors import ConfigError

NAMES = ["webshop/act@1", "webshop/react@1", "webshop/verl-agent@1"]
TASK = "find me red shoes"
INDEX = f"WebShop [SEP] Instruction: [SEP] {TASK} [SEP] Search"
RESULTS = (
    f"Instruction: [SEP] {TASK} [SEP] Back to Search [SEP] Page 1 (Total results: 2) [SEP] "
    "Next > [SEP] B01 [SEP] Shoe [SEP] $9"
)
SEARCH = {"instruction": TASK, "admissible": ["search[<your query>]"], "clickables": ["search"]}
CLICKS = {
    "instruction": TASK,
    "admissible": ["click[back to search]", "click[b01]"],
    "clickables": ["back to search", "b01"],
}


def history(turns: int, result: str = RESULTS) -> list[Step]:
    """`turns` answered steps and one that is not."""
    steps = [
        Step(INDEX, SEARCH),
        *[Step(f"{result} [SEP] {k}", CLICKS) for k in range(1, turns + 1)],
    ]
    return [
        *[
            Step(s.observation, s.info, f"reply {k}", f"act[{k}]")
            for k, s in enumerate(steps[:-1], 1)
        ],
        steps[-1],
    ]


def test_the_built_in_prompts_are_known_by_name() -> None:
    assert set(NAMES) <= set(prompt_names())
    for name in NAMES:
        assert isinstance(make_prompt(name), Prompt) and make_prompt(name).name == name
    with pytest.raises(ConfigError, match="did you mean 'webshop/react@1'"):
        make_prompt("webshop/react")


@pytest.mark.parametrize("name", NAMES)
@given(
    argument=st.text(
        st.characters(categories=["Ll", "Nd", "Zs", "Po"], max_codepoint=0x24F),
        min_size=1,
        max_size=30,
    )
)
def test_a_demonstrated_reply_means_its_action(name: str, argument: str) -> None:
    action = f"search[{' '.join(argument.split()) or 'x'}]".lower()
    for thought in ("", "the price fits"):
        parsed = make_prompt(name).parse(make_prompt(name).reply(action, thought))
        assert parsed.text == action and parsed.valid and parsed.reason == ""


@pytest.mark.parametrize("name", NAMES)
@given(text=st.text(max_size=80))
def test_no_reply_can_break_a_parser(name: str, text: str) -> None:
    parsed = make_prompt(name).parse(text)
    assert parsed.valid == (parsed.reason == "")


@pytest.mark.parametrize("name", ["webshop/act@1", "webshop/react@1"])
def test_dialogues_only_grow(name: str) -> None:
    before: Sequence[object] = []
    for turns in range(4):
        messages = make_prompt(name).messages(history(turns))
        shown = history(turns)[-1].observation
        if name == "webshop/act@1" and turns:
            shown = shown.replace("Instruction: [SEP] find me red shoes [SEP] ", "", 1)
            assert "find me" not in shown
        assert messages[: len(before)] == before and messages[-1] == {
            "role": "user",
            "content": shown,
        }
        assert [m["role"] for m in messages] == ["system", "user", *["assistant", "user"] * turns]
        before = messages
    assert before[2] == {"role": "assistant", "content": "reply 1"}


@pytest.mark.parametrize(
    ("text", "action", "valid"),
    [
        (" click[buy now]\n", "click[buy now]", True),
        ("search[a [b] c]", "search[a [b] c]", True),
        ("I will click[buy now]", "I will click[buy now]", False),
        ("click[]", "click[]", False),
        ("click[a\nb]", "click[a\nb]", False),
        ("", "", False),
    ],
)
def test_act_takes_the_reply_for_the_action(text: str, action: str, valid: bool) -> None:
    parsed = make_prompt("webshop/act@1").parse(text)
    assert (parsed.text, parsed.valid) == (action, valid)


@pytest.mark.parametrize(
    ("text", "action", "valid"),
    [
        ("Thought: buy\nAction: click[buy now]", "click[buy now]", True),
        ("thought\n  ACTION :  search[Red Shoes]  \nmore", "search[Red Shoes]", True),
        ("Action: click[a]\nAction: click[b]", "click[a]", True),
        ("Thought: the Action: click[a]", "", False),
        ("Action: buy it", "", False),
        ("click[a]", "", False),
    ],
)
def test_react_takes_the_first_action_line(text: str, action: str, valid: bool) -> None:
    parsed = make_prompt("webshop/react@1").parse(text)
    assert (parsed.text, parsed.valid) == (action, valid)


@pytest.mark.parametrize(
    ("text", "action", "valid"),
    [
        ("<think>So</think><action> Click[Buy Now] </action>", "click[buy now]", True),
        (
            "<think></think><action>search[nothing admissible]</action>",
            "search[nothing admissible]",
            True,
        ),
        ("<think>a</think><ACTION>click[a]</Action><action>click[b]</action>", "click[a]", True),
        ("<action>click[a]</action>", "click[a]", False),
        ("<THINK>a</THINK><action>click[a]</action>", "click[a]", False),
        ("<think>红</think><action>click[a]</action>", "click[a]", False),
        ("<think>a</think> I would Click[The Blue One]", " click[the blue one]", False),
        ("<think>a</think><action>click[a]", "hink><action>click[a]"[-20:], False),
        ("</action><action>", "", False),
        ("short", "short", False),
    ],
)
def test_verl_agent_parses_as_published(text: str, action: str, valid: bool) -> None:
    parsed = make_prompt("webshop/verl-agent@1").parse(text)
    assert (parsed.text, parsed.valid) == (action, valid)


def test_verl_agent_shows_the_first_page_without_history() -> None:
    (message,) = make_prompt("webshop/verl-agent@1").messages(history(0))
    text = message["content"]
    assert message["role"] == "user" and f"You have to: {TASK}." in text
    assert "You observe now: 'Search'." in text
    assert "[\n'search[<your query>]',\n'click[search]',\n]" in text, (
        "the published list has the useless click[search]"
    )
    assert "so far" not in text and "<think> </think>" in text and "<action> </action>" in text


def test_verl_agent_shows_the_last_two_turns_with_their_numbers() -> None:
    (message,) = make_prompt("webshop/verl-agent@1").messages(history(3))
    text = message["content"]
    page = (
        "'Back to Search' [SEP] 'Page 1 (Total results: 2)' [SEP] 'Next >' [SEP] "
        "'B01' [SEP] 'Shoe' [SEP] '$9'"
    )
    assert (
        "You have taken 3 step(s) so far. The last 2 observations" in text
        and "This is step 4." in text
    )
    assert (
        f"[Observation 2: '{page} [SEP] '1'', Action 2: 'act[2]']\n"
        f"[Observation 3: '{page} [SEP] '2'', Action 3: 'act[3]']\n" in text
    )
    assert "Observation 1:" not in text and f"You observe now: {page} [SEP] '3'." in text
    assert "[\n'click[back to search]',\n'click[b01]',\n]" in text
    (second,) = make_prompt("webshop/verl-agent@1").messages(history(1))
    assert (
        "The last 1 observations" in second["content"]
        and "[Observation 1: ''Search'', Action 1: 'act[1]']" in second["content"]
    )


def test_verl_agent_drops_the_history_of_a_message_that_is_too_long() -> None:
    def text(filler: int) -> str:
        return make_prompt("webshop/verl-agent@1").messages(
            history(2, f"{RESULTS} [SEP] {'x' * filler}")
        )[0]["content"]

    fixed = len(text(1)) - 2  # the filler is on two pages: the present one and one of the history
    fits = (13_000 - fixed) // 2
    assert "so far" in text(fits) and 12_998 <= len(text(fits)) <= 13_000
    assert "so far" not in text(fits + 1) and len(text(fits + 1)) < 8_000


def test_an_environment_without_clickables_lists_its_admissible_actions() -> None:
    step = Step("a page", {"instruction": "do it", "admissible": ["look", "go north"]})
    (message,) = make_prompt("webshop/verl-agent@1").messages([step])
    assert "[\n'look',\n'go north',\n]" in message["content"]
    assert (
        "You have to: do it." in message["content"]
        and "You observe now: a page." in message["content"]
    )
