"""Corpora and questions that somebody has: JSON lines, or a JSON list, read by saying what their
fields are called.

    load_corpus("passages.jsonl")                                 # fields id, title, text
    load_questions("questions.jsonl")                             # fields id, question, answer (text, or a list of texts)
    load_questions("nq.jsonl", {"answer": "golden_answers"})
    passages_of(["hotpot_dev_distractor_v1.json"], {"preset": "hotpotqa"})   # the passages that stand with the questions

What is missing is named by file, line and field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from turnwise.envs.search.corpus import Passage, Question
from turnwise.errors import DataError, unknown

Fields = Mapping[str, str]
DEFAULTS = {
    "id": "id", "question": "question", "answer": "answer", "context": "context",
    "passage_id": "id", "title": "title", "text": "text", "contents": "contents",
}  # fmt: skip
"""What the fields of a question and of a passage are called unless said otherwise. `contents` is a
title in quotes on the first line, then the text, and is read where there is no `text`; `context`
holds the passages of a question."""
PRESETS: dict[str, dict[str, str]] = {
    "hotpotqa": {"id": "_id"},
    "nq": {},
    "search_r1": {"answer": "golden_answers"},
}
"""HotpotQA's own files; NQ-open's; and the files of FlashRAG and Search-R1, whose corpus has `id`
and `contents`.
"""


class Row(NamedTuple):
    where: str
    number: int
    cells: Mapping[str, Any]


def load_corpus(path: str | Path, fields: Fields | None = None) -> tuple[Passage, ...]:
    """Read passages. Without an id a passage is called by its line.

    Raises:
        ConfigError: for an unknown field or preset.
        DataError: for a file that is not there, or a row that is no passage.
    """
    names = _names(fields)
    return tuple(_passage(row, names) for row in _rows(Path(path)))


def load_questions(path: str | Path, fields: Fields | None = None) -> tuple[Question, ...]:
    """Read questions. Without an id a question is called by its line. Raises as `load_corpus` does."""
    names = _names(fields)
    found = []
    for row in _rows(Path(path)):
        given = (
            _cell(row, names["answer"], "answer")
            if names["answer"] in row.cells
            else row.cells.get("answers")
        )
        answers = tuple(
            str(a).strip()
            for a in (given if isinstance(given, list) else [given])
            if str(a or "").strip()
        )
        if not answers:
            raise DataError(
                f"{row.where}: field {names['answer']!r} (for answer) is missing or empty: give a text or a list of texts"
            )
        name = str(row.cells.get(names["id"], row.number))
        found.append(Question(name, _text(row, names["question"], "question"), answers))
    return tuple(found)


def passages_of(paths: Sequence[str | Path], fields: Fields | None = None) -> tuple[Passage, ...]:
    """The passages that stand with the questions of files, each once. Raises as `load_corpus` does."""
    names = _names(fields)
    texts: dict[tuple[str, str], None] = {}
    for path in paths:
        for row in _rows(Path(path)):
            if names["context"] not in row.cells:
                raise DataError(
                    f"{row.where}: there is no field {names['context']!r} with passages: give a corpus, or say which field has them"
                )
            for title, text in _context(row, row.cells[names["context"]]):
                texts[title, text] = None
    return tuple(Passage(str(number), title, text) for number, (title, text) in enumerate(texts))


def _context(row: Row, cell: Any) -> Iterator[tuple[str, str]]:
    """Titles and texts: a list of pairs or of objects, or an object of two lists; texts may be
    lists of sentences.
    """
    if isinstance(cell, Mapping) and isinstance(cell.get("title"), list):
        cell = list(zip(cell["title"], cell.get("sentences", cell.get("text", [])), strict=False))
    if not isinstance(cell, list):
        raise DataError(
            f"{row.where}: the passages of a question are a list of pairs of title and text, or of objects with both"
        )
    for part in cell:
        pair = (
            (part.get("title"), part.get("sentences", part.get("text")))
            if isinstance(part, Mapping)
            else part
        )
        if (
            not isinstance(pair, Sequence)
            or len(pair) != 2
            or not isinstance(pair[0], str)
            or not isinstance(pair[1], list | str)
        ):
            raise DataError(
                f"{row.where}: {json.dumps(part)[:60]} is no passage: give a title and a text, or a list of sentences"
            )
        text = (
            pair[1]
            if isinstance(pair[1], str)
            else " ".join(str(sentence).strip() for sentence in pair[1])
        )
        yield _line(pair[0]), _line(text)


def _passage(row: Row, names: Fields) -> Passage:
    name = str(row.cells.get(names["passage_id"], row.number))
    if names["text"] not in row.cells and names["contents"] in row.cells:
        title, _, text = _text(row, names["contents"], "contents", lines=True).partition("\n")
        return (
            Passage(name, _line(title.strip().strip('"')), _line(text))
            if text.strip()
            else Passage(name, "", _line(title))
        )
    title = _text(row, names["title"], "title") if row.cells.get(names["title"]) else ""
    return Passage(name, title, _text(row, names["text"], "text"))


def _names(fields: Fields | None) -> dict[str, str]:
    chosen = dict(fields or {})
    for key in chosen:
        if key not in DEFAULTS and key != "preset":
            raise unknown(
                "field", key, {*DEFAULTS, "preset"}, "what describes passages and questions"
            )
    preset = chosen.pop("preset", "nq")
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS, "what describes passages and questions")
    return {**DEFAULTS, **PRESETS[preset], **chosen}


def _rows(path: Path) -> Iterator[Row]:
    if not path.is_file():
        raise DataError(
            f"{path} does not exist: give a file of JSON lines, one passage or question a line"
        )
    with path.open(encoding="utf8") as lines:
        try:
            if path.suffix == ".json":
                rows = json.load(lines)
                if not isinstance(rows, list):
                    raise DataError(f"{path} is not a list: for one object a line, call it .jsonl")
                yield from (
                    _row(f"{path} row {number}", number, cells)
                    for number, cells in enumerate(rows, start=1)
                )
                return
        except ValueError as problem:
            raise DataError(
                f"{path} is not JSON ({problem}): for one object a line, call it .jsonl"
            ) from problem
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    cells = json.loads(line)
                except ValueError as problem:
                    raise DataError(
                        f"{path} line {number} is not JSON ({problem}): each line is one object"
                    ) from problem
                yield _row(f"{path} line {number}", number, cells)


def _row(where: str, number: int, cells: Any) -> Row:
    if not isinstance(cells, dict):
        raise DataError(f"{where} is not a JSON object: give one with its fields")
    return Row(where, number, cells)


def _cell(row: Row, name: str, meaning: str) -> Any:
    if name not in row.cells:
        has = ", ".join(map(str, row.cells)) or "none"
        raise DataError(
            f"{row.where}: there is no field {name!r} (for {meaning}); the fields are {has}: say which one it is"
        )
    return row.cells[name]


def _text(row: Row, name: str, meaning: str, lines: bool = False) -> str:
    found = _cell(row, name, meaning)
    if not isinstance(found, str) or not found.strip():
        raise DataError(
            f"{row.where}: field {name!r} (for {meaning}) is not a text, or empty: correct or drop the row"
        )
    return found if lines else _line(found)


def _line(text: str) -> str:
    """One line: a passage is shown as one."""
    return " ".join(text.split())
