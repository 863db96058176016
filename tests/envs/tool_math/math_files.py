"""Paths of official math data, which is not part of turnwise.

It is looked for beside the repository, or in `$TURNWISE_MATH_DATA`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(
    os.environ.get("TURNWISE_MATH_DATA")
    or Path(__file__).resolve().parents[4] / "shared" / "data" / "math"
)


def path(name: str) -> Path:
    """Return a file of math data; skip the test if it is absent."""
    found = FOLDER / name
    if not found.is_file():
        pytest.skip(f"no {name} beside the repository or under TURNWISE_MATH_DATA")
    return found


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path(name).read_text(encoding="utf8").splitlines()]
