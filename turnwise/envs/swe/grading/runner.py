"""Test runner in the grader's sandbox.

A supervisor loads no submitted code, and a child runs the tests.

The source of this file is executed in the sandbox, so it imports only the standard library. The
supervisor reads the request from standard input, where nobody can read it again. The child receives
a pipe and a key, keeps the key out of everything that submitted code could look up by name, and
streams one record per test. Records are numbered and signed with the key, which is never sent, so a
process in between can neither alter nor drop one. The supervisor times each test, checks at the end
that the test files on disk are unchanged, and prefixes its report with a seal that the child never
saw. The child can neither trace nor read it; if it is killed, there is no report.

The child can still lie about what happens in its own process: `canaries`, `static` and `oracle` are
there for that.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any

POLL_S = 0.05
MAX_RECORD_BYTES = 64_000_000
"""Bytes of records after which the child is stopped."""
TAIL_BYTES = 4000
"""Bytes of the child's output that are reported."""
PREFIX = ("-P", "-s", "-B", "-X", "utf8")


def supervise() -> int:
    """Run the tests of the request on standard input and print the sealed report.

    Return the exit code, 137 after a kill.
    """
    request = json.loads(sys.stdin.buffer.read())
    seal = request.pop("seal")
    hide()
    report = Supervisor(request).report()
    report["changed"] += [
        path for path in changed(request["pristine"]) if path not in report["changed"]
    ]
    sys.stdout.write(seal + json.dumps(report) + "\n")
    sys.stdout.flush()
    return 137 if report["exit"] == -signal.SIGKILL and not report["stopped"] else 0


def hide() -> None:
    """Prevent processes of the same user from tracing this one (PR_SET_DUMPABLE).

    Nor can they use its descriptors.
    """
    try:
        import ctypes

        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        sys.stderr.write("the supervisor cannot hide here\n")


def changed(pristine: dict[str, str]) -> list[str]:
    """Return the paths whose content differs from when the sandbox was filled."""
    found = []
    for path, wanted in pristine.items():
        try:
            with open(path, "rb") as file:
                same = hashlib.sha256(file.read()).hexdigest() == wanted
        except OSError:
            same = False
        if not same:
            found.append(path)
    return found


