"""What a sandbox is: a place where untrusted code runs, described by what it may use, what it
promises and what it answers.

A backend makes a `Sandbox`; whoever uses one sees only this page. Every call is bounded in time by
the parent, who kills and never asks; every answer is a `Result`, whose `error` says whose fault an
ending was. `infrastructure` alone means that nothing can be said about the code: it is never a
wrong answer and never a reward of zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from turnwise.errors import TurnwiseError

Error = Literal["none", "exception", "timeout", "memory", "output", "died", "infrastructure"]
"""Why a call ended as it did.

`none`            it ran to its end (a command's exit code may still be other than 0)
`exception`       a cell raised; the traceback is on stderr and the session lives on
`timeout`         it was killed at its wall-clock limit
`memory`          it was killed, or refused memory, at the memory limit
`output`          it wrote more than may be kept, and was killed
`died`            it ended itself: a signal, `os._exit`, its channel closed
`infrastructure`  the sandbox failed; nothing is known about the code
"""


class SandboxError(TurnwiseError):
    """A sandbox that cannot be made or used here: says what is missing and what to do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What code may use. Memory, processes, disk and files are of the whole sandbox where the
    backend can (`Capabilities`).
    """

    seconds: float = 10.0
    """Wall clock of one call, unless the call says otherwise."""
    memory_mb: int = 512
    processes: int = 32
    disk_mb: int = 64
    files: int = 20_000
    """Inodes of the writable part."""
    file_mb: int = 64
    """Largest single file."""
    open_files: int = 256
    output_chars: int = 65_536
    """Kept of stdout and of stderr each; what is beyond is dropped and `truncated` is set."""
    flood_chars: int = 8_000_000
    """Output of one call after which it is killed."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend really enforces here. What is False is said once when the backend is chosen,
    never passed over.
    """

    filesystem: bool
    """Nothing of the host is readable but what was given, and nothing writable outside the
    workspace.
    """
    network: bool
    """No network, no abstract or host unix sockets."""
    processes: bool
    """Own process numbers: other processes can be neither seen nor signalled, and all die with the
    sandbox.
    """
    total_memory: bool
    """The memory limit holds for all processes together."""
    disk_quota: bool
    """Disk and inode limits hold."""
    fork: bool
    """A running sandbox, its files and its sessions, can be copied."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one call."""

    stdout: str
    stderr: str
    exit_code: int | None
    """Of a command; None where it has none (a cell, a killed call)."""
    error: Error = "none"
    truncated: bool = False
    """Output was dropped; the beginning and the end were kept."""
    seconds: float = 0.0
    late: str = ""
    """Written by threads or background processes since the call before, when nothing was being
    answered.
    """

    @property
    def ok(self) -> bool:
        """It ran to its end, with exit code 0 where there is one."""
        return self.error == "none" and self.exit_code in (0, None)


@dataclass(frozen=True, slots=True)
class Spec:
    """What a sandbox is made of.

    Args:
        limits: what code may use.
        workspace: a host directory whose tree is the beginning of the workspace `/work`; never
            written to (copied, or the lower layer of an overlay). Empty: an empty workspace.
        readonly: guest path -> host path, bound read-only beside the system's own `/usr`, `/bin`,
        `/lib`.
        environment: variables of the guest; nothing of ours is ever passed.
        preload: modules that interpreter sessions find imported already (from the warm zygote where
        the backend has one).
        image: of the docker backend.
    """

    limits: Limits = field(default_factory=Limits)
    workspace: str = ""
    readonly: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    image: str = ""


class Session(ABC):
    """A Python interpreter whose state lasts from cell to cell, and ends with the sandbox."""

    @abstractmethod
    def run(self, code: str, timeout: float | None = None) -> Result:
        """Run one cell. A bare last expression is not printed. After `timeout`, `output` or `died`,
        or killed for `memory`, the session is gone and every later call answers `died`; one that
        was only refused memory (MemoryError) stays `alive`."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether the interpreter still stands."""

    @abstractmethod
    def close(self) -> None:
        """End the interpreter and whatever it started. Doing it again changes nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Shell(ABC):
    """A persistent bash: the working directory and variables last from command to command."""

    @abstractmethod
    def run(self, command: str, timeout: float | None = None) -> Result:
        """Run one command line; `exit_code` is its status. After a `timeout` everything it started
        is killed, and the next command finds a new bash in the workspace."""

    @abstractmethod
    def close(self) -> None:
        """End the shell and whatever it started."""


class Sandbox(ABC):
    """One place with its own files, processes and limits. Made by `turnwise.sandbox.open_sandbox`."""

    spec: Spec

    @property
    @abstractmethod
    def backend(self) -> str:
        """Such as `jail`."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    @abstractmethod
    def run(
        self, command: Sequence[str] | str, timeout: float | None = None, stdin: str | bytes = ""
    ) -> Result:
        """Run a program (a string is given to `bash -c`) in `/work`, and wait until it and all it
        started are gone.
        """

    @abstractmethod
    def session(self) -> Session:
        """A new Python interpreter in this sandbox."""

    @property
    @abstractmethod
    def sessions(self) -> tuple[Session, ...]:
        """The interpreters that stand, in the order they were made; in a fork, the copies of those
        of its origin.
        """

    @abstractmethod
    def shell(self) -> Shell:
        """A persistent bash in this sandbox."""

    @abstractmethod
    def write(self, path: str, data: str | bytes) -> None:
        """Write a file of the workspace; directories are made. `path` is relative to `/work` or
        under it.

        Raises:
            SandboxError: for a path that leaves the workspace (also through a link), or where there
                is no room.
        """

    @abstractmethod
    def read(self, path: str, limit: int = 10_000_000) -> bytes:
        """The bytes of a regular file of the workspace.

        Raises:
            SandboxError: where it is absent, not a regular file, larger than `limit`, or outside
                the workspace.
        """

    @abstractmethod
    def files(self) -> list[str]:
        """Paths of the regular files of the workspace, sorted, relative to it. Links are not
        followed.
        """

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """The workspace and the sessions as they stand, to be forked from any number of times.

        Raises:
            SandboxError: where `capabilities.fork` is False.
        """

    @abstractmethod
    def fork(self) -> Sandbox:
        """A second sandbox that continues from here, independent of this one: `snapshot().open()`
        without keeping it.
        """

    @abstractmethod
    def close(self) -> None:
        """Kill every process and remove every trace. Doing it again changes nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Snapshot(ABC):
    """A sandbox at one moment."""

    @abstractmethod
    def open(self) -> Sandbox:
        """A new sandbox that continues from there, its `sessions` too."""

    @abstractmethod
    def close(self) -> None:
        """Forget it."""
