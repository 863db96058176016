"""The doctor tells what is there and how to get the rest, and never fails."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

from turnwise.cli.doctor import PACKAGES

Run = Callable[..., Any]


def test_lists_machine_parts_and_settings(turnwise: Run) -> None:
    done = turnwise("doctor")
    assert done.exit_code == 0
    for word in (
        "Python",
        "cores usable",
        "gymnasium",
        "OMP_WAIT_POLICY",
        *(part.module for part in PACKAGES),
    ):
        assert word in done.stdout


def test_a_missing_part_comes_with_its_command(
    turnwise: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = importlib.util.find_spec
    gone = ("torch", "transformers")
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *more: None if name in gone else there(name, *more)
    )
    done = turnwise("doctor")
    assert done.exit_code == 0
    assert (
        done.stdout.count("pip install 'turnwise[train]'\n") == 1
        and "torch is missing" in done.stdout
    )
    assert "missing" in next(
        line for line in done.stdout.splitlines() if line.strip().startswith("transformers")
    )
