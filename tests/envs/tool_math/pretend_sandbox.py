"""A pretended sandbox that runs cells in this process, for code that the tests wrote."""

from __future__ import annotations

import contextlib
import copy
import io
import threading
import traceback
from collections.abc import Sequence
from types import ModuleType
from typing import Any, ClassVar
from unittest import mock

from turnwise.sandbox.contract import Capabilities, Result, Sandbox, Session, Shell, Snapshot, Spec

ONE = threading.Lock()
"""The driver plays episodes in threads, and there is only one stdout to redirect."""


class PretendSession(Session):
    """A session in which a cell that begins with `#timeout`, `#memory`, ... fails in that way."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names, self.stands = names, True

    def run(self, code: str, timeout: float | None = None) -> Result:
        if not self.stands:
            return Result("", "", None, "died")
        for error in ("timeout", "memory", "output", "died", "infrastructure"):
            if code.startswith(f"#{error}"):
                self.stands = False
                return Result("before\n", "the end", None, error)  # type: ignore[arg-type]
        printed = io.StringIO()
        try:
            # Hooks of forks cannot be taken back, and this process forks no interpreter.
            with ONE, contextlib.redirect_stdout(printed), mock.patch("os.register_at_fork"):
                exec(compile(code, "<cell>", "exec"), self.names)
        except BaseException:
            return Result(printed.getvalue(), traceback.format_exc(), None, "exception")
        return Result(printed.getvalue(), "", None)

    @property
    def alive(self) -> bool:
        return self.stands

    def close(self) -> None:
        self.stands = False


class PretendSandbox(Sandbox):
    """A sandbox; `opened` lists those that are open."""

    opened: ClassVar[list[PretendSandbox]] = []
    made = 0
    can_fork = True

    def __init__(self, spec: Spec, names: dict[str, Any] | None = None) -> None:
        self.spec, self._sessions = spec, list[PretendSession]()
        if names is not None:
            self._sessions.append(PretendSession(names))
        self.copied = names is not None
        type(self).made += 1
        self.opened.append(self)

    backend = "pretend"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(False, False, False, False, False, fork=type(self).can_fork)

    def session(self) -> Session:
        self._sessions.append(PretendSession({"__name__": "__main__"}))
        return self._sessions[-1]

    @property
    def sessions(self) -> tuple[Session, ...]:
        return tuple(session for session in self._sessions if session.alive)

    def fork(self) -> Sandbox:
        (session,) = (session for session in self._sessions if session.alive)
        kept = {name: value for name, value in session.names.items() if name != "__builtins__"}
        plain = {n: v for n, v in kept.items() if not (callable(v) or isinstance(v, ModuleType))}
        return type(self)(self.spec, {**kept, **copy.deepcopy(plain)})

    @classmethod
    def episodes(cls) -> list[PretendSandbox]:
        """Sandboxes in which code of episodes runs."""
        return [sandbox for sandbox in cls.opened if sandbox.copied or not cls.can_fork]

    def close(self) -> None:
        if self in self.opened:
            self.opened.remove(self)
        for session in self._sessions:
            session.close()

    def run(
        self, command: Sequence[str] | str, timeout: float | None = None, stdin: str | bytes = ""
    ) -> Result:
        raise AssertionError("nothing here runs programs")

    def shell(self) -> Shell:
        raise AssertionError("nothing here asks for a shell")

    def write(self, path: str, data: str | bytes) -> None:
        raise AssertionError("nothing here writes files")

    def read(self, path: str, limit: int = 10_000_000) -> bytes:
        raise AssertionError("nothing here reads files")

    def files(self) -> list[str]:
        return []

    def snapshot(self) -> Snapshot:
        raise AssertionError("nothing here asks for snapshots")


class Unforkable(PretendSandbox):
    """A sandbox that cannot be copied."""

    opened: ClassVar[list[PretendSandbox]] = []
    can_fork = False