class Supervisor:
    """Starts the child, reads its records and limits its time."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.seconds, self.key = float(request["test_seconds"]), bytes.fromhex(request["key"])
        self.outcomes: dict[str, str] = {}
        self.calls: list[Any] = []
        self.twice: list[str] = []
        self.errors: list[str] = []
        self.events: list[str] = []
        self.changed: list[str] = []
        self.numbers: set[int] = set()
        self.malformed = 0
        self.test, self.stopped = "", ""
        self.charged = 0.0
        self.log = os.memfd_create("log")
        self.reader, writer = os.pipe()
        source = sys.orig_argv[sys.orig_argv.index("-c") + 1]
        kept = {
            name: os.environ[name]
            for name in (
                "PATH",
                "HOME",
                "TMPDIR",
                "LANG",
                "TZ",
                "CI",
                "PYTEST_PLUGINS",
                "PYTEST_ADDOPTS",
            )
            if name in os.environ
        }
        self.child = subprocess.Popen(
            [sys.executable, *PREFIX, "-c", source, "child", str(writer)],
            stdin=subprocess.PIPE,
            stdout=self.log,
            stderr=self.log,
            pass_fds=(writer,),
            env={**kept, "PYTHONHASHSEED": "0", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            start_new_session=True,
        )
        os.close(writer)
        assert self.child.stdin is not None
        self.path = os.environ.get("PYTHONPATH", "").split(":")
        self.child.stdin.write(json.dumps({**request, "path": self.path}).encode())
        self.child.stdin.close()

    def report(self) -> dict[str, Any]:
        """Follow the child to its end and return the report."""
        rest, total, last = b"", 0, self.used()
        while not self.stopped:
            ended = self.child.poll() is not None
            ready = select.select([self.reader], [], [], 0 if ended else POLL_S)[0]
            data = os.read(self.reader, 1 << 16) if ready else b""
            total += len(data)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.take(line)
            if (ready and not data) or (ended and not data):
                break
            last = self.charge(last)
            if total > MAX_RECORD_BYTES:
                self.stopped = "flood"
        return self.ended()

    def ended(self) -> dict[str, Any]:
        """Kill what is left and return the report."""
        if not self.stopped:
            try:
                self.child.wait(5.0)
            except subprocess.TimeoutExpired:
                self.stopped = "exit"
        with contextlib.suppress(OSError):
            os.killpg(self.child.pid, signal.SIGKILL)
        code = self.child.wait()
        length = os.lseek(self.log, 0, os.SEEK_END)
        os.lseek(self.log, max(length - TAIL_BYTES, 0), os.SEEK_SET)
        tail = os.read(self.log, TAIL_BYTES).decode("utf-8", "replace")
        return {
            "outcomes": self.outcomes,
            "twice": self.twice,
            "errors": self.errors,
            "malformed": self.malformed,
            "exit": code,
            "stopped": self.stopped,
            "test": self.test,
            "tail": tail,
            "calls": self.calls,
            "events": self.events,
            "changed": self.changed,
            "missing": max(self.numbers, default=-1) + 1 - len(self.numbers),
        }

    def take(self, line: bytes) -> None:
        """Read one record. Unsigned and repeated ones are counted and otherwise ignored."""
        signature, _, body = line.partition(b" ")
        try:
            if (
                signature.decode()
                != hashlib.blake2b(body, key=self.key, digest_size=16).hexdigest()
            ):
                raise ValueError("not signed")
            number, kind, name, value = json.loads(body)
            if number in self.numbers:
                raise ValueError("once more")
        except (ValueError, TypeError):
            self.malformed += 1
            return
        self.numbers.add(number)
        if kind == "start":
            self.test, self.charged = str(name), 0.0
        elif kind == "end":
            if name in self.outcomes or name != self.test:
                self.twice.append(str(name))
            self.outcomes[str(name)] = str(value)
            self.test, self.charged = "", 0.0
        elif kind == "error":
            self.errors.append(str(name))
        elif kind == "call":
            self.calls.append(value)
        elif kind in ("events", "changed"):
            (self.events if kind == "events" else self.changed).append(str(name))

    def used(self) -> tuple[float, float]:
        """Return the current time and the processor seconds of the child."""
        try:
            with open(f"/proc/{self.child.pid}/stat", encoding="ascii", errors="replace") as file:
                words = file.read().rpartition(")")[2].split()
        except OSError:
            return time.monotonic(), 0.0
        self.state = words[0]
        return time.monotonic(), (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def charge(self, last: tuple[float, float]) -> tuple[float, float]:
        """Charge the running test its processor time and sleep.

        Its wait for a processor is not charged.
        """
        now = self.used()
        asleep = now[0] - last[0] if self.state == "S" else 0.0
        self.charged += max(now[1] - last[1], asleep)
        if self.charged > self.seconds:
            self.stopped = "test"
        return now

    state = "R"


def apart() -> dict[str, Any]:
    """Execute this file in a namespace that no module exposes.

    It has a private copy of the built-ins.
    """
    import builtins
    import types

    source = sys.orig_argv[sys.orig_argv.index("-c") + 1]
    names: dict[str, Any] = {"__name__": "runner", "__builtins__": dict(vars(builtins))}
    exec(compile(source, "<runner>", "exec", dont_inherit=True), names)
    sys.orig_argv[:] = [sys.executable]
    sys.modules["__main__"] = types.ModuleType("__main__")
    return names


def child(descriptor: int) -> int:
    """Run pytest over the test files and stream the outcome of each test.

    Return pytest's exit code.
    """
    request = json.loads(sys.stdin.buffer.read())
    os.set_inheritable(descriptor, False)
    for name in ("PYTHONHASHSEED", "PYTHONPATH"):
        os.environ.pop(name, None)
    import resource

    memory = int(request["memory_mb"]) << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    sys.path.extend(entry for entry in request["path"] if entry)
    os.environ["PYTHONPATH"] = ":".join(request["path"])  # for programs that tests start
    import doctest  # noqa: F401
    import importlib.machinery
    import unittest.mock

    import pytest

    del unittest
    finder = importlib.machinery.PathFinder
    roots, tops = list(request["roots"]), frozenset(request["tops"])

    class RepositoryFinder:
        """Import the repository's packages from the repository, before installed ones."""

        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            return finder.find_spec(name, roots, target) if path is None and name in tops else None

    sys.meta_path.insert(0, RepositoryFinder)
    # At the end, so that new modules of the submission hide none that the tests import.
    sys.path.extend([*request["test_folders"], *roots])
    stream = streaming(descriptor, bytes.fromhex(request.pop("key")))
    recorder = loaded(request["recorder"], "recorder") if request["record"] else {}
    profile = (
        recorder["recording"](stream, request["record"], request["tests"]) if recorder else None
    )
    options = [
        "-c",
        "/dev/null",
        "--rootdir",
        os.getcwd(),
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "-q",
    ]
    options += ["--color=no", "--tb=line", "-o", "addopts=", "--continue-on-collection-errors"]
    options += ["--noconftest"] * (not request["conftest"])
    names = loaded(request.pop("listener"), "listener")
    pristine = {os.path.abspath(path): wanted for path, wanted in request["pristine"].items()}
    plugin = ReportPlugin(
        stream, pristine, names["RunnerIntegrity"](), profile, frozenset(request.pop("chosen"))
    )
    sys.argv[:] = ["pytest"]
    names["listen"](
        lambda found: stream("events", found), [recorder], *request.pop("files"), request["path"]
    )
    return int(pytest.main([*options, *request["tests"]], plugins=[plugin]))


