"""Corpora and questions from files: default names, other names, and error messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from turnwise.envs.search import Passage, Question, SearchEnv, load_corpus, load_questions
from turnwise.envs.search.files import passages_of
from turnwise.errors import ConfigError, DataError

PASSAGES = [
    {"id": "p1", "title": "Ada  Lovelace", "text": "taught by\nMary Somerville"},
    {"title": None, "text": "Jedburgh has an abbey."},
]  # fmt: skip
HOTPOT = [
    {
        "_id": "h1", "question": "Where was Ada's teacher born?", "answer": "Jedburgh",
        "type": "bridge",
        "context": [["Ada", ["Taught by Mary.", " She wrote notes."]],
            ["Mary", ["Born in Jedburgh."]]],
    },
    {"_id": "h2", "question": "Who wrote notes?", "answer": "Ada",
     "context": [["Ada", ["Taught by Mary.", " She wrote notes."]]]},
]  # fmt: skip


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf8")
    return path


def test_the_usual_names(tmp_path: Path) -> None:
    passages = load_corpus(lines(tmp_path / "c.jsonl", PASSAGES))
    assert passages == (
        Passage("p1", "Ada Lovelace", "taught by Mary Somerville"),
        Passage("2", "", "Jedburgh has an abbey."),
    )
    rows = [
        {"id": 5, "question": "Who?", "answer": "Ada"},
        {"question": "When?", "answer": [" 1843 ", 1844, ""]},
        {"question": "x", "answers": ["y"]},
    ]
    questions = load_questions(lines(tmp_path / "q.jsonl", rows))
    assert questions == (
        Question("5", "Who?", ("Ada",)),
        Question("2", "When?", ("1843", "1844")),
        Question("3", "x", ("y",)),
    )
    assert load_questions(_json(tmp_path / "q.json", rows)) == questions


def _json(path: Path, rows: Any) -> Path:
    path.write_text(json.dumps(rows), encoding="utf8")
    return path


def test_other_names(tmp_path: Path) -> None:
    path = lines(tmp_path / "c.jsonl", [{"docid": 7, "body": "b", "head": "h"}])
    assert load_corpus(path, {"passage_id": "docid", "text": "body", "title": "head"}) == (
        Passage("7", "h", "b"),
    )
    path = lines(
        tmp_path / "r1.jsonl",
        [
            {"id": "0", "contents": '"Ada"\nTaught by Mary.\nWrote.'},
            {"id": "1", "contents": "alone"},
        ],
    )
    assert load_corpus(path) == (
        Passage("0", "Ada", "Taught by Mary. Wrote."),
        Passage("1", "", "alone"),
    )
    path = lines(
        tmp_path / "q.jsonl",
        [{"id": "t0", "question": "Who?", "golden_answers": ["Ada", "Lovelace"]}],
    )
    assert load_questions(path, {"preset": "search_r1"})[0].answers == ("Ada", "Lovelace")


def test_passages_that_stand_with_their_questions(tmp_path: Path) -> None:
    path = _json(tmp_path / "hotpot.json", HOTPOT)
    assert passages_of([path], {"preset": "hotpotqa"}) == (
        Passage("0", "Ada", "Taught by Mary. She wrote notes."),
        Passage("1", "Mary", "Born in Jedburgh."),
    )  # fmt: skip
    env = SearchEnv(questions={"dev": path}, fields={"preset": "hotpotqa"}, split="dev")
    assert env.splits == ("dev",) and env.tasks("dev") == ("h1", "h2")
    env.reset(options={"task": "h1"})
    assert (
        env.step("search[Mary]")[4]["passages"] == ["1", "0"]
        and env.step("answer[jedburgh]")[1] == 1.0
    )
    hub = [
        {
            "id": "a",
            "question": "q",
            "answer": "a",
            "context": {"title": ["T", "U"], "sentences": [["x", "y"], ["z"]]},
        }
    ]
    assert [p.text for p in passages_of([lines(tmp_path / "hub.jsonl", hub)])] == ["x y", "z"]
    objects = [{"context": [{"title": "T", "text": "x"}]}]
    assert passages_of([lines(tmp_path / "objects.jsonl", objects)]) == (Passage("0", "T", "x"),)


def test_an_environment_over_files(tmp_path: Path) -> None:
    corpus = lines(tmp_path / "c.jsonl", PASSAGES)
    questions = lines(
        tmp_path / "q.jsonl", [{"question": "What has Jedburgh?", "answer": "an abbey"}]
    )
    env = SearchEnv(corpus, questions)
    env.reset(seed=0)
    assert env.step(env.expert_action() or "")[0] == "Jedburgh has an abbey."
    assert env.step(env.expert_action() or "")[1] == 1.0
    assert SearchEnv(str(corpus), str(questions)).source is env.source


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1 is not JSON"),
        ("[1]", "line 1 is not a JSON object"),
        ('{"title": "t"}', "line 1: there is no field 'text' .for text.; the fields are title"),
        ('{"text": "ok"}\n{"text": 3}', "line 2: field 'text' .for text. is empty or not a text"),
        ('{"contents": ""}', "line 1: field 'contents'"),
    ],
)
def test_a_wrong_passage_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text(text, encoding="utf8")
    with pytest.raises(DataError, match=words) as raised:
        load_corpus(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"question": "q"}], "row 1: field 'answer' .for answer. is missing or empty"),
        ([{"question": "q", "answer": []}], "row 1: field 'answer'"),
        ([{"question": "", "answer": "a"}], "row 1: field 'question'"),
        ([{"question": "q", "answer": "a"}, 3], "row 2 is not a JSON object"),
        ({"question": "q"}, "is not a list"),
    ],
)
def test_a_wrong_question_is_named(tmp_path: Path, rows: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load_questions(_json(tmp_path / "q.json", rows))


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": "q"}, "there is no field 'context'"),
        ({"context": "text"}, "a list of pairs"),
        ({"context": [["t"]]}, "is not a passage"),
        ({"context": [["t", 3]]}, "is not a passage"),
    ],
)
def test_wrong_passages_of_a_question_are_named(tmp_path: Path, row: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        passages_of([lines(tmp_path / "q.jsonl", [row])])


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_corpus(tmp_path / "none.jsonl")
    with pytest.raises(ConfigError, match="did you mean 'contents'"):
        load_corpus(tmp_path / "none.jsonl", {"content": "x"})
    with pytest.raises(ConfigError, match="did you mean 'hotpotqa'"):
        load_questions(tmp_path / "none.jsonl", {"preset": "hotpot"})
    (tmp_path / "torn.json").write_text("[", encoding="utf8")
    with pytest.raises(DataError, match="is not JSON"):
        load_questions(tmp_path / "torn.json")
