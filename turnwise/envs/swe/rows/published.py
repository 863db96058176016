"""Rows of published data sets of repair tasks.

SWE-bench (Verified, Lite), SWE-Gym, SWE-smith, R2E-Gym and SWE-rebench.

The data sets differ in field names and in where the tests come from. A `SweRow` states the same for
all: the image, the directory of the repository in it, the test command, the parser of its log, and
which tests must pass. Nothing is downloaded; files are read as published (JSON lines, JSON,
parquet).

Fields: SWE-bench 5 (`instance_id`, `repo`, `base_commit`, `patch`, `test_patch`,
`problem_statement`, `FAIL_TO_PASS`, `PASS_TO_PASS`, `version`, and since 5.0 `image`,
`eval_script`, `log_parser`); SWE-smith (`image_name`; its `patch` makes the bug); R2E-Gym
(`docker_image`, `expected_output_json`); SWE-rebench (`docker_image`, `install_config` with
`test_cmd`, `log_parser`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from turnwise.errors import DataError, unknown

Family = Literal["swe_bench", "swe_gym", "swe_smith", "r2e_gym", "swe_rebench"]
FAMILIES: tuple[Family, ...] = ("swe_bench", "swe_gym", "swe_smith", "r2e_gym", "swe_rebench")
PYTEST = "pytest -rA"
CONDA = "source /opt/miniconda3/bin/activate && conda activate testbed"
"""Setup of Python in the images of SWE-bench, SWE-Gym, SWE-smith and SWE-rebench."""
COMMANDS = {
    "django/django": "./tests/runtests.py --verbosity 2 --settings=test_sqlite --parallel 1",
    "sympy/sympy": "PYTHONWARNINGS='ignore::UserWarning,ignore::SyntaxWarning' bin/test -C "
    "--verbose",
    "sphinx-doc/sphinx": "tox --current-env -epy39 -v --",
    "astropy/astropy": "pytest -rA -vv -o console_output_style=classic --tb=no",
    "mwaskom/seaborn": "pytest --no-header -rA",
}
"""Test commands of SWE-bench other than `pytest -rA`, for rows without one of their own."""
PARSERS = {
    "django/django": "django",
    "sympy/sympy": "sympy",
    "psf/requests": "pytest_options",
    "pylint-dev/pylint": "pytest_options",
}
NOT_TESTS = (
    ".json", ".png", ".csv", ".txt", ".md", ".jpg", ".jpeg", ".pkl", ".yml", ".yaml", ".toml",
    ".html", ".xml", ".inv",
)  # fmt: skip
"""Suffixes of files in a test patch that are not passed to the test command."""


@dataclass(frozen=True, slots=True)
class SweRow:
    """One task of a published data set."""

    id: str
    family: Family
    repo: str
    base_commit: str
    issue: str
    fail_to_pass: tuple[str, ...]
    pass_to_pass: tuple[str, ...]
    image: str
    gold: str
    """The repair as a unified diff; empty if it is the inverse of `bug`, or not published."""
    bug: str = ""
    """A diff that is applied first and makes the bug (SWE-smith)."""
    test_patch: str = ""
    workdir: str = "/testbed"
    test_command: str = PYTEST
    setup: str = CONDA
    """Commands before the test command, in the same shell."""
    parser: str = "pytest"
    """One of `turnwise.envs.swe.rows.logs.PARSERS`."""
    script: str = ""
    """The row's own evaluation script, in place of setup, test patch and command."""
    expected: Mapping[str, str] = field(default_factory=dict)
    """R2E-Gym: the status of every test; all must match."""
    version: str = ""

    @property
    def test_files(self) -> tuple[str, ...]:
        """Files written by the test patch or, without one, the files of the tests."""
        named = re.findall(r"^diff --git a/.* b/(.*)$", self.test_patch, re.MULTILINE)
        ids = (
            test.partition("::")[0]
            for test in (*self.fail_to_pass, *self.pass_to_pass)
            if "::" in test
        )
        return tuple(dict.fromkeys(named or sorted(ids)))

    @property
    def command(self) -> str:
        """The test command with its arguments."""
        files = [] if self.family == "r2e_gym" else self._directives()
        return " ".join([self.test_command, *files])

    def _directives(self) -> list[str]:
        files = [path for path in self.test_files if not path.endswith(NOT_TESTS)]
        if "runtests.py" not in self.test_command:
            return files
        return [path.removesuffix(".py").removeprefix("tests/").replace("/", ".") for path in files]


def read_rows(path: str | Path, family: str = "") -> Iterator[SweRow]:
    """Read the rows of a published file: JSON lines, a JSON list, or parquet (needs pyarrow).

    Args:
        family: the data set, one of `FAMILIES`; empty to detect it from the fields. SWE-Gym has the
            fields of SWE-bench but other images, and must be named.

    Raises:
        DataError: for a missing file, another format, or an incomplete row.
        ConfigError: for an unknown family.
    """
    source = Path(path)
    if not source.is_file():
        raise DataError(
            f"{source} does not exist: give a file of rows (JSON lines, JSON or parquet)"
        )
    for number, record in enumerate(_records(source), start=1):
        if not isinstance(record, dict):
            raise DataError(f"{source}: row {number} is not an object")
        yield parse_row(record, family, f"{source} row {number}")


def _records(source: Path) -> Iterator[Any]:
    if source.suffix == ".parquet":
        try:
            import pyarrow.parquet
        except ImportError:
            raise DataError(
                f"{source} is parquet, which needs pyarrow: pip install pyarrow"
            ) from None
        yield from pyarrow.parquet.read_table(source).to_pylist()
        return
    text = source.read_text("utf8")
    try:
        if text.lstrip().startswith("["):
            yield from json.loads(text)
        else:
            yield from (json.loads(line) for line in text.splitlines() if line.strip())
    except json.JSONDecodeError as problem:
        raise DataError(
            f"{source} is not valid JSON ({problem.msg}, line {problem.lineno}): the file was cut "
            "off or edited"
        ) from None


