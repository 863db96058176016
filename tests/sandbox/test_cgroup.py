"""Cgroups limit, count kills for memory, and are removed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from turnwise.sandbox.cgroup import PREFIX, ROOT, Cgroup

FOLDERS: dict[int, list[str]] = {}


@pytest.fixture
def group() -> Cgroup:
    made = Cgroup(64, 10)
    if not made.memory:
        pytest.skip("this process may not make control groups")
    FOLDERS[id(made)] = [os.path.dirname(path) for path in made.join_files()]
    assert FOLDERS[id(made)] and all(PREFIX in folder for folder in FOLDERS[id(made)])
    return made


def left(group: Cgroup) -> list[str]:
    """Return the folders of this group that exist; other tests may keep groups of this process."""
    return [folder for folder in FOLDERS[id(group)] if os.path.exists(folder)]


def run_in(
    group: Cgroup, code: str, until: Callable[[], bool] = lambda: False
) -> subprocess.CompletedProcess[bytes]:
    """Run Python code in the group, to its end or until a condition is true."""
    argv = [sys.executable, "-c", f"input()\n{code}"]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    group.add(process.pid)
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.close()
    deadline = time.monotonic() + 60
    while process.poll() is None and not until() and time.monotonic() < deadline:
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):  # what it forked
        os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess([], process.wait())


def test_memory_is_limited_over_all_processes_and_kills_are_counted(group: Cgroup) -> None:
    assert run_in(group, "x = bytearray(8 << 20)").returncode == 0
    assert group.kills() == 0
    # Four processes, fewer than the limit of ten, hold 24 MiB each at the same time.
    fill = "x = bytearray(24 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1"
    hungry = f"import os, time\nfor _ in range(2): os.fork()\n{fill}\ntime.sleep(60)"
    run_in(group, hungry, until=lambda: group.kills() > 0)
    assert group.kills() > 0
    group.remove()
    assert left(group) == []


def test_limits_grow_and_shrink(group: Cgroup) -> None:
    for size in (128, 512, 64):
        group.resize(size, size)
        assert run_in(group, f"x = bytearray({size // 2} << 20)").returncode == 0
    group.remove()
    group.remove()
    assert left(group) == []


def test_cgroups_of_dead_processes_are_removed() -> None:
    code = """
import os
from turnwise.sandbox.cgroup import Cgroup
print(Cgroup(8, 8).memory, os.getpid())
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    made, _, maker = child.stdout.strip().partition(" ")
    if made != "True":
        pytest.skip("this process may not make control groups")
    sweep = "from turnwise.sandbox.cgroup import Cgroup; Cgroup(8, 8).remove()"
    subprocess.run([sys.executable, "-c", sweep], check=True, env=environment)
    assert [
        path
        for kind in ("memory", "pids", ".")
        for path in Path(ROOT, kind).glob(f"{PREFIX}{maker}-*")
    ] == []
