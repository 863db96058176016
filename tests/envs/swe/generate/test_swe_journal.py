"""The journal is written, continued, and refused if it belongs to another generation."""

from __future__ import annotations

from pathlib import Path

import pytest

from turnwise.envs.swe.generate.journal import Journal
from turnwise.errors import DataError

ABOUT = {"sha256": "ab", "python": "3.11.7"}


def test_answers_are_there_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.journal"
    first = Journal(path, ABOUT)
    first.put("a", {"fails": ["t::é"]})
    first.put("b", None)
    second = Journal(path, ABOUT)
    assert (
        second.get("a") == {"fails": ["t::é"]}
        and second.get("b") is None
        and second.get("c") is None
    )
    second.put("c", 3)
    assert Journal(path, ABOUT).get("c") == 3


def test_memory_alone_works_too() -> None:
    journal = Journal(None, ABOUT)
    journal.put("a", 1)
    assert journal.get("a") == 1


def test_a_last_line_that_was_cut_off_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    journal = Journal(path, ABOUT)
    journal.put("a", 1)
    journal.put("b", 2)
    path.write_text(path.read_text()[:-4])
    again = Journal(path, ABOUT)
    assert again.get("a") == 1 and again.get("b") is None
    again.put("b", 3)
    assert Journal(path, ABOUT).get("b") == 3


def test_one_of_another_source_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    Journal(path, ABOUT)
    with pytest.raises(DataError, match="another source, Python or version"):
        Journal(path, ABOUT | {"sha256": "cd"})


@pytest.mark.parametrize(
    "text",
    ["something else\n", '{"journal": 1, "sha256": "ab", "python": "3.11.7"}\nxx\n["a", 1]\n'],
)
def test_what_is_no_journal_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.journal"
    path.write_text(text)
    with pytest.raises(DataError, match="not a journal"):
        Journal(path, ABOUT)
