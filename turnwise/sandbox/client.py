"""The parent's side of the guest: a `Sandbox` whose every promise is kept by asking the program
inside and never trusting it.

Each backend launches the guest in its own way and hands over a channel and a `Confinement`, the
means to kill it. All lengths and all waits are bounded here.
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
from typing import Any, Protocol

from turnwise.sandbox.contract import (
    Capabilities,
    Result,
    Sandbox,
    SandboxError,
    Session,
    Shell,
    Snapshot,
    Spec,
)
from turnwise.sandbox.guest.frames import Channel, Header

GRACE = 20.0
"""Seconds that the guest has to kill a call before the whole sandbox is killed."""
SETUP = 60.0
"""Seconds for what is ours and not the code's: starting, copying files, forking."""
SENDING = 10.0
"""Seconds in which the guest must take something from a full channel."""
ENDINGS = ("none", "exception", "timeout", "memory", "output", "died")


class Confinement(Protocol):
    """What a sandbox and its forks run in, and how it is ended from outside."""

    backend: str
    capabilities: Capabilities

    def kill(self) -> None:
        """SIGKILL everything in it and wait until it is gone. Doing it again changes nothing."""

    def memory_kills(self) -> int:
        """How often the kernel killed something in it for memory; 0 where nobody counts."""

    def join(self) -> None:
        """One more sandbox (a fork) lives in it."""

    def leave(self) -> None:
        """One fewer; with the last one everything is killed and every trace removed."""


class GuestSandbox(Sandbox):
    """A sandbox in which the guest program runs.

    Args:
        spec: what it is made of.
        channel: to the guest.
        confinement: joined already.
        plan: the guest's configuration; None where it is configured (a fork).
    """

    def __init__(
        self, spec: Spec, channel: Channel, confinement: Confinement, plan: Header | None
    ) -> None:
        self.spec = spec
        self._channel, self._confinement = channel, confinement
        self._lock = threading.RLock()
        self._sessions: list[GuestSession] = []
        self._dead = self._closed = False
        channel.patience(SENDING)
        if plan is not None:
            try:
                configured = self._ask({"ask": "configure", **plan})[0]
                if spec.workspace and not configured.get("overlay"):
                    self._ask({"ask": "unpack"}, archive(spec.workspace))
            except BaseException:
                self.close()
                raise

    @property
    def backend(self) -> str:
        return self._confinement.backend

    @property
    def capabilities(self) -> Capabilities:
        return self._confinement.capabilities

    @property
    def stands(self) -> bool:
        """Neither closed nor killed."""
        return not self._dead and not self._closed

    # Requests.

    def _exchange(
        self, header: Header, body: bytes, timeout: float, descriptors: tuple[int, ...] = ()
    ) -> tuple[Header, bytes] | None:
        """Send and wait; None where nothing came in time or the guest is gone."""
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
        """A request that is ours; `SandboxError` where it cannot be met."""
        with self._lock:
            answer = self._exchange(header, body, SETUP, descriptors)
            if answer is None:
                self._end()
                raise SandboxError(f"the sandbox did not answer {header['ask']!r}: it has ended")
        if "failed" in answer[0]:
            raise SandboxError(str(answer[0]["failed"]))
        return answer

    def call(self, header: Header, body: bytes, timeout: float | None) -> tuple[Result, bool]:
        """A request that runs untrusted code, and whether what ran it still stands."""
        seconds = self.spec.limits.seconds if timeout is None else timeout
        with self._lock:
            kills = self._confinement.memory_kills()
            start = time.monotonic()
            answer = self._exchange(header, body, seconds)
            timed_out = answer is None and not self._dead
            if timed_out:
                answer = self._exchange({"ask": "stop", "error": "timeout"}, b"", GRACE)
                if answer is None:
                    self._end()
            elapsed = time.monotonic() - start
            if answer is None:
                memory = self._kills_at_end > kills if self._dead else False
                return Result(
                    "",
                    "",
                    None,
                    "timeout" if timed_out else "memory" if memory else "died",
                    False,
                    elapsed,
                ), False
            if "failed" in answer[0]:
                raise SandboxError(str(answer[0]["failed"]))
            result = self._result(*answer, elapsed)
            if result.error == "died" or result.exit_code == 137:
                kills = self._confinement.memory_kills() - kills
                if kills > 0:
                    result = Result(
                        result.stdout,
                        result.stderr,
                        None,
                        "memory",
                        result.truncated,
                        elapsed,
                        result.late,
                    )
            return result, bool(answer[0].get("alive"))

    def _result(self, header: Header, body: bytes, elapsed: float) -> Result:
        most = 2 * self.spec.limits.output_chars + 1000
        first, second, third = (
            min(max(int(header.get(name) or 0), 0), most) for name in ("out", "err", "late")
        )
        texts = [
            body[:first],
            body[first : first + second],
            body[first + second : first + second + third],
        ]
        out, err, late = (text.decode("utf-8", "replace") for text in texts)
        code = header.get("exit")
        error = header.get("error")
        return Result(
            out,
            err,
            code if isinstance(code, int) and error in ("none", "died") else None,
            error if error in ENDINGS else "died",
            bool(header.get("truncated")),
            elapsed,
            late,
        )

    _kills_at_end = 0

    def _end(self) -> None:
        """The guest does not answer or is gone: so is everything it started."""
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
        """End a session or a shell; nothing where the sandbox has ended already."""
        with contextlib.suppress(SandboxError):
            self._ask({"ask": "end", kind: number})

    def snapshot(self) -> Snapshot:
        return GuestSnapshot(self.fork())

    def fork(self) -> GuestSandbox:
        if not self.capabilities.fork:
            raise SandboxError(
                f"the {self.backend} backend cannot fork a running sandbox: use the jail"
            )
        ours, theirs = socket.socketpair()
        try:
            with self._lock:
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
        return self._alive and self._sandbox.stands

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
        if not self._open or not self._sandbox.stands:
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


class GuestSnapshot(Snapshot):
    """A copy that nobody runs anything in, to be copied again."""

    def __init__(self, kept: GuestSandbox) -> None:
        self._kept = kept

    def open(self) -> Sandbox:
        return self._kept.fork()

    def close(self) -> None:
        self._kept.close()


def archive(folder: str) -> bytes:
    """A directory's regular files, directories and links as a tar, whatever it is called and
    whoever owns it.
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


def plan(spec: Spec, mode: str, **more: Any) -> Header:
    """The guest's configuration for a spec.

    Args:
        mode: `jail` or `plain`.
        more: such as `environment` (overridden by the spec's), `watch_memory`, `covered`,
            `overlay`, `work`.
    """
    limits = {name: getattr(spec.limits, name) for name in spec.limits.__slots__}
    environment = {
        "HOME": "/work",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "OPENBLAS_NUM_THREADS": "1",
    }
    environment |= {
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
