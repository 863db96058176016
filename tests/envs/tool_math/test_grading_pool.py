"""The pool: costly or deadly answers are wrong, a broken machine is an error."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from turnwise.envs.tool_math.grading_pool import ComparisonLimits, GraderError, GradingPool, _Worker

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("math_verify") is None, reason="math-verify is not installed: [math]"
)
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def pool() -> Iterator[GradingPool]:
    """One worker with little processor time, of which a real answer takes a tenth."""
    made = GradingPool(size=1, limits=ComparisonLimits(cpu_seconds=0.7, wall_seconds=120.0))
    yield made
    made.close()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_compares_with_the_gold_first(pool: GradingPool) -> None:
    assert pool.compare("1<x<2", "(1,2)") == "equal"
    assert pool.compare("(1,2)", "1<x<2") == "different"


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["9^{9^{9^9}}", "(10^9)!", "2^{10^{10}}"])
def test_an_answer_that_costs_too_much_is_a_timeout_and_the_worker_is_replaced(
    pool: GradingPool, answer: str
) -> None:
    pool.compare("1", "2/2")
    before = pool.processes
    assert pool.compare("7", answer) == "timeout"
    assert pool.compare(r"\sqrt{12}", r"2\sqrt{3}") == "equal"
    assert len(pool.processes) == 1
    assert all(not alive(pid) for pid in before if pid not in pool.processes)


@pytest.mark.slow
def test_a_gold_that_costs_too_much_is_an_error(pool: GradingPool) -> None:
    with pytest.raises(GraderError, match="reference answer"):
        pool.compare("9^{9^{9^9}}", "7")


def test_a_worker_that_is_killed_from_outside_changes_nothing(pool: GradingPool) -> None:
    assert pool.compare(r"\sqrt{8}", r"2\sqrt{2}") == "equal"
    os.kill(pool.processes[0], signal.SIGKILL)
    assert pool.compare(r"\sqrt{18}", r"3\sqrt{2}") == "equal"


def deadly(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Workers that die at the answer `when`."""
    ask = _Worker.ask

    def die(self: _Worker, line: dict[str, object] | None, seconds: float) -> object:
        if line is not None and when in (line["answer"], "*"):
            self.process.kill()
        return ask(self, line, seconds)

    monkeypatch.setattr(_Worker, "ask", die)


def test_an_answer_that_kills_workers_is_wrong(
    pool: GradingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly(monkeypatch, "666")
    assert pool.compare("7", "666") == "died"
    assert pool.compare("7", "x+1") == "different"


def test_workers_that_die_on_everything_are_an_error(
    pool: GradingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly(monkeypatch, "*")
    with pytest.raises(GraderError, match="known to be good"):
        pool.compare("7", "x+1")


def test_a_worker_that_stalls_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = GradingPool(size=1, limits=ComparisonLimits(cpu_seconds=60.0, wall_seconds=0.5))
    try:
        worker = pool._start()
        os.kill(worker.process.pid, signal.SIGSTOP)
        assert worker.ask({"gold": "1", "answer": "1", "seconds": 1.0}, 0.5) == "stalled"
        assert pool._drop(worker) == -signal.SIGKILL
        assert pool.processes == []
    finally:
        pool.close()


def test_more_threads_than_workers_wait_their_turn(pool: GradingPool) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda k=k: found.append(pool.compare(f"{k}+x", f"x+{k}")))
        for k in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["equal"] * 6
    assert len(pool.processes) == 1


def test_a_closed_pool_leaves_no_process_and_says_so() -> None:
    pool = GradingPool(size=1)
    pool.compare("x+1", "1+x")
    started = pool.processes
    pool.close()
    assert started and not any(map(alive, started))
    with pytest.raises(GraderError, match="closed"):
        pool.compare("x+1", "1+x")


SCRIPT = """
import os, sys
from turnwise.envs.tool_math import grade
from turnwise.envs.tool_math.grading_pool import shared_pool
os.environ["CANARY"] = "secret"
assert grade("\\\\sqrt{12}", "\\\\boxed{2\\\\sqrt{3}}")
pid = shared_pool().processes[0]
environment = open(f"/proc/{pid}/environ").read() if os.path.exists("/proc/self") else ""
print(pid, "CANARY" in environment, flush=True)
child = os.fork()
if child == 0:
    # No worker is shared: the child starts its own and grades.
    ok = grade("\\\\sqrt{27}", "\\\\boxed{3\\\\sqrt{3}}") and pid not in shared_pool().processes
    shared_pool().close()
    os._exit(0 if ok else 1)
status = os.waitpid(child, 0)[1]
assert status == 0, status
assert grade("\\\\sqrt{48}", "\\\\boxed{4\\\\sqrt{3}}") and shared_pool().processes == [pid]
"""


def test_a_program_grades_without_a_main_guard_forks_and_leaves_nothing() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CANARY": "secret"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pid, leaked = done.stdout.split()
    assert leaked == "False", "the worker's environment holds what the parent's held"
    assert not alive(int(pid))
