"""Attacks on memory, processes, time, output and descriptors: each call ends and says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from turnwise.sandbox.contract import Limits, Sandbox
from turnwise.sandbox.testing import returns

ENDED = {"timeout", "memory", "output", "died", "exception"}


def test_a_memory_bomb_stops_at_the_limit(box: Sandbox) -> None:
    """256 MiB are allowed; the attack asks for up to 2 GiB."""
    program = """
kept = []
for _ in range(64):
    kept.append(bytearray(b"x") * (32 << 20))
print("HELD", len(kept) * 32)
"""
    result = box.run(["python3", "-c", program], 60.0)
    assert "HELD" not in result.stdout and not result.ok, result
    with box.session() as session:
        result = session.run(program, 60.0)
        assert "HELD" not in result.stdout, result
        assert result.error in ("memory", "exception", "died"), result


def test_many_small_memory_bombs(open_box: Any, host: Any) -> None:
    """Each of eight children takes 80 MiB: together more than the 256 MiB of the sandbox."""
    box = open_box()
    # Where the workspace is memory too, it counts against the same limit, and so does the guest.
    allowed = box.spec.limits.memory_mb + box.spec.limits.disk_mb + 48
    program = f"""
import os, time
children = []
for _ in range(8):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            kept = bytearray(b"x") * (80 << 20)
            os.write(write, b"k")
            time.sleep(120)
        finally:
            os._exit(0)
    os.close(write)
    children.append((pid, read))
answered = [pid for pid, read in children if os.read(read, 1) == b"k"]
for _ in range({300 if box.capabilities.total_memory else 1}):
    # Those that hold it at the same time; a watch over the memory may take a moment.
    answered = [pid for pid in answered if os.waitpid(pid, os.WNOHANG)[0] == 0]
    if len(answered) * 80 <= {allowed}:
        break
    time.sleep(0.1)
print("HELD", len(answered) * 80)
"""
    result = box.run(["python3", "-c", program], 110.0)
    if box.capabilities.total_memory:
        assert "HELD" not in result.stdout or int(result.stdout.split("HELD")[1]) <= allowed, result
    else:
        assert "HELD" in result.stdout  # the capability says so; each alone is still limited


def test_a_fork_bomb_stops_at_the_limit(
    box: Sandbox, host: Any, eventually: Callable[..., bool]
) -> None:
    program = f"""
import os
made = 0
try:
    for _ in range(120):
        if os.fork() == 0:
            os.execv("/bin/sleep", [{host.nonce!r}, "30"])
        made += 1
except OSError as problem:
    print(problem)
print("MADE", made, flush=True)
"""
    with box.session() as session:
        result = session.run(program, 60.0)
        assert (
            "MADE" not in result.stdout
            or int(result.stdout.split("MADE")[1].split()[0]) <= box.spec.limits.processes
        ), result
        assert len(host.survivors()) <= box.spec.limits.processes
    box.close()
    assert eventually(lambda: not host.survivors())


def test_a_bomb_that_doubles(box: Sandbox, host: Any, eventually: Callable[..., bool]) -> None:
    """Every process starts two more and waits for none."""
    bomb = f"bomb() {{ bomb | bomb & }}; bomb; exec -a {host.nonce} sleep 600"
    program = f"import os\nos.execv('/bin/bash', ['bash', '-c', {bomb!r}])"
    result = returns(lambda: box.run(["python3", "-c", program], 3.0))
    assert result.error in ("timeout", "died", "none", "memory"), result
    box.close()
    assert eventually(lambda: not host.survivors())


HANGS = {
    "loop": "while True: pass",
    "loop in C": "sum(iter(int, 1))",
    "big number": "len(str(7 ** 10 ** 8))",
    "sleep": "import time; time.sleep(10 ** 6)",
    "pattern": "import re; re.match('(a*)*(a*)*(a*)*b', 'a' * 60)",
    "ignores every signal": """
import signal
for number in set(signal.Signals) - {9, 19}:
    signal.signal(number, signal.SIG_IGN)
while True:
    pass
""",
    "stops itself": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "waits for itself": "import threading; t = threading.Lock(); t.acquire(); t.acquire()",
    "waits for a pipe": "import os; p = 'pipe%d' % os.getpid(); os.mkfifo(p); open(p)",
    "catches everything": """
import time
while True:
    try:
        time.sleep(9)
    except BaseException:
        pass
""",
    "threads": """
