"""Worker processes that compare answers by algebra, under limits that the answer cannot escape.

An answer is written by a model that is rewarded for being right, and algebra on it can take
unlimited time and memory: a tower of powers, a factorial of a billion. So each comparison runs in a
child that the kernel ends at a limit of processor time and the parent kills at a limit of wall
clock; it is replaced when next needed. Workers start on first use, are shared by all threads, are
programs of their own (no `__main__` guard is needed, and a fork of this process does not share
them) and end with the process.

A comparison that does not end may be the answer's fault. Exceeded processor time is, unless the
gold exceeds it against 0 as well. If a worker dies (twice) or reaches the wall clock, a comparison
known to work is made: if that passes, the answer is at fault; otherwise `GraderError` is raised, an
infrastructure error that never counts as a wrong answer.

This is not a sandbox: a worker has an empty environment and limits, but the user's files and
rights, and trusts sympy's parser to evaluate mathematics only. If that is not enough, run the whole
program in a `turnwise.sandbox`.
"""

# Not pebble: its workers are forks or spawns of this program, which inherit its environment and, if
# spawned, need a `__main__` guard. The limit of processor time and the decision on faults would
# stay here, so this module would hardly be shorter.

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from turnwise.errors import TurnwiseError

Verdict = Literal["equal", "different", "timeout", "died"]
_PROGRAM = Path(__file__).with_name("grading_worker.py")
_START_LIMIT_S = 120.0
"""Wall clock for a worker to import sympy on a busy machine."""
_CANARY = ("\\sqrt{12}", "2\\sqrt{3}")
"""A comparison known to work."""


class GraderError(TurnwiseError):
    """Grading itself failed; the answer may be right or wrong."""


class _Worker:
    """One child process, used by one thread at a time."""

    def __init__(self) -> None:
        keep = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "OMP_NUM_THREADS": "1"}
        paths = json.dumps([path for path in sys.path if path])
        # In a session of its own, so that Ctrl-C does not reach it. Unbuffered, because `ask` polls
        # the pipe itself.
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(_PROGRAM), paths],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env=keep, cwd="/", bufsize=0, start_new_session=True,
        )  # fmt: skip
        self.pending = b""

    def ask(
        self, line: dict[str, Any] | None, seconds: float
    ) -> dict[str, Any] | Literal["stalled", "ended"]:
        """Send a line (None at the start) and return the reply, within `seconds` of wall clock."""
        assert self.process.stdin is not None and self.process.stdout is not None
        if line is not None:
            try:
                self.process.stdin.write(json.dumps(line).encode() + b"\n")
            except OSError:
                return "ended"
        deadline = time.monotonic() + seconds
        watch = select.poll()
        watch.register(self.process.stdout, select.POLLIN | select.POLLHUP)
        while b"\n" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not watch.poll(left * 1000):
                return "stalled"
            got = os.read(self.process.stdout.fileno(), 65536)
            if not got:
                return "ended"
            self.pending += got
        first, self.pending = self.pending.split(b"\n", 1)
        reply: dict[str, Any] = json.loads(first)
        return reply

    def end(self) -> int:
        """Kill the process; return its exit status."""
        self.process.kill()
        status = self.process.wait()
        self.close_pipes()
        return status

    def close_pipes(self) -> None:
        """Close this side of the pipes."""
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


@dataclass(frozen=True, slots=True)
class ComparisonLimits:
    """Limits of one comparison."""

    cpu_seconds: float = 2.0
    """Processor time, enforced by the kernel, so that a busy machine grades like an idle one. Real
    answers take a tenth of it."""
    wall_seconds: float = 20.0
    """Wall clock, enforced by the parent."""


