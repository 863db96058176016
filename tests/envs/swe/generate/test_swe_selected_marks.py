"""Marks deselected by a project's settings are found; other settings are ignored."""

from __future__ import annotations

import pytest

from turnwise.envs.swe.generate.validation import selected_marks


@pytest.mark.parametrize(
    "path, text, expected",
    [
        (
            "pyproject.toml",
            "[tool.pytest.ini_options]\naddopts = \"-q -m 'not slow or a' --cov\"",
            "not slow or a",
        ),
        (
            "pyproject.toml",
            '[tool.pytest.ini_options]\naddopts = ["-ra", "-m", "not net"]',
            "not net",
        ),
        ("pyproject.toml", '[tool.pytest]\naddopts = ["-mnot net"]', "not net"),
        ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = 3", ""),
        ("pyproject.toml", "[tool", ""),
        ("pyproject.toml", "", ""),
        ("pyproject.toml", "tool = 3", ""),
        ("setup.cfg", "[tool:pytest]\naddopts =\n  -v\n  -m=slow", "slow"),
        ("setup.cfg", "[tool:pytest\n", ""),
        ("tox.ini", "[pytest]\naddopts = -m 'a' -m 'not b'", "not b"),
        ("tox.ini", "[tox]\naddopts = -m a", ""),
        ("pytest.ini", "[pytest]\naddopts = --maxfail=1", ""),
        ("pytest.ini", "[pytest]\naddopts = -m 'open", ""),
        ("pytest.ini", "[pytest]\naddopts = -m", ""),
    ],
)
def test_the_expression_is_found(path: str, text: str, expected: str) -> None:
    assert selected_marks({path: text.encode()}) == expected


def test_the_first_file_with_options_counts() -> None:
    tree = {
        "tox.ini": b"[pytest]\naddopts = -m tox",
        "pytest.ini": b"[pytest]\naddopts = -q",
        "setup.cfg": b"[tool:pytest]",
    }
    assert (
        selected_marks(tree) == ""
        and selected_marks({"tox.ini": tree["tox.ini"], "setup.cfg": tree["setup.cfg"]}) == "tox"
    )
