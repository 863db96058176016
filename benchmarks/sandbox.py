"""Cost of a sandbox, compared with a fresh interpreter that runs the same code.

    python benchmarks/sandbox.py --backends jail          # needs sympy and numpy
    python benchmarks/sandbox.py --backends jail,docker

Prints for each backend the median and the best of `--repeat` of: opening a sandbox, the time to the
end of the first cell (sympy imported and an equation solved), a warm cell, a command, a fork and
closing. Then it opens `--at-once` sandboxes together, and prints the memory that each holds
(proportional share of the processes below this one, which excludes docker's). The ratio compares
the medians of the first cell and of a fresh `python -c` with the same code, measured in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from turnwise.sandbox import BACKENDS, Sandbox, SandboxError, Spec, open_sandbox

CELL = "import sympy; x = sympy.Symbol('x'); print(sympy.solve(x**2 - 5*x + 6, x))"


def timed(act: Callable[[], object]) -> float:
    """Return the milliseconds of one call."""
    start = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - start)


def fresh() -> None:
    """Run the cell in a new interpreter, as most code sandboxes do for every call."""
    said = subprocess.run(
        [sys.executable, "-c", CELL], capture_output=True, text=True, check=True
    ).stdout
    assert said == "[2, 3]\n", said


def once(backend: str, spec: Spec, times: dict[str, list[float]]) -> None:
    """Measure one sandbox from opening to closing."""
    start = time.perf_counter()
    sandbox = open_sandbox(spec, backend)
    times["open"].append(1000 * (time.perf_counter() - start))
    session = sandbox.session()
    said = session.run(CELL)
    times["to first cell"].append(1000 * (time.perf_counter() - start))
    assert said.stdout == "[2, 3]\n", said
    times["warm cell"].append(timed(lambda: [session.run("y = 1") for _ in range(20)]) / 20)
    times["command"].append(timed(lambda: sandbox.run(["true"])))
    if sandbox.capabilities.fork:
        start = time.perf_counter()
        with sandbox.fork() as child:
            child.sessions[0].run("y = 2") if child.sessions else child.run(["true"])
            times["fork + cell"].append(1000 * (time.perf_counter() - start))
    times["close"].append(timed(sandbox.close))


def share(pids: list[int]) -> float:
    """Return the proportional share of memory of some processes, in megabytes."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return total / 1024


def below(pid: int) -> list[int]:
    """Return all descendants of a process."""
    found = []
    for path in Path("/proc", str(pid), "task").glob("*/children"):
        for child in path.read_text().split():
            found += [int(child), *below(int(child))]
    return found


def many(backend: str, spec: Spec, number: int) -> tuple[float, float, float]:
    """Open sandboxes at once, in as many threads.

    Returns:
        Seconds until all have answered, megabytes held by each, and megabytes held by its session.
    """
    opened: list[Sandbox] = []
    before = below(os.getpid())

    def one() -> None:
        sandbox = open_sandbox(spec, backend)
        assert sandbox.session().run(CELL).stdout == "[2, 3]\n"
        opened.append(sandbox)

    threads = [threading.Thread(target=one) for _ in range(number)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    new = [pid for pid in below(os.getpid()) if pid not in before]
    held = share(new) / number
    sessions = share([pid for pid in new if not below(pid)]) / number
    for sandbox in opened:
        sandbox.close()
    assert len(opened) == number, f"{len(opened)} of {number} opened"
    return seconds, held, sessions


def measure(backend: str, spec: Spec, repeat: int, number: int) -> None:
    """Measure one backend and a fresh interpreter, and print a table."""
    try:
        cold = timed(lambda: open_sandbox(spec, backend).close())
    except SandboxError as problem:
        print(f"\n{backend}: not here ({problem})")
        return
    names = (
        "fresh interpreter",
        "open",
        "to first cell",
        "warm cell",
        "command",
        "fork + cell",
        "close",
    )
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(repeat):
        times["fresh interpreter"].append(timed(fresh))
        once(backend, spec, times)
    print(f"\n{backend}: the first sandbox of the process took {cold:.0f} ms")
    for name, values in times.items():
        if values:
            print(f"  {name:18} {statistics.median(values):9.2f} ms  (best {min(values):.2f})")
    ratio = statistics.median(times["fresh interpreter"]) / statistics.median(
        times["to first cell"]
    )
    print(f"  to the first cell it is {ratio:.1f} times as fast as a fresh interpreter")
    seconds, held, sessions = many(backend, spec, number)
    print(
        f"  {number} at once: {seconds:.2f} s until all have answered; {held:.1f} MB each, "
        f"{sessions:.1f} of it the interpreter"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", default="jail,docker", help=f"any of {', '.join(BACKENDS)}")
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument(
        "--at-once", type=int, default=64, help="sandboxes opened at once by as many threads"
    )
    parser.add_argument("--image", default="", help="of the docker backend: one with sympy in it")
    given = parser.parse_args()
    for backend in given.backends.split(","):
        spec = Spec(preload=("numpy", "sympy"), image=given.image if backend == "docker" else "")
        measure(backend, spec, given.repeat, given.at_once)


if __name__ == "__main__":
    main()
