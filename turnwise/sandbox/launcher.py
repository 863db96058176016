"""Start of the guest without a zygote, for backends that confine it in their own way.

One clean process per sandbox, with an empty environment and the channel; its memory holds nothing
of the trainer. Under a root trainer it first becomes another user, one per sandbox.
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
from turnwise.sandbox.client import SETUP_S
from turnwise.sandbox.contract import SandboxCapabilities, SandboxError, Spec
from turnwise.sandbox.guest.frames import Channel
from turnwise.sandbox.jail import CLEAN_ENVIRONMENT, SPARE_MB, SPARE_PROCESSES, base_python
from turnwise.sandbox.uids import UIDS


def guest_command(
    interpreter: str, parent: str, plan: dict[str, Any], reader: int, writer: int | None = None
) -> list[str]:
    """Return the command line that runs `guest.launch`.

    Args:
        interpreter: the Python to run it with.
        parent: the directory that holds the package `guest`, as the new process will see it.
        plan: see `guest.launch`.
        reader: descriptor of the channel.
        writer: descriptor to write to, where it is another one.
    """
    start = f"import sys; sys.path.insert(0, {parent!r}); from guest.launch import main; main()"
    channel = (str(reader), str(reader if writer is None else writer))
    return [interpreter, "-P", "-s", "-S", "-c", start, json.dumps(plan), *channel]


@dataclass(slots=True)
class StartedGuest:
    """A guest that has been started, and its channel."""

    channel: Channel
    process: subprocess.Popen[bytes]
    pid: int
    """The process whose end ends everything else."""
    user: int | None
    """User number of the sandbox, under a root trainer."""


def start_guest(
    arguments: Callable[[int, int, int | None], list[str]],
    backend: str,
    passed: tuple[int, ...] = (),
) -> StartedGuest:
    """Start a guest.

    Args:
        arguments: (channel, information, user) -> the command line. The program writes a JSON
            object with `child-pid`, the process to be killed, to the descriptor `information`.
        backend: name of the backend, for error messages.
        passed: further descriptors that the command line names.

    Raises:
        SandboxError: where it does not start, with the end of its error output.
    """
    user = UIDS.take() if os.geteuid() == 0 else None
    ours, theirs = socket.socketpair()
    reader, writer = os.pipe()
    try:
        process = subprocess.Popen(
            arguments(theirs.fileno(), writer, user),
            env=CLEAN_ENVIRONMENT,
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
        raise SandboxError(f"{backend} cannot be started: {problem}") from None
    finally:
        os.close(writer)
        theirs.close()
    pid = _child_pid(reader)
    if pid is None:
        ours.close()
        process.kill()
        complaint = _last_error_line(process)
        if user is not None:
            UIDS.give(user)
        raise SandboxError(f"{backend} does not start: {complaint or 'it ended without a word'}")
    number = ours.detach()
    return StartedGuest(Channel(number, number), process, pid, user)


def _child_pid(reader: int) -> int | None:
    """Read `child-pid`; None where the other side ends without writing it."""
    text = b""
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    with open(reader, "rb", buffering=0) as file:
        while poll.poll(SETUP_S * 1000):
            piece = file.read(4096)
            text += piece
            with contextlib.suppress(ValueError):  # not the whole object yet
                return int(json.loads(text)["child-pid"])
            if not piece:
                return None
    return None


def _last_error_line(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    with process.stderr:
        try:
            text = process.communicate(timeout=5)[1]
        except subprocess.TimeoutExpired:
            return ""
    return text.decode("utf-8", "replace").strip().split("\n")[-1][:300]


@dataclass(slots=True)
class ProcessConfinement:
    """Confinement of one sandbox that cannot be forked: one process to kill, folders to remove."""

    backend: str
    capabilities: SandboxCapabilities
    started: StartedGuest
    cgroup: Cgroup
    folders: tuple[Path, ...] = ()
    terminate: bool = False
    """Send SIGTERM first: the process kills the others itself. Otherwise the kernel does."""
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
            if self.terminate:
                self._signal(signal.SIGTERM)
                if self._wait(SETUP_S / 10):
                    return
            self._signal(signal.SIGKILL)
            self._wait(SETUP_S)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._pidfd, number)

    def _wait(self, seconds: float) -> bool:
        """Wait for the process to end; return whether it did."""
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
            process.wait(SETUP_S / 10)
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


def make_cgroup(spec: Spec) -> Cgroup:
    """Make the cgroup of one sandbox."""
    memory = spec.limits.memory_mb + spec.limits.disk_mb + SPARE_MB
    return Cgroup(memory, spec.limits.processes + SPARE_PROCESSES + 2)


def guest_python() -> str:
    """Return the interpreter to run guests with.

    Raises:
        SandboxError: where its path is not known.
    """
    found = base_python()
    if not os.path.isabs(found):
        raise SandboxError(
            "Python does not know where its own program is: call it by an absolute path"
        )
    return found
