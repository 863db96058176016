"""Rows of every data set are read into one record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.envs.swe.rows.published_rows import F2P, P2P, R2E_GYM, SWE_BENCH, SWE_REBENCH, SWE_SMITH
from turnwise.envs.swe.rows.published import PYTEST, detect_family, parse_row, read_rows
from turnwise.errors import ConfigError, DataError


def test_a_swe_bench_row_has_the_published_image_and_its_lists_from_text() -> None:
    made = parse_row(SWE_BENCH)
    assert (
        made.family == "swe_bench"
        and made.image == "swebench/sweb.eval.x86_64.own_1776_tally-7:latest"
    )
    assert made.fail_to_pass == tuple(F2P) and made.pass_to_pass == tuple(P2P)
    assert (
        made.test_files == ("tests/test_words.py",)
        and made.command == f"{PYTEST} tests/test_words.py"
    )
    assert (
        made.workdir == "/testbed"
        and "conda activate testbed" in made.setup
        and made.parser == "pytest"
    )


def test_a_row_of_swe_bench_5_says_image_script_and_parser_itself() -> None:
    made = parse_row(
        {
            **SWE_BENCH,
            "image": "x/y:1",
            "eval_script": "pytest",
            "log_parser": "parse_log_pytest_options",
        }
    )
    assert (made.image, made.script, made.parser) == ("x/y:1", "pytest", "pytest_options")


def test_django_names_modules_not_files() -> None:
    patch = (
        "diff --git a/tests/auth_tests/test_forms.py b/tests/auth_tests/test_forms.py\n"
        "--- a/x\n"
        "+++ b/x\n"
    )
    patch += "diff --git a/tests/auth_tests/x.json b/tests/auth_tests/x.json\n"
    made = parse_row({**SWE_BENCH, "repo": "django/django", "test_patch": patch})
    assert made.parser == "django" and made.command.endswith("--parallel 1 auth_tests.test_forms")


def test_swe_gym_has_images_of_its_own_and_must_be_named() -> None:
    assert detect_family(SWE_BENCH) == "swe_bench"
    assert (
        parse_row(SWE_BENCH, "swe_gym").image == "xingyaoww/sweb.eval.x86_64.own_s_tally-7:latest"
    )


def test_a_swe_smith_patch_is_the_bug() -> None:
    made = parse_row(SWE_SMITH)
    assert made.family == "swe_smith" and made.bug == SWE_SMITH["patch"] and made.gold == ""
    assert made.image == "own/tally-whole:1" and made.test_files == ("tests/test_words.py",)


def test_an_r2e_row_expects_a_status_of_every_test() -> None:
    made = parse_row(R2E_GYM)
    assert (
        made.family == "r2e_gym"
        and made.image == "own/tally_final:1234abcd"
        and made.command == "bash /root/run_tests.sh"
    )
    assert (
        made.expected["test_title"] == "PASSED"
        and made.parser == "r2e"
        and made.id == "tally_final_1234abcd"
    )


def test_a_rebench_row_brings_command_and_parser() -> None:
    made = parse_row(SWE_REBENCH)
    assert (
        made.family == "swe_rebench"
        and made.command == "pytest --no-header -rA --tb=line tests/test_words.py"
    )
    second = parse_row(
        {
            **SWE_REBENCH,
            "language": "python",
            "install_config": json.dumps({"test_cmd": ["a", "b"], "log_parser": "x"}),
        }
    )
    assert second.workdir == "/tally" and second.test_command == "a && b" and second.parser == "x"


@pytest.mark.parametrize("name", ["all.jsonl", "all.json"])
def test_files_of_rows_are_read(name: str, tmp_path: Path) -> None:
    records = [SWE_BENCH, SWE_SMITH]
    text = (
        json.dumps(records)
        if name.endswith(".json")
        else "\n".join(map(json.dumps, records)) + "\n\n"
    )
    (tmp_path / name).write_text(text)
    assert [made.family for made in read_rows(tmp_path / name)] == ["swe_bench", "swe_smith"]


def test_parquet_is_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")

    parquet.write_table(pyarrow.Table.from_pylist([SWE_BENCH]), tmp_path / "rows.parquet")
    assert next(read_rows(tmp_path / "rows.parquet")) == parse_row(SWE_BENCH)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"instance_id": "x", "repo": "a/b"}, "FAIL_TO_PASS"),
    ({**SWE_BENCH, "FAIL_TO_PASS": "[]"}, "names no test"),
    ({**SWE_BENCH, "FAIL_TO_PASS": "[1]"}, "list of texts"),
    ({**SWE_BENCH, "FAIL_TO_PASS": "[torn"}, "cannot be read"),
    ({**SWE_REBENCH, "docker_image": ""}, "no image"),
]


@pytest.mark.parametrize(
    "record, words", WRONG, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_row_without_what_it_needs_says_so(record: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        parse_row(record)


def test_wrong_files_and_families_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'swe_smith'"):
        parse_row(SWE_BENCH, "swe_smit")
    with pytest.raises(DataError, match="does not exist"):
        list(read_rows(tmp_path / "none.jsonl"))
    (tmp_path / "torn.jsonl").write_text('{"instance_id": ')
    with pytest.raises(DataError, match="not valid JSON"):
        list(read_rows(tmp_path / "torn.jsonl"))
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(DataError, match="row 1 is not an object"):
        list(read_rows(tmp_path / "other.json"))