def loaded(source: str, name: str) -> dict[str, Any]:
    """Execute another shipped source with our own built-ins and return its names."""
    names: dict[str, Any] = {"__name__": name, "__builtins__": globals()["__builtins__"]}
    exec(compile(source, f"<{name}>", "exec", dont_inherit=True), names)
    return names


def streaming(descriptor: int, key: bytes) -> Any:
    """Return a function that sends one record.

    It calls no Python code that submitted code could replace.
    """
    import _thread
    import itertools
    from json.encoder import encode_basestring_ascii as quoted

    write, encode, signed = os.write, json.JSONEncoder().encode, hashlib.blake2b
    lock, number = _thread.RLock(), itertools.count().__next__

    def send(kind: str, name: str, value: Any = None) -> None:
        last = "null" if value is None else quoted(value) if type(value) is str else encode(value)
        with lock:
            body = f"[{number()}, {quoted(kind)}, {quoted(name)}, {last}]".encode()
            data = signed(body, key=key, digest_size=16).hexdigest().encode() + b" " + body + b"\n"
            while data:
                data = data[write(descriptor, data) :]

    return send


class ReportPlugin:
    """Pytest plugin that reports when each test starts and ends.

    It also reports test files that differ when they are read.

    Args:
        send: sends a record.
        pristine: SHA-256 by absolute path.
        whole: reports changes of the test runner.
        recorder: profile function for the body of tests only; pytest around them does ten times as
            much.
        chosen: ids of tests to run, without parameters for all of them; empty for every test.
    """

    def __init__(
        self,
        send: Any,
        pristine: dict[str, str],
        whole: Any,
        recorder: Any = None,
        chosen: frozenset[str] = frozenset(),
    ) -> None:
        self.send, self.whole, self.chosen = send, whole, chosen
        self.phases: list[tuple[str, str, bool]] = []
        self.pristine, self.digest = pristine, hashlib.sha256
        self.reported: set[str] = set()
        self.recorder, self.profile = recorder, sys.setprofile

    def look(self) -> None:
        """Report changes of the test runner, each once."""
        for change in self.whole.changes():
            if change not in self.reported:
                self.reported.add(change)
                self.send("events", change)

    def pytest_collection(self, session: Any) -> None:
        self.whole.keep_hooks(session.config.pluginmanager)

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self.chosen:
            items[:] = [
                item
                for item in items
                if item.nodeid in self.chosen or item.nodeid.partition("[")[0] in self.chosen
            ]

    def pytest_runtest_call(self, item: Any) -> None:
        if self.recorder is not None:
            self.profile(self.recorder)

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        if call.when == "call":
            if self.recorder is not None:
                self.profile(None)
            self.look()

    def pytest_make_collect_report(self, collector: Any) -> None:
        path = str(getattr(collector, "path", ""))
        if path in self.pristine:
            with open(path, "rb") as file:
                if self.digest(file.read()).hexdigest() != self.pristine[path]:
                    self.send("changed", os.path.relpath(path))

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.send("error", report.nodeid)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.phases = []
        self.look()
        self.send("start", nodeid)

    def pytest_runtest_logreport(self, report: Any) -> None:
        when = "subtest" if getattr(report, "context", None) is not None else report.when
        self.phases.append((when, report.outcome, hasattr(report, "wasxfail")))

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.look()
        self.send("end", nodeid, outcome_of(self.phases))


def outcome_of(phases: list[tuple[str, str, bool]]) -> str:
    """Return the outcome of a test.

    `passed` only if all phases passed and none was expected to fail.
    """
    if any(outcome == "failed" for _, outcome, _ in phases):
        return "failed"
    if any(outcome == "skipped" for _, outcome, _ in phases):
        return "xfailed" if any(expected for *_, expected in phases) else "skipped"
    if any(expected for *_, expected in phases):
        return "xpassed"
    whole = {"setup", "call", "teardown"} <= {when for when, *_ in phases}
    return "passed" if whole else "failed"


if __name__ == "__main__":
    if sys.argv[1] == "supervise":
        sys.exit(supervise())
    leave = os._exit
    ending = apart()["child"](int(sys.argv[2]))
    sys.stdout.flush()
    leave(ending)
