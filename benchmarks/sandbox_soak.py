"""Search for leaks of the sandbox over many short episodes with random and hostile agents.

    python benchmarks/sandbox_soak.py --episodes 10000

Each episode opens a sandbox, runs a few random cells in a session, some of them hostile, sometimes
forks, and closes it. Ten times on the way it prints the descriptors, processes, mounts, cgroups,
threads and memory of this process and of those below it. Exits with 1 where a count other than
memory has grown.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from turnwise.sandbox import Limits, Sandbox, Spec, open_sandbox

GOOD = [
    "x = 1",
    "print(sum(range(1000)))",
    "open('f', 'w').write('a' * 1000)",
    "1 / 0",
    "import math; print(math.pi)",
    "print('a' * 5000)",
]
HOSTILE = [
    "import os; os._exit(1)",
    "import os; os.closerange(0, 256)",
    "import os; os.close(1)",
    "import ctypes; ctypes.string_at(0)",
    "while True: pass",
    "while True: print('x' * 1000)",
    "x = bytearray(1 << 32)",
    "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "import os\nif os.fork() == 0:\n    os.setsid()\n    if not os.fork():\n"
    "        import time; time.sleep(999)\n    os._exit(0)",
    "for i in range(100000): open(f'{i}', 'w').close()",
    "f = open('big', 'wb')\nwhile True: f.write(b'x' * 65536)",
    "import os\nwhile True: os.mkdir('d'); os.chdir('d')",
    "import threading, time\n"
    "threading.Thread(target=lambda: [print(i) or time.sleep(0.01) for i in range(1000)]).start()",
    "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
]
LIMITS = Limits(seconds=0.2, memory_mb=64, processes=12, disk_mb=8, files=1000, flood_chars=200_000)


def episode(seed: int, backend: str, seen: Counter[str]) -> None:
    """Open a sandbox, run a few cells and close it."""
    chance = random.Random(seed)
    with open_sandbox(Spec(limits=LIMITS), backend) as sandbox:
        session = sandbox.session()
        for _ in range(chance.randint(1, 4)):
            cell = chance.choice(HOSTILE if chance.random() < 0.4 else GOOD)
            seen[session.run(cell).error] += 1
            if session.alive and sandbox.capabilities.fork and chance.random() < 0.2:
                copy(sandbox, seen)
        if chance.random() < 0.1:
            seen[sandbox.run("sleep 100 & setsid sleep 100 & echo on").error] += 1


def copy(sandbox: Sandbox, seen: Counter[str]) -> None:
    """Fork the sandbox and use the fork once; a refused fork is counted as one more ending."""
    try:
        with sandbox.fork() as child:
            seen[child.sessions[0].run("print(2)").error if child.sessions else "none"] += 1
    except Exception as problem:
        seen[f"fork: {type(problem).__name__}: {str(problem)[:60]}"] += 1


def below(pid: int) -> list[int]:
    """Return all descendants of a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int(
                    (entry / "stat").read_bytes().rpartition(b")")[2].split()[1]
                )
            except OSError:
                continue
    found, todo = [], [pid]
    while todo:
        here = todo.pop()
        todo += [child for child, parent in parents.items() if parent == here]
        found += [child for child, parent in parents.items() if parent == here]
    return found


def kilobytes(pid: int) -> int:
    """Return the anonymous memory of a process, in kilobytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss_Anon")).split()[1])


def mounts(pid: int | str) -> list[str]:
    """Return the mounts that a process sees."""
    return Path(f"/proc/{pid}/mountinfo").read_text().splitlines()


def count() -> dict[str, int]:
    """Return the current number of everything that could leak."""
    processes = below(os.getpid())
    cgroups = sum(
        1
        for kind in ("memory", "pids", ".")
        for _ in Path("/sys/fs/cgroup", kind).glob(f"turnwise-*{os.getpid()}*")
    )
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "processes": len(processes),
        "their descriptors": sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in processes),
        "mounts": sum("turnwise" in line for line in mounts("self"))
        + sum(len(mounts(pid)) for pid in processes),
        "cgroups": cgroups,
        "threads": threading.active_count(),
        "memory KB": kilobytes(os.getpid()),
        "their memory KB": sum(kilobytes(pid) for pid in processes),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--backend", default="jail")
    given = parser.parse_args()
    seen: Counter[str] = Counter()
    todo = iter(range(given.episodes + 50))
    lock = threading.Lock()

    def work(until: int) -> None:
        while True:
            with lock:
                seed = next(todo, None)
            if seed is None:
                return
            episode(seed, given.backend, seen)
            if seed >= until:
                return

    first: dict[str, int] = {}
    start = time.monotonic()
    for until in [
        49,
        *range(
            49 + max(given.episodes // 10, 1), given.episodes + 50, max(given.episodes // 10, 1)
        ),
    ]:
        threads = [threading.Thread(target=work, args=(until,)) for _ in range(given.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(3)  # until the zygote next reaps its children
        now = count()
        first = first or now
        print(f"{until + 1:6} episodes {time.monotonic() - start:6.0f} s  {now}", flush=True)
    print("endings:", dict(seen))
    grown = [name for name in first if "memory" not in name and now[name] > first[name]]
    if grown:
        sys.exit(f"grown: {', '.join(grown)}")


if __name__ == "__main__":
    main()
