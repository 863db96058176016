"""User numbers: one per sandbox, and never the same from two trainers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from turnwise.sandbox import SandboxError, uids
from turnwise.sandbox.uids import BLOCK, FIRST, Uids

CODE = "from turnwise.sandbox.uids import Uids; u = Uids(); print(u.take(), flush=True); input()"


def test_numbers_are_not_given_twice_while_they_are_used() -> None:
    supply = Uids()
    taken = [supply.take() for _ in range(5)]
    assert len(set(taken)) == 5 and min(taken) >= FIRST
    supply.give(taken[2])
    assert supply.take() == taken[2]
    assert supply.take() not in taken


def test_another_process_has_another_block() -> None:
    supply = Uids()
    ours = supply.take()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    others = [
        subprocess.Popen(
            [sys.executable, "-c", CODE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(2)
    ]
    taken = [int(other.stdout.readline()) for other in others if other.stdout]
    for other in others:
        other.communicate("\n")
    assert len({(uid - FIRST) // BLOCK for uid in (ours, *taken)}) == 3


def test_no_free_number_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uids, "BLOCK", 2)
    supply = Uids()
    supply.take()
    supply.take()
    with pytest.raises(SandboxError, match="close some"):
        supply.take()
