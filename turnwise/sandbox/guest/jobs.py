"""Jobs that run in a root: a command, a Python interpreter, a shell.

Each has two pipes for its output and a mark that all its processes carry.
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
from .files import RequestRefused
from .filesystem import Root
from .frames import Channel

MAX_SHELL_COMMAND_BYTES = 1 << 20
"""Largest size of the pipe to the shell."""
_SHELL_LOOP = (
    'while IFS= read -r -d "" -u 3 TURNWISE_COMMAND; '
    'do eval "$TURNWISE_COMMAND" 3<&- 4>&-; echo "$?" >&4; done'
)


class Job:
    """Processes with one mark, and the two streams they write.

    Args:
        mark: see `processes`.
        keep: bytes of each stream that are kept for one call.
    """

    def __init__(self, root: Root, mark: int, keep: int) -> None:
        self.root, self.mark = root, mark
        self.out, self.err = Pipe(keep), Pipe(keep)
        self.pid = 0
        self.alive = True
        self.late = b""
        """Output written between two calls."""

    def start(
        self,
        plan: dict[str, Any],
        keep: dict[int, int],
        become: Callable[[], None],
        interpreting: bool = False,
    ) -> None:
        """Fork a child that enters the root, is confined and calls `become`, which never returns.

        Args:
            plan: the `configure` request.
            keep: descriptors of the child besides its output: target number -> ours.
            interpreting: the child is an interpreter, forked with all its mapped memory.
        """
        pid = os.fork()
        if pid == 0:
            try:
                confine.reset_signals()
                os.setsid()
                confine.close_descriptors({1: self.out.writer, 2: self.err.writer, **keep})
                self.root.enter()
                os.environ.clear()
                os.environ.update(plan["environment"])
                confine.apply(plan, self.mark, mapped=interpreting, fork=interpreting)
                become()
            except BaseException as problem:
                os.write(2, f"{type(problem).__name__}: {problem}\n".encode())
            finally:
                os._exit(127)
        # Marked by us too: the end of another call kills every process that has no living mark.
        with contextlib.suppress(OSError):
            processes.mark(pid, self.mark)
        self.pid = pid
        self.out.release()
        self.err.release()

    def written(self) -> int:
        """Return the number of bytes written since the last call began."""
        return self.out.capture.written + self.err.capture.written

    def close(self) -> None:
        """Close the descriptors; the processes must be gone."""
        self.alive = False
        self.out.close()
        self.err.close()


def _stdin(data: bytes) -> int:
    """Return a descriptor to read `data` from; a file, since a pipe would have to be fed."""
    if not data:
        return os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    return _memory_file(data)


def _memory_file(data: bytes) -> int:
    """Return a descriptor of an anonymous file with this content, at its beginning."""
    descriptor = os.memfd_create("stdin")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class CommandJob(Job):
    """A program that runs to its end."""

    def run(self, plan: dict[str, Any], argv: list[str], stdin: bytes) -> None:
        """Start the program."""
        descriptor = _stdin(stdin)
        environment = plan["environment"]
        try:
            self.start(plan, {0: descriptor}, lambda: os.execvpe(argv[0], argv, environment))
        finally:
            os.close(descriptor)


class InterpreterJob(Job):
    """A Python interpreter, with a channel for its requests."""

    channel: Channel

    def begin(self, plan: dict[str, Any]) -> None:
        """Start the interpreter."""
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
        """Use a descriptor as our end of the channel."""
        self.channel = Channel(descriptor, descriptor, max_body_bytes=1 << 16)
        os.set_blocking(descriptor, False)

    def send(self, code: bytes) -> None:
        """Send a cell; `OSError` where the interpreter has closed its end or does not read."""
        descriptor = _memory_file(code)
        try:
            self.channel.send({}, descriptors=(descriptor,))
        finally:
            os.close(descriptor)

    def close(self) -> None:
        self.channel.close()
        super().close()


class ShellJob(Job):
    """A bash that reads commands from one pipe and reports their exit status on another.

    Both pipes are closed while a command runs.
    """

    def begin(self, plan: dict[str, Any]) -> None:
        """Start the bash."""
        read, self.commands = os.pipe()
        self.status, write = os.pipe()
        null = _stdin(b"")
        try:
            fcntl.fcntl(self.commands, fcntl.F_SETPIPE_SZ, MAX_SHELL_COMMAND_BYTES)
            os.set_blocking(self.commands, False)
            os.set_blocking(self.status, False)
            argv = ["bash", "--noprofile", "--norc", "-c", _SHELL_LOOP]
            environment = plan["environment"]
            self.start(
                plan, {0: null, 3: read, 4: write}, lambda: os.execvpe(argv[0], argv, environment)
            )
        finally:
            for descriptor in (read, write, null):
                os.close(descriptor)

    @staticmethod
    def check(command: bytes) -> None:
        """Raise `RequestRefused` for a command that the pipe or bash cannot take."""
        if b"\0" in command or len(command) + 1 >= MAX_SHELL_COMMAND_BYTES:
            raise RequestRefused(
                f"a shell command holds no NUL and is shorter than {MAX_SHELL_COMMAND_BYTES} bytes"
            )

    def send(self, command: bytes) -> None:
        """Send a command; `OSError` where the bash is gone."""
        os.write(self.commands, command + b"\0")

    def reported_status(self) -> int | None:
        """Return the exit status that bash reported; the command may have forged it."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(os.read(self.status, 64).split()[-1]) & 0xFF
        return None

    def close(self) -> None:
        os.close(self.commands)
        os.close(self.status)
        super().close()