class GradingPool:
    """At most `size` workers, each with one comparison at a time. Safe to use from any thread."""

    def __init__(self, size: int | None = None, limits: ComparisonLimits | None = None) -> None:
        self.size = size or max(1, min(4, os.cpu_count() or 1))
        self.limits = limits or ComparisonLimits()
        self._idle: queue.LifoQueue[_Worker | None] = queue.LifoQueue()
        for _ in range(self.size):
            self._idle.put(None)
        self._live: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def compare(self, gold: str, answer: str) -> Verdict:
        """Return whether math-verify finds two LaTeX answers equal.

        Raises:
            GraderError: if math-verify or its antlr runtime is not installed, the gold cannot be
                compared within the limits, or workers cannot run.
        """
        verdict = self._with_retries(gold, answer)
        if verdict in ("timeout", "died") and self._with_retries(gold, "0") in ("timeout", "died"):
            raise GraderError(
                f"the reference answer {gold[:80]!r} costs more than "
                f"{self.limits.cpu_seconds:g} s to compare with 0: correct or drop it"
            )
        return verdict

    def _with_retries(self, gold: str, answer: str) -> Verdict:
        ending = self._once(gold, answer)
        if ending == "died":
            ending = self._once(gold, answer)
        if ending in ("stalled", "died") and self._once(*_CANARY) != "equal":
            raise GraderError(
                "grading workers end on answers known to be good: "
                "is the machine out of memory or processes?"
            )
        return "timeout" if ending == "stalled" else ending

    def _once(self, gold: str, answer: str) -> Verdict | Literal["stalled"]:
        """Make one comparison in one worker."""
        worker = self._idle.get()
        try:
            if worker is None or worker.process.poll() is not None:
                self._drop(worker)
                worker = self._start()
            reply = worker.ask(
                {"gold": gold, "answer": answer, "seconds": self.limits.cpu_seconds},
                self.limits.wall_seconds,
            )
            if isinstance(reply, dict):
                # An exception inside the comparison (memory, recursion) is the algebra's "no".
                return "equal" if reply.get("equal") else "different"
            # Wait for the status of a worker that is ending by itself, before killing it.
            if reply == "ended":
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.process.wait(timeout=10)
            ended, worker = worker, None
            status = self._drop(ended)
            if reply == "stalled":
                return "stalled"
            return "timeout" if status == -signal.SIGPROF else "died"
        except BaseException:
            self._drop(worker)
            worker = None
            raise
        finally:
            self._idle.put(worker)

    def _start(self) -> _Worker:
        if self._closed:
            raise GraderError("the grading pool is closed: grade before the program ends")
        if importlib.util.find_spec("math_verify") is None:
            raise GraderError(
                "comparing this answer needs algebra: "
                "pip install 'turnwise[math]' (math-verify and its antlr runtime)"
            )
        try:
            worker = _Worker()
        except OSError as problem:
            raise GraderError(f"a grading worker cannot be started: {problem}") from problem
        with self._lock:
            self._live.add(worker)
        reply = worker.ask(None, _START_LIMIT_S)
        if not (isinstance(reply, dict) and reply.get("ready")):
            self._drop(worker)
            failed = f"it {reply} before it was ready"
            why = reply.get("error") if isinstance(reply, dict) else failed
            raise GraderError(
                f"a grading worker cannot work ({why}): "
                "pip install 'turnwise[math]' brings what it needs"
            )
        return worker

    def _drop(self, worker: _Worker | None) -> int | None:
        if worker is None:
            return None
        with self._lock:
            self._live.discard(worker)
        return worker.end()

    @property
    def processes(self) -> list[int]:
        """Ids of the processes that are running."""
        with self._lock:
            return [worker.process.pid for worker in self._live]

    def close(self) -> None:
        """Kill every worker. A comparison in another thread finishes or raises `GraderError`."""
        self._closed = True
        with self._lock:
            live, self._live = list(self._live), set()
        for worker in live:
            worker.process.kill()
            worker.process.wait()

    def abandon(self) -> None:
        """Leave the workers to the parent process. For a forked child."""
        for worker in self._live:
            # Otherwise the interpreter would wait for a process that is not its child.
            worker.process.returncode = 0
            worker.close_pipes()


_pool: GradingPool | None = None
_pool_lock = threading.Lock()


def shared_pool() -> GradingPool:
    """Return the pool of this process, made on first use and closed at exit."""
    global _pool
    with _pool_lock:
        if _pool is None:
            _pool = GradingPool()
            atexit.register(_pool.close)
        return _pool


def _after_fork() -> None:
    global _pool, _pool_lock
    if _pool is not None:
        atexit.unregister(_pool.close)
        _pool.abandon()
    _pool, _pool_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
