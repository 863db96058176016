"""Defaults that must stand before torch is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from turnwise.cli.runtime import DEFAULTS, prepare


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DEFAULTS:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def test_sets_what_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert prepare() == DEFAULTS and os.environ["OMP_WAIT_POLICY"] == "PASSIVE"


def test_leaves_what_the_user_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
    assert {"OMP_WAIT_POLICY", "MALLOC_ARENA_MAX"}.isdisjoint(prepare())
    assert (os.environ["OMP_WAIT_POLICY"], os.environ["MALLOC_ARENA_MAX"]) == ("ACTIVE", "8")


def test_does_nothing_once_torch_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", os)
    assert prepare() == {} and "OMP_WAIT_POLICY" not in os.environ


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="arenas are glibc's")
def test_arenas_are_limited_without_starting_anew() -> None:
    # Threads that allocate at once each get an arena of 64 MiB of addresses, unless their number is
    # limited.
    code = """
import sys, threading
from turnwise.cli.runtime import prepare
if sys.argv[1] == "prepared":
    prepare()
barrier = threading.Barrier(24)
def work():
    barrier.wait(); kept = [bytearray(2000) for _ in range(200)]; barrier.wait()
threads = [threading.Thread(target=work) for _ in range(24)]
[t.start() for t in threads]; [t.join() for t in threads]
print(next(line for line in open("/proc/self/status") if line.startswith("VmPeak")).split()[1])
"""
    root = Path(__file__).resolve().parents[2]
    env = {name: value for name, value in os.environ.items() if name not in DEFAULTS}

    def peak(how: str) -> int:
        return int(
            subprocess.run(
                [sys.executable, "-c", code, how],
                env=env,
                cwd=root,
                capture_output=True,
                check=True,
            ).stdout
        )

    assert peak("prepared") < peak("as it is")
