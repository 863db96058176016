"""Load problems from JSON lines, parquet or the Hugging Face hub, given the names of their columns.

    load_problems("gsm8k_test.jsonl", {"preset": "gsm8k"})
    load_problems(
        "mine.jsonl", {"question": "problem", "answer": "solution", "answer_from": "boxed"}
    )
    load_problems("hf:HuggingFaceH4/MATH-500", {"preset": "math500"})

Question and answer of every problem must not be empty. Errors name file, line and field.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from turnwise.envs.tool_math.answers import gsm8k_answer, solution_answer
from turnwise.envs.tool_math.presets import PRESETS, Fields
from turnwise.envs.tool_math.problems import Problem
from turnwise.errors import ConfigError, DataError, unknown

DataRow: TypeAlias = Mapping[str, Any]
HUB_PREFIX = "hf:"
COLUMNS = {"question", "answer", "id", "level", "code"}
"""Fields whose value names a column."""
SETTINGS = {"preset", "answer_from", "source", "inside", "hub", "config", "split", "revision"}
"""Fields whose value is a setting."""
ANSWERS_FROM = ("plain", "gsm8k", "boxed")
"""Place of the answer in its column: all of it, after the last `####`, or in the last box."""


def load_problems(
    source: str | Path, fields: Fields | None = None, *, limit: int | None = None
) -> tuple[Problem, ...]:
    """Load problems, without duplicates of question and answer.

    Args:
        source: a file `.jsonl`, `.json` (a list) or `.parquet` (needs pyarrow);
            `hf:<owner>/<name>`, which needs `datasets` and the network or its cache; or the name of
            a preset, for its address on the hub.
        fields: names of the columns `question`, `answer`, `id`, `level`, `code` (the defaults of
            the first two are their own names); `answer_from`: `plain`, `gsm8k` or `boxed`;
            `source`, a name for the problems; `preset`, one of `turnwise.envs.tool_math.presets`,
            whose fields the others override; `inside`, the beginnings of a first and a last
            paragraph to drop from a question, joined by `|`; and for the hub `config`, `split`,
            `revision`.
        limit: largest number of problems.

    Raises:
        ConfigError: for unknown fields or presets, or a library that is not installed.
        DataError: for a file that is missing or malformed, and for a row without question or
            answer.
    """
    name = str(source)
    if name in PRESETS and not Path(name).exists():
        fields = {"preset": name, **(fields or {})}
        name = HUB_PREFIX + PRESETS[name]["hub"]
    chosen = _chosen(fields or {})
    problems: dict[tuple[str, str], Problem] = {}
    for number, row in _rows(name, chosen):
        where = f"{name} {'row' if name.startswith(HUB_PREFIX) else 'line'} {number}"
        found = _problem(row, chosen, where, number)
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


def _rows(name: str, chosen: Fields) -> Iterator[tuple[int, DataRow]]:
    """Yield rows with their numbers, from 1."""
    if name.startswith(HUB_PREFIX):
        yield from enumerate(_hub(name.removeprefix(HUB_PREFIX), chosen), start=1)
        return
    path = Path(name)
    if not path.is_file():
        raise DataError(
            f"{path} does not exist: give a file of problems, {HUB_PREFIX}<owner>/<name>, "
            f"or one of {', '.join(sorted(PRESETS))}"
        )
    if path.suffix == ".parquet":
        yield from enumerate(_parquet(path), start=1)
    elif path.suffix == ".json":
        yield from _json_list(path)
    else:
        yield from _json_lines(path)


def _json_lines(path: Path) -> Iterator[tuple[int, DataRow]]:
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
                    f"{path} line {number} is not a JSON object: "
                    "each line is one problem with its fields"
                )
            yield number, row


def _json_list(path: Path) -> Iterator[tuple[int, DataRow]]:
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


def _parquet(path: Path) -> Iterator[DataRow]:
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


def _hub(address: str, chosen: Fields) -> Iterable[DataRow]:
    if importlib.util.find_spec("datasets") is None:
        raise ConfigError(
            f"reading {address} from the hub needs datasets: pip install datasets, "
            "or give a file you have"
        )
    import datasets

    split = chosen.get("split", "train")
    try:
        rows: Iterable[DataRow] = datasets.load_dataset(
            address, chosen.get("config"), split=split, revision=chosen.get("revision")
        )
    except Exception as problem:  # a dozen classes, for what is missing, private or offline
        raise DataError(
            f"{address} (split {split!r}) cannot be read from the hub: "
            f"{type(problem).__name__}: {problem}"
        ) from problem
    return rows


def _problem(row: DataRow, chosen: Fields, where: str, number: int) -> Problem:
    question = _inside(_text(row, "question", chosen, where), chosen.get("inside", ""))
    raw = _text(row, "answer", chosen, where)
    answer = _answer(raw, chosen["answer_from"])
    if not answer:
        wanted = {
            "gsm8k": "has no line that begins with ####",
            "boxed": "has no \\boxed{} answer",
        }.get(chosen["answer_from"], "is empty")
        raise DataError(
            f"{where}: field {chosen['answer']!r} {wanted}, so there is no reference answer: "
            "correct or remove the row"
        )
    source = chosen.get("source", "")
    if "id" in chosen:
        name = _text(row, "id", chosen, where)
    else:
        name = f"{source or Path(where.split(' line ')[0]).stem}/{number}"
    level = _level(_text(row, "level", chosen, where)) if "level" in chosen else 0
    code = _text(row, "code", chosen, where) if "code" in chosen else ""
    tags = [f"source={source}"] * bool(source) + [f"level={level}"] * bool(level)
    return Problem(name, question, answer, level, source, code, tuple(tags))


def _text(row: DataRow, field: str, chosen: Fields, where: str) -> str:
    """Return the text of a column; dots lead into records, numbers into lists."""
    column, value = chosen[field], row
    found: Any = value
    # The name of a column may itself contain dots.
    for part in [column] if column in row else column.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            has = ", ".join(map(str, row)) or "none"
            raise DataError(
                f"{where}: there is no field {column!r} (for {field}); the fields are {has}: name "
                "the right one in fields="
            )
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise DataError(
            f"{where}: field {column!r} (for {field}) is a {type(found).__name__}: give text or a "
            "number"
        )
    text = str(found).strip()
    if not text and field != "code":
        raise DataError(
            f"{where}: field {column!r} (for {field}) is empty: correct or remove the row"
        )
    return text


def _answer(raw: str, answer_from: str) -> str | None:
    if answer_from == "gsm8k":
        return gsm8k_answer(raw)
    return solution_answer(raw) if answer_from == "boxed" else raw


def _level(text: str) -> int:
    """Return the number in a level such as "Level 4" or 4; 0 if there is none ("Level ?")."""
    digits = "".join(letter for letter in text if letter.isdecimal())
    return int(digits) if digits else 0


def _inside(question: str, marks: str) -> str:
    """Return a question without its first and last paragraph, if they begin as in `marks`.

    `marks` is the beginning of the first, `|`, and the beginning of the last.
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
