"""Starting the guest without a zygote, for backends that confine it in their own way: one clean
process per sandbox.

The process has an empty environment and the channel; nothing of the trainer is in its memory. As
root it is another user, one per sandbox, before anything else happens.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from turnwise.sandbox import janitor
from turnwise.sandbox.cgroup import Cgroup
from turnwise.sandbox.client import SETUP
from turnwise.sandbox.contract import Capabilities, SandboxError, Spec
from turnwise.sandbox.guest.frames import Channel
from turnwise.sandbox.jail import SPARE_MB, SPARE_PROCESSES, python
from turnwise.sandbox.uids import UIDS

HERE = Path(__file__).resolve().parent
CLEAN = {
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
}


def command(
    interpreter: str, guest: str, plan: dict[str, Any], reader: int, writer: int | None = None
) -> list[str]:
    """The command line that runs `guest.launch`; `guest` is the directory that the package `guest`
    lies in.
    """
    start = f"import sys; sys.path.insert(0, {guest!r}); from guest.launch import main; main()"
    return [
        interpreter,
        "-P",
        "-s",
        "-S",
        "-c",
        start,
        json.dumps(plan),
        str(reader),
        str(reader if writer is None else writer),
    ]


@dataclass(slots=True)
class Started:
    """A guest that is coming up."""

    channel: Channel
    process: subprocess.Popen[bytes]
    pid: int
    """The process that, when it ends, has everything else end."""
    user: int | None
    """The user number of a root trainer's sandbox."""


def start(
    arguments: Callable[[int, int, int | None], list[str]], who: str, passed: tuple[int, ...] = ()
) -> Started:
    """Start a guest.

    Args:
        arguments: (channel, information, user) -> the command line; to the descriptor `information`
            it writes a JSON object with `child-pid`, the process to be killed.
        who: the backend, for what is said when it fails.
        passed: further descriptors that the command line names.

    Raises:
        SandboxError: where it does not come up, with its own last words.
    """
    user = UIDS.take() if os.geteuid() == 0 else None
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(
            arguments(theirs.fileno(), writer, user),
            env=CLEAN,
            cwd="/",
            pass_fds=(theirs.fileno(), writer, *passed),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as problem:
        for each in (ours, theirs):
            each.close()
        os.close(reader)
        raise SandboxError(f"{who} cannot be started: {problem}") from None
    finally:
        os.close(writer)
        theirs.close()
    pid = _information(reader)
    if pid is None:
        ours.close()
        process.kill()
        words = _last_words(process)
        if user is not None:
            UIDS.give(user)
        raise SandboxError(f"{who} does not start: {words or 'it ended without a word'}")
    number = ours.detach()
    return Started(Channel(number, number), process, pid, user)


def _information(reader: int) -> int | None:
    """The process number that is written to us; None where the other side ends instead."""
    text = b""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    with open(reader, "rb", buffering=0) as file:
        while poll.poll(SETUP * 1000):
            piece = file.read(4096)
            text += piece
            with contextlib.suppress(ValueError):
                return int(json.loads(text)["child-pid"])
            if not piece:
                return None
    return None


def _last_words(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    with process.stderr:
        try:
            said = process.communicate(timeout=5)[1]
        except subprocess.TimeoutExpired:
            return ""
    return said.decode("utf-8", "replace").strip().split("\n")[-1][:300]


@dataclass(slots=True)
class Confined:
    """The confinement of one sandbox that cannot be forked: killed by its one process, its
    directories removed.
    """

    backend: str
    capabilities: Capabilities
    started: Started
    cgroup: Cgroup
    folders: tuple[Path, ...] = ()
    gently: bool = False
    """Whether the process kills the others itself and is therefore asked first; else the kernel
    does, when it dies.
    """
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _pidfd: int = -1
    _left: bool = False

    def __post_init__(self) -> None:
        with contextlib.suppress(OSError):
            self._pidfd = os.pidfd_open(self.started.pid)
        with contextlib.suppress(OSError):
            self.cgroup.add(self.started.pid)

    def kill(self) -> None:
        with self._lock:
            if self._pidfd < 0:
                return
            if self.gently:
                self._signal(signal.SIGTERM)
                if self._gone(SETUP / 10):
                    return
            self._signal(signal.SIGKILL)
            self._gone(SETUP)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._pidfd, number)

    def _gone(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def memory_kills(self) -> int:
        return self.cgroup.kills()

    def join(self) -> None:
        raise SandboxError(
            f"the {self.backend} backend cannot fork a running sandbox: use the jail"
        )

    def leave(self) -> None:
        self.kill()
        with self._lock:
            if self._left:
                return
            self._left = True
            if self._pidfd >= 0:
                os.close(self._pidfd)
            self._pidfd = -1
        process = self.started.process
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SETUP / 10)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()
        self.cgroup.remove()
        for folder in self.folders:
            with contextlib.suppress(OSError):
                janitor.tree(folder)
        if self.started.user is not None:
            UIDS.give(self.started.user)


def budget(spec: Spec) -> Cgroup:
    """The cgroup of one sandbox."""
    memory = spec.limits.memory_mb + spec.limits.disk_mb + SPARE_MB
    return Cgroup(memory, spec.limits.processes + SPARE_PROCESSES + 2)


def interpreter() -> str:
    """The interpreter to run guests with.

    Raises:
        SandboxError: where it cannot be found.
    """
    found = python()
    if not os.path.isabs(found):
        raise SandboxError(
            "Python does not know where its own program is: call it by an absolute path"
        )
    return found
