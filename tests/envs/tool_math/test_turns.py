"""Parsing of turns: the table of the SimpleTIR specification (section 4.4), with its deviation."""

from __future__ import annotations

import pytest

from turnwise.envs.tool_math.turns import read_turn

TABLE = {
    "text only": ("text only", None, False, True),
    "a fence that is not closed": ("```python\nx=1", None, False, True),
    "a block": ("```python\nprint(1)\n```", "print(1)", False, False),
    "an answer": ("\\boxed{5}", None, True, False),
    "an answer that is cut off": ("\\boxed{5 truncated", None, True, False),
    "code that raises": ("```python\n1/0\n```", "1/0", False, False),
    "prose between two blocks": (
        "```output\n1\n```\nSo\n```python\nprint(2)\n```",
        "print(2)",
        False,
        False,
    ),
    "python3": ("```python3\n1\n```", "1", False, False),
    "capital": ("```Python\n1\n```", "1", False, False),
    "windows": ("```python\r\n1\r\n```\r\n", "1", False, False),
    "an empty block": ("```\n```", "", False, False),
    "nothing": ("", None, False, True),
    "a box in an open fence": ("```python\nprint('\\boxed{3}')", None, True, False),
}


@pytest.mark.parametrize("name", TABLE)
def test_detection(name: str) -> None:
    text, code, answers, void = TABLE[name]
    move = read_turn(text)
    assert (move.code, move.answer is not None, move.void) == (code, answers, void)
    assert not move.cut


def test_a_turn_ends_at_its_first_block_and_the_rest_is_ignored() -> None:
    text = (
        "So\n```python\nprint(1)\n```\nThis prints 2, hence \\boxed{2}.\n```python\nprint(3)\n```"
    )
    move = read_turn(text)
    assert (move.code, move.answer, move.cut) == ("print(1)", None, True)
    assert text[: move.end].endswith("print(1)\n```")
    assert not read_turn("```python\nprint(1)\n```  \n\n").cut


def test_a_box_before_the_code_answers_and_one_in_the_code_does_not() -> None:
    assert (
        read_turn("\\boxed{4}, to check:\n```python\nprint(2 + 2)\n```").answer
        == "\\boxed{4}, to check:\n"
    )
    assert read_turn("```python\nprint('\\\\boxed{4}')\n```").answer is None
