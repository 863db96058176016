"""Problems that somebody has: JSON lines, parquet, or the Hugging Face hub, read by saying what
their columns are called.

    load_problems("gsm8k_test.jsonl", {"preset": "gsm8k"}) load_problems("mine.jsonl", {"question":
    "problem", "answer": "solution", "answer_from": "boxed"})
    load_problems("hf:HuggingFaceH4/MATH-500", {"preset": "math500"})

Every problem needs a question and an answer that is not empty; what is missing is named by file,
line and field, because a problem that cannot be answered would be graded for ever.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from turnwise.envs.tool_math.boxed import gsm8k_answer, solution_answer
from turnwise.envs.tool_math.presets import PRESETS, Fields
from turnwise.envs.tool_math.problems import Problem
from turnwise.errors import ConfigError, DataError, unknown

Row: TypeAlias = Mapping[str, Any]
HUB = "hf:"
COLUMNS = {"question", "answer", "id", "level", "code"}
"""Fields whose value is the name of a column."""
SETTINGS = {"preset", "answer_from", "source", "inside", "hub", "config", "split", "revision"}
"""Fields whose value means itself."""
ANSWERS_FROM = ("plain", "gsm8k", "boxed")
"""How a column gives the answer: as it stands, after the last `####`, in the last box."""


def load_problems(
    source: str | Path, fields: Fields | None = None, *, limit: int | None = None
) -> tuple[Problem, ...]:
    """Read problems. Of rows with the same question and answer the first is kept.

    Args:
        source: a file `.jsonl`, `.json` (a list) or `.parquet` (needs pyarrow);
            `hf:<owner>/<name>`, which needs `datasets` and the network or its cache; or the name of
            a preset, for the address it knows.
        fields: the columns `question`, `answer` (both needed, from here or from the preset), `id`,
            `level`, `code`; `answer_from`: `plain`, `gsm8k` or `boxed`; `source`, a name for the
            problems; `preset`, one of `turnwise.envs.tool_math.presets`, whose fields the others
            override; `inside`, two beginnings of paragraphs of instructions to drop around the
            question; and for the hub `config`, `split`, `revision`.
        limit: at most so many problems, from the start.

    Raises:
        ConfigError: for unknown fields or presets, or a library that is not installed.
        DataError: for a file that is not there or not what it claims, and for a row without
            question or answer.
    """
    name = str(source)
    if name in PRESETS and not Path(name).exists():
        fields = {"preset": name, **(fields or {})}
        name = HUB + PRESETS[name]["hub"]
    chosen = _chosen(fields or {})
    problems: dict[tuple[str, str], Problem] = {}
    for number, row in _rows(name, chosen):
        found = _problem(
            row,
            chosen,
            f"{name} line {number}" if not name.startswith(HUB) else f"{name} row {number}",
            number,
        )
        problems.setdefault((found.question, found.answer), found)
        if limit is not None and len(problems) >= limit:
            break
    if not problems:
        raise DataError(f"{name} has no problems: give a file with one problem a line")
    return tuple(problems.values())


def _chosen(fields: Fields) -> dict[str, str]:
    for key in fields:
        if key not in COLUMNS | SETTINGS:
            raise unknown("field", key, COLUMNS | SETTINGS, "what describes the problems")
    chosen = dict(fields)
    if "preset" in chosen:
        if chosen["preset"] not in PRESETS:
            raise unknown("preset", chosen["preset"], PRESETS, "the data sets of problems")
        chosen = {**PRESETS[chosen["preset"]], **chosen}
    chosen.setdefault("question", "question")
    chosen.setdefault("answer", "answer")
    chosen.setdefault("answer_from", "plain")
    if chosen["answer_from"] not in ANSWERS_FROM:
        raise unknown(
            "answer_from", chosen["answer_from"], ANSWERS_FROM, "what describes the problems"
        )
    return chosen


def _rows(name: str, chosen: Fields) -> Iterator[tuple[int, Row]]:
    """Rows with their numbers, from 1."""
    if name.startswith(HUB):
        yield from enumerate(_hub(name.removeprefix(HUB), chosen), start=1)
        return
    path = Path(name)
    if not path.is_file():
        raise DataError(
            f"{path} does not exist: give a file of problems, {HUB}<owner>/<name>, or one of {', '.join(sorted(PRESETS))}"
        )
    if path.suffix == ".parquet":
        yield from enumerate(_parquet(path), start=1)
    elif path.suffix == ".json":
        yield from _json_list(path)
    else:
        yield from _json_lines(path)


def _json_lines(path: Path) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as problem:
                raise DataError(
                    f"{path} line {number} is not JSON ({problem.msg}): each line is one problem"
                ) from problem
            if not isinstance(row, dict):
                raise DataError(
                    f"{path} line {number} is not a JSON object: each line is one problem with its fields"
                )
            yield number, row


def _json_list(path: Path) -> Iterator[tuple[int, Row]]:
    try:
        rows = json.loads(path.read_text(encoding="utf8"))
    except json.JSONDecodeError as problem:
        raise DataError(
            f"{path} is not JSON ({problem}): for one problem a line, call it .jsonl"
        ) from problem
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f"{path} is not a list of JSON objects: for one problem a line, call it .jsonl"
        )
    yield from enumerate(rows, start=1)


def _parquet(path: Path) -> Iterator[Row]:
    if importlib.util.find_spec("pyarrow") is None:
        raise ConfigError(
            f"reading {path} needs pyarrow: pip install pyarrow, or convert the file to JSON lines"
        )
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as problem:
        raise DataError(f"{path} is not a parquet file: {problem}") from problem
    for batch in table.iter_batches():
        yield from batch.to_pylist()


def _hub(address: str, chosen: Fields) -> Iterable[Row]:
    if importlib.util.find_spec("datasets") is None:
        raise ConfigError(
            f"reading {address} from the hub needs datasets: pip install datasets, or give a file you have"
        )
    import datasets

    split = chosen.get("split", "train")
    try:
        rows: Iterable[Row] = datasets.load_dataset(
            address, chosen.get("config"), split=split, revision=chosen.get("revision")
        )
    except (
        Exception
    ) as problem:  # the library raises a dozen kinds for what is missing, private or offline
        raise DataError(
            f"{address} (split {split!r}) cannot be read from the hub: {type(problem).__name__}: {problem}"
        ) from problem
    return rows


def _problem(row: Row, chosen: Fields, where: str, number: int) -> Problem:
    question = _inside(_text(row, "question", chosen, where), chosen.get("inside", ""))
    raw = _text(row, "answer", chosen, where)
    answer = _answer(raw, chosen["answer_from"])
    if not answer:
        wanted = {
            "gsm8k": "has no line that begins with ####",
            "boxed": "has no \\boxed{} answer",
        }.get(chosen["answer_from"], "is empty")
        raise DataError(
            f"{where}: field {chosen['answer']!r} {wanted}, so there is no reference answer: correct or drop the row"
        )
    source = chosen.get("source", "")
    name = (
        _text(row, "id", chosen, where)
        if "id" in chosen
        else f"{source or Path(where.split(' line ')[0]).stem}/{number}"
    )
    level = _level(_text(row, "level", chosen, where)) if "level" in chosen else 0
    code = _text(row, "code", chosen, where) if "code" in chosen else ""
    tags = tuple(
        tag
        for tag in (f"source={source}" if source else "", f"level={level}" if level else "")
        if tag
    )
    return Problem(name, question, answer, level, source, code, tags)


def _text(row: Row, field: str, chosen: Fields, where: str) -> str:
    """The text of a column; dots go into records, numbers into lists."""
    column, value = chosen[field], row
    found: Any = value
    # A column whose own name has a dot is itself.
    for part in [column] if column in row else column.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            has = ", ".join(map(str, row)) or "none"
            raise DataError(
                f"{where}: there is no field {column!r} (for {field}); the fields are {has}: say which one it is"
            )
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise DataError(
            f"{where}: field {column!r} (for {field}) is {type(found).__name__}, and text or a number is wanted"
        )
    text = str(found).strip()
    if not text and field != "code":
        raise DataError(
            f"{where}: field {column!r} (for {field}) is empty: correct or drop the row"
        )
    return text


def _answer(raw: str, answer_from: str) -> str | None:
    if answer_from == "gsm8k":
        return gsm8k_answer(raw)
    return solution_answer(raw) if answer_from == "boxed" else raw


def _level(text: str) -> int:
    """MATH writes "Level 4", others 4; 0 where there is no number ("Level ?")."""
    digits = "".join(letter for letter in text if letter.isdecimal())
    return int(digits) if digits else 0


def _inside(question: str, marks: str) -> str:
    """A question without a first and a last paragraph that begin as `marks` says, before and after
    a bar.
    """
    if not marks:
        return question
    before, _, after = marks.partition("|")
    paragraphs = question.split("\n\n")
    if len(paragraphs) > 1 and before and paragraphs[0].startswith(before):
        paragraphs = paragraphs[1:]
    if len(paragraphs) > 1 and after and paragraphs[-1].startswith(after):
        paragraphs = paragraphs[:-1]
    return "\n\n".join(paragraphs).strip()
