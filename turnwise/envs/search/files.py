"""Loading of corpora and questions from JSON lines or JSON lists.

    load_corpus("passages.jsonl")      # fields id, title, text
    load_questions("questions.jsonl")  # fields id, question, answer (a text, or a list of texts)
    load_questions("nq.jsonl", {"answer": "golden_answers"})
    # Passages that a file of questions contains:
    passages_of(["hotpot_dev_distractor_v1.json"], {"preset": "hotpotqa"})

Errors name the file, the line and the field.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from turnwise.envs.search.corpus import Passage, Question
from turnwise.errors import DataError, unknown

Fields = Mapping[str, str]
DEFAULTS = {
    "id": "id", "question": "question", "answer": "answer", "context": "context",
    "passage_id": "id", "title": "title", "text": "text", "contents": "contents",
}  # fmt: skip
"""Meaning of a field -> its default name. `contents` holds a title in quotes on the first line and
the text below it, and is read if there is no `text`; `context` holds the passages of a question."""
PRESETS: dict[str, dict[str, str]] = {
    "hotpotqa": {"id": "_id"},
    "nq": {},
    "search_r1": {"answer": "golden_answers"},
}
"""Field names of HotpotQA, of NQ-open, and of FlashRAG and Search-R1, whose corpus has `id` and
`contents`."""


class JsonRow(NamedTuple):
    """An object of a file."""

    where: str
    """File and line, for error messages."""
    number: int
    cells: Mapping[str, Any]


def load_corpus(path: str | Path, fields: Fields | None = None) -> tuple[Passage, ...]:
    """Read passages; one without an id gets its line number.

    Args:
        path: JSON lines, or a JSON list if the suffix is `.json`.
        fields: field names that differ from `DEFAULTS`, and `preset`.

    Raises:
        ConfigError: for an unknown field or preset.
        DataError: for a missing file, or a row that is not a passage.
    """
    names = _names(fields)
    return tuple(_passage(row, names) for row in _rows(Path(path)))


def load_questions(path: str | Path, fields: Fields | None = None) -> tuple[Question, ...]:
    """Read questions; one without an id gets its line number. Raises like `load_corpus`."""
    names = _names(fields)
    return tuple(_question(row, names) for row in _rows(Path(path)))


def _question(row: JsonRow, names: Fields) -> Question:
    given = row.cells.get(names["answer"] if names["answer"] in row.cells else "answers")
    several = given if isinstance(given, list) else [given]
    answers = tuple(str(answer).strip() for answer in several if str(answer or "").strip())
    if not answers:
        raise DataError(
            f"{row.where}: field {names['answer']!r} (for answer) is missing or empty: "
            "give a text or a list of texts"
        )
    name = str(row.cells.get(names["id"], row.number))
    return Question(name, _text(row, names["question"], "question"), answers)


def passages_of(paths: Sequence[str | Path], fields: Fields | None = None) -> tuple[Passage, ...]:
    """Return the passages that files of questions contain, each once. Raises like `load_corpus`."""
    names = _names(fields)
    texts: dict[tuple[str, str], None] = {}
    for path in paths:
        for row in _rows(Path(path)):
            if names["context"] not in row.cells:
                raise DataError(
                    f"{row.where}: there is no field {names['context']!r} with passages: give a "
                    "corpus, or name the field in fields="
                )
            for title, text in _context(row, row.cells[names["context"]]):
                texts[title, text] = None
    return tuple(Passage(str(number), title, text) for number, (title, text) in enumerate(texts))


def _context(row: JsonRow, cell: Any) -> Iterator[tuple[str, str]]:
    """Yield title and text of each passage of a question.

    The cell is a list of pairs, a list of objects or an object of two lists; a text may be a list
    of sentences.
    """
    if isinstance(cell, Mapping) and isinstance(cell.get("title"), list):
        cell = list(zip(cell["title"], cell.get("sentences", cell.get("text", [])), strict=False))
    if not isinstance(cell, list):
        raise DataError(
            f"{row.where}: the passages of a question are a list of pairs of title and text, "
            "or of objects with both"
        )
    for part in cell:
        pair = part
        if isinstance(part, Mapping):
            pair = part.get("title"), part.get("sentences", part.get("text"))
        if not (
            isinstance(pair, Sequence)
            and len(pair) == 2
            and isinstance(pair[0], str)
            and isinstance(pair[1], list | str)
        ):
            raise DataError(
                f"{row.where}: {json.dumps(part)[:60]} is not a passage: give a title and a text, "
                "or a list of sentences"
            )
        title, text = pair
        if isinstance(text, list):
            text = " ".join(str(sentence).strip() for sentence in text)
        yield _line(title), _line(text)


def _passage(row: JsonRow, names: Fields) -> Passage:
    name = str(row.cells.get(names["passage_id"], row.number))
    if names["text"] not in row.cells and names["contents"] in row.cells:
        title, _, text = _text(row, names["contents"], "contents", lines=True).partition("\n")
        if not text.strip():
            return Passage(name, "", _line(title))
        return Passage(name, _line(title.strip().strip('"')), _line(text))
    title = _text(row, names["title"], "title") if row.cells.get(names["title"]) else ""
    return Passage(name, title, _text(row, names["text"], "text"))


def _names(fields: Fields | None) -> dict[str, str]:
    chosen = dict(fields or {})
    for key in chosen:
        if key not in DEFAULTS and key != "preset":
            raise unknown("field", key, {*DEFAULTS, "preset"}, "passages and questions")
    preset = chosen.pop("preset", "nq")
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS, "passages and questions")
    return {**DEFAULTS, **PRESETS[preset], **chosen}


def _rows(path: Path) -> Iterator[JsonRow]:
    if not path.is_file():
        raise DataError(
            f"{path} does not exist: give a file of JSON lines, one passage or question a line"
        )
    with path.open(encoding="utf8") as file:
        if path.suffix == ".json":
            for number, cells in enumerate(_json_list(path, file), start=1):
                yield _row(f"{path} row {number}", number, cells)
            return
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    cells = json.loads(line)
                except ValueError as problem:
                    raise DataError(
                        f"{path} line {number} is not JSON ({problem}): each line is one object"
                    ) from problem
                yield _row(f"{path} line {number}", number, cells)


def _json_list(path: Path, file: TextIO) -> list[Any]:
    try:
        rows = json.load(file)
    except ValueError as problem:
        raise DataError(
            f"{path} is not JSON ({problem}): for one object a line, call it .jsonl"
        ) from problem
    if not isinstance(rows, list):
        raise DataError(f"{path} is not a list: for one object a line, call it .jsonl")
    return rows


def _row(where: str, number: int, cells: Any) -> JsonRow:
    if not isinstance(cells, dict):
        raise DataError(f"{where} is not a JSON object: give one with its fields")
    return JsonRow(where, number, cells)


def _cell(row: JsonRow, name: str, meaning: str) -> Any:
    if name not in row.cells:
        has = ", ".join(map(str, row.cells)) or "none"
        raise DataError(
            f"{row.where}: there is no field {name!r} (for {meaning}); the fields are {has}: name "
            "the right one in fields="
        )
    return row.cells[name]


def _text(row: JsonRow, name: str, meaning: str, lines: bool = False) -> str:
    found = _cell(row, name, meaning)
    if not isinstance(found, str) or not found.strip():
        raise DataError(
            f"{row.where}: field {name!r} (for {meaning}) is empty or not a text: correct or "
            "remove the row"
        )
    return found if lines else _line(found)


def _line(text: str) -> str:
    """Return `text` as one line, which is how a passage is shown."""
    return " ".join(text.split())