import threading
for _ in range(2):
    threading.Thread(target=threading.Event().wait).start()
threading.Event().wait()
""",
}


@pytest.mark.parametrize("name", HANGS)
def test_nothing_lasts_longer_than_its_limit(box: Sandbox, host: Any, name: str) -> None:
    """In a session and as a program: the call ends at its limit, and the sandbox goes on."""
    with box.session() as session:
        result = returns(lambda: session.run(HANGS[name], 0.7))
        assert result.error in ("timeout", "memory"), result
        assert not session.alive
        assert session.run("1").error == "died"
    program = f"N = {host.nonce!r}\n{HANGS[name]}"
    result = returns(lambda: box.run(["python3", "-c", program], 0.7))
    assert result.error in ("timeout", "memory") or "MemoryError" in result.stderr, result
    assert host.survivors() == []
    later = box.run("echo still here")
    assert later.stdout == "still here\n", later


FLOODS = {
    "lines": "while True: print('x' * 99)",
    "one line": "import sys\nwhile True: sys.stdout.write('x' * 65536)",
    "errors": "import sys\nwhile True: sys.stderr.write('x' * 65536)",
    "both": "import sys\nwhile True: sys.stdout.write('x' * 4096), sys.stderr.write('y' * 4096)",
    "bytes": "import os\nwhile True: os.write(1, bytes(range(256)) * 256)",
    "child": "import subprocess; subprocess.run(['yes'])",
    "tiny": "import os\nwhile True: os.write(1, b'x')",
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_of_output_is_cut_off(open_box: Any, name: str) -> None:
    limits = Limits(seconds=80, memory_mb=256, output_chars=4000, flood_chars=300_000)
    box = open_box(limits)
    calls = [lambda: box.run(["python3", "-c", FLOODS[name]])]
    if name != "tiny":
        calls.append(lambda: box.session().run(FLOODS[name]))
    for call in calls:
        result = returns(call)
        assert result.error == "output", result
        assert result.truncated
        assert len(result.stdout) <= 4400 and len(result.stderr) <= 4400


def test_output_below_the_flood_keeps_beginning_and_end(open_box: Any) -> None:
    box = open_box(replace(box_limits(), output_chars=1000))
    result = box.run("echo begin; yes | head -c 20000; echo end")
    assert result.ok and result.truncated
    assert (
        result.stdout.startswith("begin")
        and result.stdout.rstrip().endswith("end")
        and len(result.stdout) <= 1200
    )


def box_limits():
    return Limits(seconds=60, memory_mb=256)


def test_descriptors_have_a_limit(box: Sandbox) -> None:
    program = """
import os
n = 0
try:
    while n < 5000:
        os.open("/dev/null", 0)
        n += 1
except OSError as problem:
    print(problem)
print("OPEN", n)
"""
    for result in (box.run(["python3", "-c", program]), box.session().run(program)):
        assert int(result.stdout.split("OPEN")[1]) <= box.spec.limits.open_files, result
    assert box.run("true").ok


def test_recursion_ends(box: Sandbox) -> None:
    program = "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(): return [f()]\nf()"
    assert box.run(["python3", "-c", program], 60.0).error in {"died", "memory", "none"}
    with box.session() as session:
        assert session.run(program, 60.0).error in ENDED
    assert box.run("true").ok


def test_deep_data_ends(box: Sandbox) -> None:
    """Structures that overflow the C stack when they are printed or freed."""
    program = "x = []\nfor _ in range(10 ** 6): x = [x]\nprint(x)"
    with box.session() as session:
        assert session.run(program, 60.0).error in ENDED
    assert box.run("true").ok


def test_a_core_is_not_dumped(box: Sandbox) -> None:
    box.run(["python3", "-c", "import os; os.abort()"])
    assert box.files() == []
    assert box.run("ulimit -c").stdout.strip() == "0"


def test_priority_is_not_raised(box: Sandbox) -> None:
    assert not box.run(["python3", "-c", "import os; os.nice(-5)"]).ok
    result = box.run(
        ["python3", "-c", "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (10 ** 6, 10 ** 6))"]
    )
    assert not result.ok


def test_a_bomb_of_compressed_data(box: Sandbox) -> None:
    program = """
import zlib
packed = zlib.compress(bytes(1 << 20))
kept = [zlib.decompress(packed) for _ in range(2000)]
print("HELD")
"""
    result = box.run(["python3", "-c", program], 60.0)
    assert "HELD" not in result.stdout
