from __future__ import annotations

import importlib.util
import json
import sys
import types
from pathlib import Path

import pytest

from tests.envs.tool_math import math_files
from turnwise.envs.tool_math import Problem, load_problems
from turnwise.envs.tool_math.presets import PRESETS
from turnwise.errors import ConfigError, DataError


def lines(folder: Path, *rows: object, name: str = "some.jsonl") -> str:
    file = folder / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf8")
    return str(file)


def test_plain_fields(tmp_path: Path) -> None:
    file = lines(tmp_path, {"question": "1+1?", "answer": 2}, {"question": "2+2?", "answer": "4"})
    assert load_problems(file) == (Problem("some/1", "1+1?", "2"), Problem("some/2", "2+2?", "4"))
    assert len(load_problems(file, limit=1)) == 1


def test_fields_by_name_with_level_id_and_code(tmp_path: Path) -> None:
    row = {
        "problem": "?",
        "solution": r"so $\boxed{\frac12}$",
        "lv": "Level 4",
        "key": "k",
        "py": "print(0.5)",
    }
    fields = {
        "question": "problem",
        "answer": "solution",
        "answer_from": "boxed",
        "level": "lv",
        "id": "key",
        "code": "py",
        "source": "S",
    }
    found = load_problems(lines(tmp_path, row), fields)
    assert found == (Problem("k", "?", r"\frac12", 4, "S", "print(0.5)", ("source=S", "level=4")),)


def test_gsm8k_is_read_as_published(tmp_path: Path) -> None:
    row = {"question": "How many?", "answer": "1000 + 80 = 1,080\n#### 1,080"}
    assert load_problems(lines(tmp_path, row), {"preset": "gsm8k"})[0].answer == "1,080"


def test_the_official_gsm8k_files() -> None:
    train = load_problems(math_files.path("gsm8k_train.jsonl"), {"preset": "gsm8k"})
    assert len(train) == 7473 and train[0].answer == "72" and train[0].source == "GSM8K"
    test = load_problems(
        math_files.path("gsm8k_test.jsonl"),
        {"question": "problem", "answer": "solution", "answer_from": "gsm8k", "id": "id"},
    )
    plain = load_problems(math_files.path("gsm8k_test.jsonl"), {"question": "problem"})
    assert len(test) == len(plain) == 1319
    assert [p.answer.replace(",", "") for p in test] == [p.answer.replace(",", "") for p in plain]


def test_the_math_sample() -> None:
    found = load_problems(
        math_files.path("math_train_sample.jsonl"),
        {"question": "problem", "id": "id", "level": "level"},
    )
    assert {p.level for p in found} <= {3, 4, 5} and len(found) >= 1990


def test_records_in_records_and_instructions_around_a_question(tmp_path: Path) -> None:
    asked = "Solve the following math problem step by step. So.\n\nWhat is\n\n$2+2$?\n\n"
    asked += "Remember to put your answer there."
    row = {
        "prompt": [{"role": "user", "content": asked}],
        "reward_model": {"ground_truth": ["4"], "style": "rule"},
    }
    found = load_problems(lines(tmp_path, row, row), {"preset": "dapo_math"})
    assert [(p.question, p.answer) for p in found] == [("What is\n\n$2+2$?", "4")], (
        "the copies of a problem are one"
    )


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_an_address_and_fields(name: str) -> None:
    preset = PRESETS[name]
    assert (
        preset["hub"].count("/") == 1
        and preset["question"]
        and preset["answer"]
        and preset["source"]
    )


@pytest.mark.parametrize(
    ("row", "fields", "says"),
    [
        (
            {"question": "?"},
            {},
            "line 2: there is no field 'answer' (for answer); the fields are question",
        ),
        ({"problem": "?", "answer": "1"}, {}, "line 2: there is no field 'question'"),
        ({"question": "?", "answer": ""}, {}, "line 2: field 'answer' (for answer) is empty"),
        ({"question": "?", "answer": None}, {}, "field 'answer' (for answer) is a NoneType"),
        ({"question": "?", "answer": True}, {}, "is a bool"),
        (
            {"question": "?", "answer": "18"},
            {"answer_from": "gsm8k"},
            "has no line that begins with ####",
        ),
        ({"question": "?", "answer": "18"}, {"answer_from": "boxed"}, "has no \\boxed{} answer"),
        ([1, 2], {}, "line 2 is not a JSON object"),
    ],
)
def test_bad_rows_are_named_by_file_line_and_field(
    tmp_path: Path, row: object, fields: dict[str, str], says: str
) -> None:
    good = {"question": "a", "answer": "so \\boxed{1}\n#### 1"}
    file = lines(tmp_path, good, row)
    with pytest.raises(DataError) as raised:
        load_problems(file, fields)
    assert says in str(raised.value) and "some.jsonl" in str(raised.value)


def test_bad_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_problems(tmp_path / "none.jsonl")
    (tmp_path / "torn.jsonl").write_text('{"question": "a", "answer": "1"}\n{"quest')
    with pytest.raises(DataError, match="line 2 is not JSON"):
        load_problems(tmp_path / "torn.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(DataError, match="no problems"):
        load_problems(tmp_path / "empty.jsonl")
    (tmp_path / "one.json").write_text('{"question": "a"}')
    with pytest.raises(DataError, match="list"):
        load_problems(tmp_path / "one.json")
    (tmp_path / "two.json").write_text('[{"question": "a", "answer": 1.5}]')
    assert load_problems(tmp_path / "two.json")[0].answer == "1.5"


def test_bad_fields_name_the_nearest(tmp_path: Path) -> None:
    file = lines(tmp_path, {"question": "a", "answer": "1"})
    with pytest.raises(ConfigError, match="did you mean 'question'"):
        load_problems(file, {"questoin": "a"})
    with pytest.raises(ConfigError, match="did you mean 'gsm8k'"):
        load_problems(file, {"preset": "gsm8"})
    with pytest.raises(ConfigError, match="answer_from"):
        load_problems(file, {"answer_from": "box"})


def test_the_hub_is_asked_by_address_and_split(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def load_dataset(
        address: str, config: str | None, *, split: str, revision: str | None
    ) -> list[dict[str, str]]:
        asked.append((address, config, split, revision))
        if split == "nowhere":
            raise ValueError("unknown split")
        return [{"question": "?", "answer": "x\n#### 7"}]

    monkeypatch.setitem(
        sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset, __spec__=object())
    )
    assert load_problems("gsm8k", {"split": "test"})[0].answer == "7"
    assert load_problems("hf:openai/gsm8k", {"preset": "gsm8k"})[0].id == "GSM8K/1"
    assert asked == [
        ("openai/gsm8k", "main", "test", None),
        ("openai/gsm8k", "main", "train", None),
    ]
    with pytest.raises(DataError, match="nowhere"):
        load_problems("gsm8k", {"split": "nowhere"})


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "a.parquet").write_bytes(b"")
    with pytest.raises(ConfigError, match="pip install pyarrow"):
        load_problems(tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="pip install datasets"):
        load_problems("math500")


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(
        pyarrow.table({"problem": ["1+1?"], "answer": ["2"]}), tmp_path / "a.parquet"
    )
    assert load_problems(tmp_path / "a.parquet", {"question": "problem"})[0].answer == "2"
    (tmp_path / "b.parquet").write_bytes(b"PAR")
    with pytest.raises(DataError, match="not a parquet file"):
        load_problems(tmp_path / "b.parquet")
