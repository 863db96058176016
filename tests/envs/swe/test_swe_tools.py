"""The tools, over a workplace that only pretends."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from tests.envs.swe.pretend_workplace import PretendWorkplace
from turnwise.envs.swe.tools import (
    TOOLS,
    ActionResult,
    Toolbox,
    ToolCall,
    read_call,
    templates,
    write_call,
)
from turnwise.envs.swe.workplace import CommandRun, FileWritten, Workplace
from turnwise.sandbox.contract import Result

FILES = {
    "kit/a.py": b"one\ntwo\nthree\n",
    "kit/b.py": b"two\n",
    "README.md": b"",
    "bin": b"\xff\xfe",
}


@pytest.fixture
def place() -> PretendWorkplace:
    return PretendWorkplace(dict(FILES))


def use(place: PretendWorkplace, name: str, **arguments: Any) -> ActionResult:
    call = read_call(write_call(name, **arguments))
    assert isinstance(call, ToolCall), call
    return Toolbox(cast(Workplace, place), 1000, 5.0).use(call, ())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "one JSON object"),
        ("[1]", "one JSON object"),
        ("{" * 5000, "one JSON object"),
        ('{"name": "view", "arguments": {"path": "a"}, "more": 1}', "one JSON object"),
        ('{"name": "fly", "arguments": {}}', "there is no tool 'fly'"),
        ('{"name": "view", "arguments": "a"}', "are an object"),
        ('{"name": "view", "arguments": {"path": 3}}', "'path' of view is a string"),
        (
            '{"name": "view", "arguments": {"path": "a", "first": true}}',
            "'first' of view is a integer",
        ),
        ('{"name": "view", "arguments": {"paths": "a"}}', "no argument 'paths'"),
        ('{"name": "edit", "arguments": {"path": "a", "old": "b"}}', "needs the argument 'new'"),
    ],
)
def test_calls_that_are_none_are_explained(text: str, why: str) -> None:
    answer = read_call(text)
    assert isinstance(answer, str) and why in answer


def test_every_template_is_a_call() -> None:
    assert [cast(ToolCall, read_call(text)).name for text in templates()] == [
        tool.name for tool in TOOLS
    ]
    assert read_call('{"name": "submit"}') == ToolCall("submit", {})


def test_view_shows_lines(place: PretendWorkplace) -> None:
    assert use(place, "view", path="kit/a.py").text == "    1 one\n    2 two\n    3 three"
    assert use(place, "view", path="/work/kit/a.py", first=2, last=2).text == "    2 two"
    assert use(place, "view", path="README.md").text == "README.md is empty"
    assert not use(place, "view", path="kit/a.py", first=9).valid


def test_view_lists_directories(place: PretendWorkplace) -> None:
    assert use(place, "view", path="kit/").text == "kit/a.py\nkit/b.py"
    assert use(place, "view", path=".").text.count("\n") == 3
    assert use(place, "view", path="/work").valid
    gone = use(place, "view", path="ki")
    assert not gone.valid and "no file or directory 'ki'" in gone.text


def test_search_asks_grep_about_the_files_in_order(place: PretendWorkplace) -> None:
    place.found = Result("kit/a.py:2:two\nkit/b.py:1:two\n", "", 0)
    assert use(place, "search", pattern="-two", path="kit").text == "kit/a.py:2:two\nkit/b.py:1:two"
    assert place.ran == [
        (["xargs", "-0", "grep", "-nHIE", "-e", "-two", "--"], "kit/a.py\0kit/b.py")
    ]


def test_search_without_a_match_or_with_a_bad_pattern(place: PretendWorkplace) -> None:
    place.found = Result("", "", 123)
    assert use(place, "search", pattern="x").text == "no line matches"
    place.found = Result("", "grep: Unmatched ( or \\(\n", 123)
    wrong = use(place, "search", pattern="(")
    assert not wrong.valid and "Unmatched" in wrong.text
    assert not use(place, "search", pattern="a\nb").valid
    assert not use(place, "search", pattern="a", path="none").valid


def test_edit_changes_one_place(place: PretendWorkplace) -> None:
    seen = use(place, "edit", path="./kit/a.py", old="two", new="2")
    assert place.tree["kit/a.py"] == b"one\n2\nthree\n"
    assert seen.valid and seen.effect == FileWritten("kit/a.py", b"one\n2\nthree\n")


def test_edit_makes_a_file_but_never_over_another(place: PretendWorkplace) -> None:
    assert use(place, "edit", path="new.py", old="", new="x = 1\n").valid
    assert place.tree["new.py"] == b"x = 1\n"
    assert not use(place, "edit", path="kit/b.py", old="", new="gone").valid
    assert place.tree["kit/b.py"] == b"two\n"


@pytest.mark.parametrize(
    ("path", "old", "why"),
    [
        ("none", "a", "no file"),
        ("kit/a.py", "four", "does not stand"),
        ("kit/a.py", "e", "3 times"),
        ("bin", "a", "not UTF-8"),
    ],
)
def test_edits_that_cannot_be_made_change_nothing(
    place: PretendWorkplace, path: str, old: str, why: str
) -> None:
    seen = use(place, "edit", path=path, old=old, new="z")
    assert not seen.valid and why in seen.text and seen.effect is None
    assert place.tree == FILES


def test_an_edit_for_which_there_is_no_room_is_refused(place: PretendWorkplace) -> None:
    place.room = False
    assert "no room" in use(place, "edit", path="kit/b.py", old="two", new="2").text
    assert not use(place, "edit", path="kit/b.py", old="two", new="\ud800").valid


def test_bash_runs_and_is_an_effect(place: PretendWorkplace) -> None:
    place.answer = Result("hello\n", "", 0, seconds=0.5)
    seen = use(place, "bash", command="echo hello")
    assert (seen.text, seen.effect, seen.seconds) == (
        "exit code 0\nhello",
        CommandRun("echo hello"),
        0.5,
    )
    place.answer = Result("", "", None, "timeout")
    assert use(place, "bash", command="sleep 9").tags == ("ended=timeout",)


@pytest.mark.parametrize("command", ["", " \n", "a\0b", "x" * 200_001, "\ud800"])
def test_what_is_no_command_is_not_run(place: PretendWorkplace, command: str) -> None:
    seen = Toolbox(cast(Workplace, place), 1000, 5.0).use(
        ToolCall("bash", {"command": command}), ()
    )
    assert not seen.valid and place.ran == []


def test_submit_only_says_so(place: PretendWorkplace) -> None:
    assert use(place, "submit").submit and place.ran == []


def test_tools_are_written_as_json(place: PretendWorkplace) -> None:
    assert json.loads(write_call("bash", command="echo ü")) == {
        "name": "bash",
        "arguments": {"command": "echo ü"},
    }
