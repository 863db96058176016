"""Rows with the schemas of the data sets, over a repository of our own, and a log for
each parser.
"""

from __future__ import annotations

import difflib
import json
from typing import Any

F2P = ["tests/test_words.py::test_title"]
P2P = ["tests/test_words.py::test_total", "tests/test_words.py::test_total_more"]
BROKEN = {
    "tally/__init__.py": "",
    "tally/words.py": "def title(text):\n    return text\n\n\ndef total(values):\n"
    "    return sum(values)\n",
    "tests/test_words.py": "from tally.words import total\n\n\ndef test_total():\n"
    "    assert total([1, 2]) == 3\n",
}
FIXED = BROKEN["tally/words.py"].replace("return text", "return text.title()")
TESTS = (
    BROKEN["tests/test_words.py"].replace("import total", "import title, total")
    + "\n\ndef test_total_more():\n    assert total([]) == 0\n\n\ndef test_title():\n"
    "    assert title('a b') == 'A B'\n"
)


def diff(path: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(True), after.splitlines(True), f"a/{path}", f"b/{path}"
    )
    return f"diff --git a/{path} b/{path}\n" + "".join(lines)


GOLD = diff("tally/words.py", BROKEN["tally/words.py"], FIXED)
TEST_PATCH = diff("tests/test_words.py", BROKEN["tests/test_words.py"], TESTS)
SWE_BENCH: dict[str, Any] = {
    "instance_id": "Own__Tally-7", "repo": "own/tally", "base_commit": "HEAD", "patch": GOLD,
    "test_patch": TEST_PATCH, "problem_statement": "title() does nothing", "hints_text": "",
    "created_at": "2026-11-21T00:00:00Z", "version": "1.0", "FAIL_TO_PASS": json.dumps(F2P),
    "PASS_TO_PASS": json.dumps(P2P), "environment_setup_commit": "HEAD",
}  # fmt: skip
SWE_REBENCH: dict[str, Any] = {
    **SWE_BENCH,
    "FAIL_TO_PASS": F2P,
    "PASS_TO_PASS": P2P,
    "docker_image": "own/tally:1",
    "meta": {},
    "license_name": "MIT",
    "install_config": {
        "python": "3.11",
        "test_cmd": "pytest --no-header -rA --tb=line",
        "log_parser": "parse_log_pytest",
    },
}
SWE_SMITH: dict[str, Any] = {
    "instance_id": "own__tally.1234abcd.func_pm_remove_assign__x",
    "repo": "swesmith/own__tally.1234abcd",
    "patch": diff("tally/words.py", FIXED, BROKEN["tally/words.py"]), "FAIL_TO_PASS": F2P,
    "PASS_TO_PASS": P2P[:1], "image_name": "own/tally-whole:1",
    "problem_statement": "title() does nothing",
}  # fmt: skip
R2E_GYM: dict[str, Any] = {
    "repo_name": "tally", "docker_image": "own/tally_final:1234abcd", "commit_hash": "1234abcd",
    "problem_statement": "title()", "parsed_commit_content": "{}",
    "execution_result_content": "{}", "modified_files": ["tally/words.py"], "prompt": "",
    "expected_output_json": json.dumps(
        dict.fromkeys(("test_title", "test_total", "test_total_more"), "PASSED")
    ),
}  # fmt: skip
