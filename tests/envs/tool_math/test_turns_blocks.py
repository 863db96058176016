"""Fenced blocks: kinds of fence, nesting, line endings, and a round trip."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.tool_math.turns import blocks, fenced, first_code


@pytest.mark.parametrize("language", ["python", "py", "python3", "Python", "PYTHON3", ""])
def test_python_goes_by_several_names(language: str) -> None:
    block = first_code(f"Let me see.\n```{language}\nx = 1\n\nprint(x)\n```\nSo")
    assert block is not None and block.code == "x = 1\n\nprint(x)"
    assert block.python and block.language == language.lower()


@pytest.mark.parametrize("language", ["output", "text", "json", "c++", "bash", "pycon", "python2"])
def test_blocks_of_other_languages_are_skipped(language: str) -> None:
    text = f"```{language}\nprint(0)\n```\nSo\n```python\nprint(2)\n```"
    block = first_code(text)
    assert block is not None and block.code == "print(2)"
    assert [found.language for found in blocks(text)] == [language, "python"]


def test_windows_line_ends_are_line_ends() -> None:
    block = first_code("Now:\r\n```python\r\nx = 1\r\nprint(x)\r\n```\r\n")
    assert block is not None and block.code == "x = 1\nprint(x)"


def test_a_block_ends_where_its_closing_fence_does() -> None:
    text = "a\n```py\n1\n```  \nand more"
    block = first_code(text)
    assert block is not None
    assert text[block.start : block.end] == "```py\n1\n```" and text[block.end :] == "  \nand more"


@pytest.mark.parametrize(
    "text",
    [
        "```python\nx=1", "```python", "``python\n1\n``", "```python print(1)\n", "`print(1)`",
        "```python x ```", "", "```python\nprint(1) ```", "```python\nprint(1)\n```python",
        "````python\n1\n```", "see ```\n1\n", "a `b` ```python\n1\n```",
    ],
)  # fmt: skip
def test_texts_without_a_complete_block_of_python(text: str) -> None:
    assert first_code(text) is None


def test_an_open_block_swallows_what_follows() -> None:
    assert first_code("```output\n1\n\nSo\n```python\nprint(2)\n") is None


def test_a_longer_fence_holds_a_shorter_one() -> None:
    block = first_code("````python\ntext = '''\n```\n'''\n````")
    assert block is not None and block.code == "text = '''\n```\n'''"


def test_prose_may_precede_a_fence_with_a_language() -> None:
    block = first_code("Let me compute: ```python\nprint(1)\n```")
    assert block is not None and block.code == "print(1)"


def test_the_indentation_of_a_fence_is_taken_off_its_code() -> None:
    block = first_code(
        "1. Compute\n   ```python\n   for k in range(2):\n       print(k)\n \n   ```"
    )
    assert block is not None and block.code == "for k in range(2):\n    print(k)\n"


def test_an_empty_block_is_a_block() -> None:
    block = first_code("```python\n```")
    assert block is not None and block.code == ""


@given(
    st.text(st.characters(exclude_characters="\r"), max_size=60),
    st.sampled_from(["", "Prose.\n", "```output\n3\n```\n"]),
)
def test_fenced_code_is_read_back(code: str, before: str) -> None:
    block = first_code(before + fenced(code) + "\nafter")
    assert block is not None and block.code == code


@given(st.text("`py\n x\r", max_size=40))
def test_any_text_can_be_read_and_blocks_do_not_overlap(text: str) -> None:
    found = list(blocks(text))
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert all(text[block.start : block.end].count("```") >= 2 for block in found)
