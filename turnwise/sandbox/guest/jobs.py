"""What can run in a root: a command, an interpreter, a shell. Each has pipes for what it writes and
a mark on all its processes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable
from typing import Any

from . import confine, interpreter, processes
from .capture import Pipe
from .files import Refused
from .frames import Channel
from .roots import Root

LONGEST_COMMAND = 1 << 20
"""Bytes of a shell command: what a pipe can be made to hold."""
_LOOP = 'while IFS= read -r -d "" -u 3 TURNWISE_COMMAND; do eval "$TURNWISE_COMMAND" 3<&- 4>&-; echo "$?" >&4; done'


class Job:
    """Processes that carry one mark, and the two streams they write."""

    def __init__(self, root: Root, mark: int, keep: int) -> None:
        self.root, self.mark = root, mark
        self.out, self.err = Pipe(keep), Pipe(keep)
        self.pid = 0
        self.alive = True
        self.late = b""
        """What it wrote while nothing was asked of it."""

    def start(
        self,
        plan: dict[str, Any],
        keep: dict[int, int],
        become: Callable[[], None],
        interpreting: bool = False,
    ) -> None:
        """Fork; the child enters its root, is confined, and becomes something (which never
        returns).
        """
        pid = os.fork()
        if pid == 0:
            try:
                confine.signals()
                os.setsid()
                confine.descriptors({1: self.out.writer, 2: self.err.writer, **keep})
                self.root.enter()
                os.environ.clear()
                os.environ.update(plan["environment"])
                confine.confine(plan, self.mark, mapped=interpreting, fork=interpreting)
                become()
            except BaseException as problem:
                os.write(2, f"{type(problem).__name__}: {problem}\n".encode())
            finally:
                os._exit(127)
        with contextlib.suppress(
            OSError
        ):  # it has a mark before another call's end looks for processes that have none
            processes.mark(pid, self.mark)
        self.pid = pid
        self.out.release()
        self.err.release()

    def written(self) -> int:
        """Bytes written since the last call began."""
        return self.out.capture.written + self.err.capture.written

    def close(self) -> None:
        """Give the descriptors back; the processes must be gone."""
        self.alive = False
        self.out.close()
        self.err.close()


def _stdin(data: bytes) -> int:
    """A descriptor to read `data` from: never a pipe, so nobody has to keep feeding it."""
    if not data:
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    return memory_file(data)


def memory_file(data: bytes) -> int:
    """A file that is nowhere but in memory, at its beginning."""
    descriptor = os.memfd_create("stdin")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class Command(Job):
    """A program that runs to its end."""

    def run(self, plan: dict[str, Any], argv: list[str], stdin: bytes) -> None:
        descriptor = _stdin(stdin)
        try:
            self.start(
                plan, {0: descriptor}, lambda: os.execvpe(argv[0], argv, plan["environment"])
            )
        finally:
            os.close(descriptor)


class Interpreter(Job):
    """A Python interpreter, with a channel to ask it on."""

    channel: Channel

    def begin(self, plan: dict[str, Any]) -> None:
        ours, theirs = socket.socketpair()
        null = _stdin(b"")
        try:
            self.start(
                plan,
                {0: null, 3: theirs.fileno()},
                lambda: interpreter.main(Channel(3, 3)),
                interpreting=True,
            )
        finally:
            theirs.close()
            os.close(null)
        self.adopt(ours.detach())

    def adopt(self, descriptor: int) -> None:
        """Take our end of the channel."""
        self.channel = Channel(descriptor, descriptor, longest=1 << 16)
        os.set_blocking(descriptor, False)

    def ask(self, code: bytes) -> None:
        """Send a cell; `OSError` where the interpreter has closed its end or does not read."""
        descriptor = memory_file(code)
        try:
            self.channel.send({}, descriptors=(descriptor,))
        finally:
            os.close(descriptor)

    def close(self) -> None:
        self.channel.close()
        super().close()


class Shell(Job):
    """A bash that reads commands from one pipe and reports their status on another, both closed
    while a command runs.
    """

    def begin(self, plan: dict[str, Any]) -> None:
        read, self.commands = os.pipe()
        self.status, write = os.pipe()
        null = _stdin(b"")
        try:
            fcntl.fcntl(self.commands, fcntl.F_SETPIPE_SZ, LONGEST_COMMAND)
            os.set_blocking(self.commands, False)
            os.set_blocking(self.status, False)
            argv = ["bash", "--noprofile", "--norc", "-c", _LOOP]
            self.start(
                plan,
                {0: null, 3: read, 4: write},
                lambda: os.execvpe(argv[0], argv, plan["environment"]),
            )
        finally:
            for descriptor in (read, write, null):
                os.close(descriptor)

    @staticmethod
    def check(command: bytes) -> None:
        """Raises `Refused` for what a pipe and a bash cannot take."""
        if b"\0" in command or len(command) + 1 >= LONGEST_COMMAND:
            raise Refused(
                f"a shell command holds no NUL and is shorter than {LONGEST_COMMAND} bytes"
            )

    def ask(self, command: bytes) -> None:
        os.write(self.commands, command + b"\0")

    def ended(self) -> int | None:
        """The status that the bash has reported, if any; a claim, which the command may have
        forged.
        """
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(os.read(self.status, 64).split()[-1]) & 0xFF
        return None

    def close(self) -> None:
        os.close(self.commands)
        os.close(self.status)
        super().close()


def marks() -> Callable[[], int]:
    """A supply of marks, each lower than the one before."""
    following = processes.HIGHEST

    def take() -> int:
        nonlocal following
        following -= 1
        return following

    return take