def parse_row(record: Mapping[str, Any], family: str = "", where: str = "the row") -> SweRow:
    """Convert one published record. Raises as `read_rows` does."""
    kind = family or detect_family(record)
    if kind not in FAMILIES:
        raise unknown("family of rows", kind, FAMILIES)
    try:
        row = _MAKE[kind](record)
    except (KeyError, TypeError, ValueError) as problem:
        what = (
            f"has no field {problem}"
            if isinstance(problem, KeyError)
            else f"cannot be read ({problem})"
        )
        raise DataError(f"{where} is not of {kind}: it {what}") from None
    if not row.fail_to_pass and not row.expected:
        raise DataError(f"{where} ({row.id}) names no test that should pass")
    if not PurePosixPath(row.workdir).is_absolute() or not row.image:
        raise DataError(
            f"{where} ({row.id}) has no image, or a working directory that is not absolute"
        )
    return row


def detect_family(record: Mapping[str, Any]) -> Family:
    """Return the family that a record's fields belong to."""
    if "expected_output_json" in record:
        return "r2e_gym"
    if record.get("install_config"):
        return "swe_rebench"
    return "swe_smith" if str(record.get("repo", "")).startswith("swesmith/") else "swe_bench"


def tests(value: Any) -> tuple[str, ...]:
    """Return a list of tests, published as a list or as its JSON text."""
    found = json.loads(value) if isinstance(value, str) else value
    if (
        found is None
        or isinstance(found, Mapping)
        or not all(isinstance(name, str) for name in found)
    ):
        raise ValueError("tests are named by a list of texts")
    return tuple(found)


def _common(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(record["instance_id"]),
        "repo": str(record["repo"]),
        "base_commit": str(record.get("base_commit") or "HEAD"),
        "issue": str(record.get("problem_statement") or ""),
        "fail_to_pass": tests(record["FAIL_TO_PASS"]),
        "pass_to_pass": tests(record["PASS_TO_PASS"]),
        "gold": str(record.get("patch") or ""),
        "test_patch": str(record.get("test_patch") or ""),
        "version": str(record.get("version") or ""),
    }


def _swe_bench(record: Mapping[str, Any]) -> SweRow:
    repo = str(record["repo"])
    identifier = str(record["instance_id"]).lower().replace("__", "_1776_")
    return SweRow(
        **_common(record),
        family="swe_bench",
        image=str(record.get("image") or f"swebench/sweb.eval.x86_64.{identifier}:latest"),
        test_command=COMMANDS.get(repo, PYTEST),
        script=str(record.get("eval_script") or ""),
        parser=_parser(record.get("log_parser"), PARSERS.get(repo, "pytest")),
    )


def _swe_gym(record: Mapping[str, Any]) -> SweRow:
    identifier = str(record["instance_id"]).lower().replace("__", "_s_")
    return SweRow(
        **_common(record),
        family="swe_gym",
        image=str(record.get("image") or f"xingyaoww/sweb.eval.x86_64.{identifier}:latest"),
        test_command=str(record.get("test_cmd") or PYTEST),
    )


def _swe_smith(record: Mapping[str, Any]) -> SweRow:
    known = _common(record)
    known["bug"], known["gold"] = known["gold"], ""
    return SweRow(
        **known,
        family="swe_smith",
        image=str(record["image_name"]),
        test_command=str(record.get("test_cmd") or PYTEST),
    )


def _r2e_gym(record: Mapping[str, Any]) -> SweRow:
    expected = json.loads(record["expected_output_json"])
    passing = tuple(sorted(name for name, status in expected.items() if status == "PASSED"))
    image = str(record["docker_image"])
    return SweRow(
        id=str(record.get("instance_id") or image.rpartition("/")[2].replace(":", "_")),
        family="r2e_gym",
        repo=str(record["repo_name"]),
        base_commit=f"{record.get('commit_hash') or 'HEAD'}",
        fail_to_pass=passing,
        pass_to_pass=(),
        issue=str(record.get("problem_statement") or ""),
        image=image,
        gold="",
        expected=expected,
        setup="true",
        test_command="bash /root/run_tests.sh",
        parser="r2e",
    )


def _swe_rebench(record: Mapping[str, Any]) -> SweRow:
    config = record["install_config"]
    config = json.loads(config) if isinstance(config, str) else config
    command = config.get("test_cmd") or PYTEST
    image = record.get("docker_image") or record.get("image_name") or ""
    row = SweRow(
        **_common(record),
        family="swe_rebench",
        image=str(image),
        test_command=" && ".join(command) if isinstance(command, list) else str(command),
        parser=_parser(config.get("log_parser"), "pytest"),
    )
    if "language" not in record:
        return row
    # Second version: the directory has the repository's name, and Python needs no setup.
    return replace(row, workdir=f"/{row.repo.rpartition('/')[2]}", setup="true")


def _parser(name: Any, otherwise: str) -> str:
    """Return the parser for a published name (`parse_log_pytest_options`).

    The preflight reports unknown ones.
    """
    return str(name).removeprefix("parse_log_") if name else otherwise


_MAKE = {
    "swe_bench": _swe_bench,
    "swe_gym": _swe_gym,
    "swe_smith": _swe_smith,
    "r2e_gym": _r2e_gym,
    "swe_rebench": _swe_rebench,
}
