"""The contract of a sandbox: its limits, what a backend protects, and the results of calls.

A backend makes a `Sandbox`, and users of one need only this file. Every call is bounded in time by
the parent, which kills what does not end. Every call returns a `Result`, whose `error` says why it
ended. `infrastructure` alone means that nothing is known about the code: it must never count as a
wrong answer or a reward of zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from turnwise.errors import TurnwiseError

Error = Literal["none", "exception", "timeout", "memory", "output", "died", "infrastructure"]
"""Cause of the end of a call.

`none`            it ran to its end (a command's exit code may still be other than 0)
`exception`       a cell raised; the traceback is on stderr and the session lives on
`timeout`         it was killed at its wall-clock limit
`memory`          it was killed, or refused memory, at the memory limit
`output`          it wrote more than may be kept, and was killed
`died`            it ended itself: a signal, `os._exit`, its channel closed
`infrastructure`  the sandbox failed; nothing is known about the code
"""


class SandboxError(TurnwiseError):
    """A sandbox cannot be made or used here; the message says what is missing and what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Resources that code may use.

    Memory, processes, disk and files are limits of the whole sandbox, where the backend can enforce
    that (`SandboxCapabilities`).
    """

    seconds: float = 10.0
    """Wall-clock limit of a call that gives none of its own."""
    memory_mb: int = 512
    processes: int = 32
    disk_mb: int = 64
    files: int = 20_000
    """Inodes of the writable part."""
    file_mb: int = 64
    """Largest single file."""
    open_files: int = 256
    output_chars: int = 65_536
    """Length that is kept of stdout and of stderr each; beyond it the middle is dropped."""
    flood_chars: int = 8_000_000
    """Output of one call after which it is killed."""


@dataclass(frozen=True, slots=True)
class SandboxCapabilities:
    """Protections that a backend enforces on this machine.

    What is False is logged once, when the backend is chosen.
    """

    filesystem: bool
    """Nothing of the host is readable but what was given; only the workspace is writable."""
    network: bool
    """No network, no abstract or host unix sockets."""
    processes: bool
    """Other processes can be neither seen nor signalled, and all inside die with the sandbox."""
    total_memory: bool
    """The memory limit holds for all processes together."""
    disk_quota: bool
    """Disk and inode limits hold."""
    fork: bool
    """A running sandbox can be copied, with its files and its sessions."""


@dataclass(frozen=True, slots=True)
class Result:
    """Result of one call."""

    stdout: str
    stderr: str
    exit_code: int | None
    """Of a command; None where it has none (a cell, a killed call)."""
    error: Error = "none"
    truncated: bool = False
    """Output was dropped; the beginning and the end were kept."""
    seconds: float = 0.0
    late: str = ""
    """Output of threads or background processes since the call before."""

    @property
    def ok(self) -> bool:
        """Whether it ran to its end, with exit code 0 where it has one."""
        return self.error == "none" and self.exit_code in (0, None)


@dataclass(frozen=True, slots=True)
class Spec:
    """Specification of a sandbox.

    Args:
        limits: resources that code may use.
        workspace: a host directory to begin the workspace `/work` with. It is never written to: it
            is copied, or the lower layer of an overlay. Empty for an empty workspace.
        readonly: guest path -> host path to show read-only, besides the system's `/usr`, `/bin`,
            `/lib`.
        environment: environment variables; none of the trainer's are ever passed.
        preload: modules that interpreter sessions find imported already (by the warm zygote, where
            the backend has one).
        image: container image, for the docker backend.
    """

    limits: Limits = field(default_factory=Limits)
    workspace: str = ""
    readonly: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    image: str = ""


class Session(ABC):
    """A Python interpreter that keeps its state from cell to cell, and ends with the sandbox."""

    @abstractmethod
    def run(self, code: str, timeout: float | None = None) -> Result:
        """Run one cell; a bare last expression is not printed.

        After `timeout`, `output`, `died`, or a kill for `memory`, the session is gone and every
        later call returns `died`. A session that was only refused memory (MemoryError) stays
        `alive`.
        """

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether the interpreter is still running."""

    @abstractmethod
    def close(self) -> None:
        """End the interpreter and everything it started. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Shell(ABC):
    """A persistent bash, which keeps its working directory and variables between commands."""

    @abstractmethod
    def run(self, command: str, timeout: float | None = None) -> Result:
        """Run one command line; `exit_code` is its exit status.

        After a `timeout` everything it started is killed, and the next command runs in a new bash
        in the workspace.
        """

    @abstractmethod
    def close(self) -> None:
        """End the shell and everything it started. Idempotent."""


class Sandbox(ABC):
    """A sandbox with its own files, processes and limits; see `turnwise.sandbox.open_sandbox`."""

    spec: Spec

    @property
    @abstractmethod
    def backend(self) -> str:
        """Name of the backend, such as `jail`."""

    @property
    @abstractmethod
    def capabilities(self) -> SandboxCapabilities:
        """Protections that the backend enforces on this machine."""

    @abstractmethod
    def run(
        self, command: Sequence[str] | str, timeout: float | None = None, stdin: str | bytes = ""
    ) -> Result:
        """Run a program in `/work` and wait until it and everything it started are gone.

        A string is run by `bash -c`, a sequence of words without a shell.
        """

    @abstractmethod
    def session(self) -> Session:
        """Start a Python interpreter in this sandbox."""

    @property
    @abstractmethod
    def sessions(self) -> tuple[Session, ...]:
        """The running interpreters in the order they were started; in a fork, their copies."""

    @abstractmethod
    def shell(self) -> Shell:
        """Start a persistent bash in this sandbox."""

    @abstractmethod
    def write(self, path: str, data: str | bytes) -> None:
        """Write a file of the workspace, with its directories.

        Args:
            path: relative to `/work`, or below it.
            data: the content; text is written as UTF-8.

        Raises:
            SandboxError: for a path that leaves the workspace, also through a link, or where there
                is no room.
        """

    @abstractmethod
    def read(self, path: str, limit: int = 10_000_000) -> bytes:
        """Return the bytes of a regular file of the workspace.

        Raises:
            SandboxError: where it is absent, not a regular file, larger than `limit` bytes, or
                outside the workspace.
        """

    @abstractmethod
    def files(self) -> list[str]:
        """Return the sorted relative paths of the workspace's regular files, following no link."""

    @abstractmethod
    def snapshot(self) -> SandboxSnapshot:
        """Return a snapshot of the workspace and the sessions, to be opened any number of times.

        Raises:
            SandboxError: where `capabilities.fork` is False.
        """

    @abstractmethod
    def fork(self) -> Sandbox:
        """Return a second, independent sandbox that continues from here.

        The same as `snapshot().open()`, without keeping the snapshot.
        """

    @abstractmethod
    def close(self) -> None:
        """Kill every process and remove every file. Idempotent."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SandboxSnapshot(ABC):
    """Files and sessions of a sandbox at one moment."""

    @abstractmethod
    def open(self) -> Sandbox:
        """Return a new sandbox that continues from there, with its `sessions`."""

    @abstractmethod
    def close(self) -> None:
        """Free the snapshot."""
