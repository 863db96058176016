"""The parent's side of the guest: a `Sandbox` that sends requests to the program inside.

Each backend launches the guest in its own way and provides a channel to it and a `Confinement`, the
means to kill it. The guest is not trusted: all lengths and all waits are bounded here.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import tarfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from turnwise.sandbox.contract import (
    Error,
    Result,
    Sandbox,
    SandboxCapabilities,
    SandboxError,
    SandboxSnapshot,
    Session,
    Shell,
    Spec,
)
from turnwise.sandbox.guest.frames import Channel, Header

STOP_S = 20.0
"""Seconds that the guest has to kill a call before the whole sandbox is killed."""
SETUP_S = 60.0
"""Seconds for requests that run none of the code: starting, copying files, forking."""
SEND_S = 10.0
"""Seconds in which the guest must read something from a full channel."""
GUEST_ERRORS = ("none", "exception", "timeout", "memory", "output", "died")


class Confinement(Protocol):
    """Confinement of a sandbox and its forks, with the means to kill them from outside."""

    backend: str
    capabilities: SandboxCapabilities

    def kill(self) -> None:
        """SIGKILL everything in it and wait until it is gone. Idempotent."""

    def memory_kills(self) -> int:
        """Return how many processes the kernel killed for memory; 0 where it does not count."""

    def join(self) -> None:
        """Count one more sandbox (a fork) in it."""

    def leave(self) -> None:
        """Count one fewer; after the last one, kill everything and remove every file."""


class GuestSandbox(Sandbox):
    """A sandbox in which the guest program runs.

    Args:
        spec: the sandbox's specification.
        channel: the channel to the guest.
        confinement: counts this sandbox already.
        plan: the guest's configuration; None for a fork, which is configured already.
    """

    def __init__(
        self, spec: Spec, channel: Channel, confinement: Confinement, plan: Header | None
    ) -> None:
        self.spec = spec
        self._channel, self._confinement = channel, confinement
        self._lock = threading.RLock()
        self._sessions: list[GuestSession] = []
        self._dead = self._closed = False
        channel.set_send_timeout(SEND_S)
        if plan is not None:
            try:
                configured = self._ask({"ask": "configure", **plan})[0]
                if spec.workspace and not configured.get("overlay"):
                    self._ask({"ask": "unpack"}, pack_directory(spec.workspace))
            except BaseException:
                self.close()
                raise

    @property
    def backend(self) -> str:
        return self._confinement.backend

    @property
    def capabilities(self) -> SandboxCapabilities:
        return self._confinement.capabilities

    @property
    def running(self) -> bool:
        """Whether it is neither closed nor dead."""
        return not self._dead and not self._closed

    # Requests.

    def _exchange(
        self, header: Header, body: bytes, timeout: float, descriptors: tuple[int, ...] = ()
    ) -> tuple[Header, bytes] | None:
        """Send a request; return its answer, or None if none comes in time or the guest is gone."""
        if self._closed:
            raise SandboxError("this sandbox is closed")
        if self._dead:
            return None
        try:
            self._channel.send(header, body, descriptors)
        except OSError:
            self._end()
            return None
        answer = self._channel.wait(timeout)
        if answer is None and self._channel.closed:
            self._end()
        return answer

    def _ask(
        self, header: Header, body: bytes = b"", descriptors: tuple[int, ...] = ()
    ) -> tuple[Header, bytes]:
        """Send a request that runs no code; `SandboxError` where it cannot be met."""
        with self._lock:
            answer = self._exchange(header, body, SETUP_S, descriptors)
            if answer is None:
                self._end()
                raise SandboxError(f"the sandbox did not answer {header['ask']!r}: it has ended")
        if "failed" in answer[0]:
            raise SandboxError(str(answer[0]["failed"]))
        return answer

    def call(self, header: Header, body: bytes, timeout: float | None) -> tuple[Result, bool]:
        """Send a request that runs code; return its result and whether what ran it is alive."""
        seconds = self.spec.limits.seconds if timeout is None else timeout
        with self._lock:
            kills = self._confinement.memory_kills()
            start = time.monotonic()
            answer = self._exchange(header, body, seconds)
            timed_out = answer is None and not self._dead
            if timed_out:
                answer = self._exchange({"ask": "stop", "error": "timeout"}, b"", STOP_S)
                if answer is None:
                    self._end()
            elapsed = time.monotonic() - start
            if answer is None:
                memory = self._dead and self._kills_at_end > kills
                error: Error = "timeout" if timed_out else "memory" if memory else "died"
                return Result("", "", None, error, seconds=elapsed), False
            if "failed" in answer[0]:
                raise SandboxError(str(answer[0]["failed"]))
            result = self._result(*answer, elapsed)
            # The kernel's kill for memory looks like any other; only the counter tells them apart.
            killed = result.error == "died" or result.exit_code == 137
            if killed and self._confinement.memory_kills() > kills:
                result = replace(result, exit_code=None, error="memory")
            return result, bool(answer[0].get("alive"))

    def _result(self, header: Header, body: bytes, elapsed: float) -> Result:
        """Return the result that an answer claims, with every field bounded."""
        # The guest keeps about `output_chars` bytes of each, but is not trusted to.
        longest = 2 * self.spec.limits.output_chars + 1000
        texts, start = [], 0
        for name in ("out", "err", "late"):
            end = start + min(max(int(header.get(name) or 0), 0), longest)
            texts.append(body[start:end].decode("utf-8", "replace"))
            start = end
        code = header.get("exit")
        error = header.get("error")
        return Result(
            stdout=texts[0],
            stderr=texts[1],
            exit_code=code if isinstance(code, int) and error in ("none", "died") else None,
            error=error if error in GUEST_ERRORS else "died",
            truncated=bool(header.get("truncated")),
            seconds=elapsed,
            late=texts[2],
        )

    _kills_at_end = 0

    def _end(self) -> None:
        """Kill everything, because the guest does not answer or is gone."""
        if not self._dead:
            self._dead = True
            self._kills_at_end = self._confinement.memory_kills()
            self._confinement.kill()

    # The contract.

    def run(
        self, command: Sequence[str] | str, timeout: float | None = None, stdin: str | bytes = ""
    ) -> Result:
        argv = (
            ["bash", "-c", command] if isinstance(command, str) else [str(word) for word in command]
        )
        if not argv or any("\0" in word for word in argv):
            raise SandboxError("a command is at least one word, and no word holds a NUL character")
        return self.call(
            {"ask": "run", "argv": argv},
            stdin.encode() if isinstance(stdin, str) else stdin,
            timeout,
        )[0]

    def session(self) -> Session:
        session = GuestSession(self, int(self._ask({"ask": "session"})[0]["session"]))
        self._sessions.append(session)
        return session

    @property
    def sessions(self) -> tuple[Session, ...]:
        return tuple(session for session in self._sessions if session.alive)

    def shell(self) -> Shell:
        return GuestShell(self, int(self._ask({"ask": "shell"})[0]["shell"]))

    def write(self, path: str, data: str | bytes) -> None:
        self._ask({"ask": "write", "path": path}, data.encode() if isinstance(data, str) else data)

    def read(self, path: str, limit: int = 10_000_000) -> bytes:
        return self._ask({"ask": "read", "path": path, "limit": limit})[1][: limit + 1]

    def files(self) -> list[str]:
        return [str(path) for path in self._ask({"ask": "files"})[0]["files"]]

    def end(self, kind: str, number: int) -> None:
        """End a session or a shell, unless the sandbox itself has ended."""
        with contextlib.suppress(SandboxError):
            self._ask({"ask": "end", kind: number})

    def snapshot(self) -> SandboxSnapshot:
        return GuestSnapshot(self.fork())

    def fork(self) -> GuestSandbox:
        if not self.capabilities.fork:
            raise SandboxError(
                f"the {self.backend} backend cannot fork a running sandbox: use the jail"
            )
        ours, theirs = socket.socketpair()
        try:
            with self._lock:
                # First, because the fork needs its share of the limits when it starts.
                self._confinement.join()
                try:
                    header, _ = self._ask({"ask": "fork"}, descriptors=(theirs.fileno(),))
                except BaseException:
                    self._confinement.leave()
                    raise
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        number = ours.detach()
        fork = type(self)(self.spec, Channel(number, number), self._confinement, None)
        fork._sessions = [GuestSession(fork, int(session)) for session in header["sessions"]]
        return fork

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._channel.close()
            self._confinement.leave()


class GuestSession(Session):
    """An interpreter in a `GuestSandbox`."""

    def __init__(self, sandbox: GuestSandbox, number: int) -> None:
        self._sandbox, self._number = sandbox, number
        self._alive = True

    def run(self, code: str, timeout: float | None = None) -> Result:
        if not self.alive:
            return Result("", "", None, "died")
        request = {"ask": "cell", "session": self._number}
        result, self._alive = self._sandbox.call(
            request, code.encode("utf-8", "surrogatepass"), timeout
        )
        return result

    @property
    def alive(self) -> bool:
        return self._alive and self._sandbox.running

    def close(self) -> None:
        if self.alive:
            self._sandbox.end("session", self._number)
        self._alive = False


class GuestShell(Shell):
    """A bash in a `GuestSandbox`."""

    def __init__(self, sandbox: GuestSandbox, number: int) -> None:
        self._sandbox, self._number = sandbox, number
        self._open = True

    def run(self, command: str, timeout: float | None = None) -> Result:
        if not self._open or not self._sandbox.running:
            return Result("", "", None, "died")
        return self._sandbox.call(
            {"ask": "command", "shell": self._number},
            command.encode("utf-8", "surrogateescape"),
            timeout,
        )[0]

    def close(self) -> None:
        if self._open:
            self._open = False
            self._sandbox.end("shell", self._number)


class GuestSnapshot(SandboxSnapshot):
    """A fork in which nothing runs, to be forked again."""

    def __init__(self, fork: GuestSandbox) -> None:
        self._fork = fork

    def open(self) -> Sandbox:
        return self._fork.fork()

    def close(self) -> None:
        self._fork.close()


def pack_directory(folder: str) -> bytes:
    """Return a directory's regular files, directories and links as a tar, without their owners.

    Raises:
        SandboxError: where it is no directory.
    """
    if not os.path.isdir(folder):
        raise SandboxError(f"the workspace {folder!r} is not a directory")

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        return member if member.isreg() or member.isdir() or member.issym() else None

    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.dereference = False
        tar.add(folder, arcname=".", filter=plain)
    return data.getvalue()


def guest_plan(spec: Spec, mode: str, **more: Any) -> Header:
    """Return the guest's configuration (the `configure` request) for a spec.

    Args:
        mode: `jail` or `plain`.
        more: further fields, such as `environment` (overridden by the spec's), `watch_memory`,
            `covered`, `overlay`, `work`.
    """
    limits = {name: getattr(spec.limits, name) for name in spec.limits.__slots__}
    environment = {
        "HOME": "/work",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        **more.pop("environment", {}),
        **spec.environment,
    }
    return {
        "mode": mode,
        "limits": limits,
        "environment": environment,
        "preload": list(spec.preload),
        **more,
    }
