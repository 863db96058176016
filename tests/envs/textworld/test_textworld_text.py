"""Parsing of the interpreter's output, without the textworld package."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from turnwise.envs.textworld.text import command_of, read, refused, tidy

STATUS = ">" + " " * 60 + "-= Studio =-0/3"
TAKEN = (
    "\n[removing the key from the mantle]\n[(1) taking the key]\nYou take the key.\n[(1) taking "
    "the key - succeeded]\n\n[removing the key from the mantle - succeeded]\n\n<score>\n2\n"
    "</score><moves>\n7\n</moves>\n" + STATUS
)


def test_events_score_and_text_are_told_apart() -> None:
    answer = read(TAKEN)
    assert answer.events == ("removing the key from the mantle",)
    assert answer.score == 2
    assert "[" not in answer.raw and "<" not in answer.raw
    assert tidy(answer.raw) == "You take the key."
    assert not answer.won and not answer.lost


def test_a_failed_action_is_no_event() -> None:
    answer = read(
        "\n[going east]\nYou can't go that way.\n[going east - failed the can't go that way "
        "rule]\n\n<score>\n0\n</score>\n" + STATUS
    )
    assert answer.events == ()
    assert tidy(answer.raw) == "You can't go that way."


def test_a_misunderstood_command_has_no_score() -> None:
    assert read("\nThat's not a verb I recognise.\n\n" + STATUS).score is None


@pytest.mark.parametrize(
    ("line", "won", "lost"), [("*** The End ***", True, False), ("*** You lost! ***", False, True)]
)
def test_the_end_is_detected_and_its_menu_left_out(line: str, won: bool, lost: bool) -> None:
    menu = (
        "\n\n\nWould you like to RESTART, RESTORE a saved game, QUIT or UNDO the last command?\n> "
        + " " * 30
        + "-= Studio =-0/4"
    )
    answer = read(
        f"\nDone.\n\n\n{' ' * 40}{line}\n\n\nYou scored 1 out of a possible 1, in 5 turns.{menu}"
    )
    assert (answer.won, answer.lost) == (won, lost)
    assert tidy(answer.raw) == f"Done.\n\n{line}\n\nYou scored 1 out of a possible 1, in 5 turns."


def test_the_title_is_left_out_and_indents_are_kept() -> None:
    title = "\n\n\n      ________  ________ \n     |        \\|        \\\n"
    title += "      \\$$$$$$$$| $$$$$$$$>\n \n"
    assert (
        tidy(f"{title}Welcome!\n\n\n\nRecipe\n  one egg\n\n{STATUS}")
        == "Welcome!\n\nRecipe\n  one egg"
    )


def test_a_question_keeps_its_words() -> None:
    assert (
        tidy("\nAre you sure you want to quit? " + " " * 40 + "-= Studio =-0/1")
        == "Are you sure you want to quit?"
    )


@pytest.mark.parametrize(
    "command",
    [
        "save",
        "Restore",
        "look. save",
        "take key then quit",
        "tw-trace-actions off",
        "tw-print max_score",
        "version",
        "SCRIPT",
    ],
)
def test_commands_to_the_interpreter_are_refused(command: str) -> None:
    assert refused(command)


@pytest.mark.parametrize(
    "command", ["look", "take quilt", "open safe", "examine transcripts", "take it", "again", ""]
)
def test_commands_to_the_game_are_not_refused(command: str) -> None:
    assert not refused(command)


@given(st.text())
def test_a_command_is_one_line_of_ascii(action: str) -> None:
    command = command_of(action)
    assert command.isascii()
    assert "\n" not in command and "\r" not in command
    assert command_of(command) == command


@given(st.text())
def test_any_text_can_be_read(printed: str) -> None:
    assert tidy(read(printed).raw) == tidy(read(printed).raw).strip()
