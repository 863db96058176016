"""Control groups are made, hold, say when the kernel killed for memory, and do not stay."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from turnwise.sandbox.cgroup import PREFIX, ROOT, Cgroup

FOLDERS: dict[int, list[str]] = {}


@pytest.fixture
def group() -> Cgroup:
    made = Cgroup(64, 10)
    if not made.memory:
        pytest.skip("this process may not make control groups")
    FOLDERS[id(made)] = [os.path.dirname(door) for door in made.doors()]
    assert FOLDERS[id(made)] and all(PREFIX in folder for folder in FOLDERS[id(made)])
    return made


def left(group: Cgroup) -> list[str]:
    """Of this group: environments of other tests may keep sandboxes, and groups, of this process."""
    return [folder for folder in (*FOLDERS[id(group)],) if os.path.exists(folder)]


def run_in(group: Cgroup, code: str) -> subprocess.CompletedProcess[bytes]:
    """Run Python that is in the group before its code begins."""
    argv = [sys.executable, "-c", f"input()\n{code}"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    group.add(process.pid)
    process.communicate(b"go\n", timeout=60)
    with contextlib.suppress(ProcessLookupError):  # what it forked
        os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess([], process.returncode)


def test_memory_is_counted_over_all_processes_and_kills_are_told(group: Cgroup) -> None:
    assert run_in(group, "x = bytearray(8 << 20)").returncode == 0
    assert group.kills() == 0
    hungry = (
        "import os\nfor _ in range(4): os.fork()\nx = bytearray(16 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\nos.wait()"
    )
    run_in(group, hungry)
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


def test_what_a_dead_process_left_is_swept() -> None:
    code = "from turnwise.sandbox.cgroup import Cgroup; print(Cgroup(8, 8).memory)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    if child.stdout != "True\n":
        pytest.skip("this process may not make control groups")
    sweep = "from turnwise.sandbox.cgroup import Cgroup; Cgroup(8, 8).remove()"
    subprocess.run([sys.executable, "-c", sweep], check=True, env=environment)
    makers = [
        path.name[len(PREFIX) :].split("-")[0] for kind in ("memory", "pids", ".") for path in Path(ROOT, kind).glob(PREFIX + "*")
    ]
    assert all(Path("/proc", maker).exists() for maker in makers)
