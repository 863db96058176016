"""Python interpreter of one episode: a session in a sandbox, started at the first code.

The state of an episode is the list of cells it has run; the session only caches the result of
running them. `run` takes the earlier cells as an argument. If the live session has run others
(after a snapshot was restored) or none (after unpickling, or in a fork of a sandbox that cannot
fork), a new one runs them again first. Global random generators start the same in every session and
continue the same in a fork, so that a fork and a replay print the same.

Starting a sandbox takes several times as long as copying one. So a pool keeps sandboxes whose
session has run nothing but the prelude; an interpreter takes one, works in a copy, and returns it
at the end. Concurrent episodes never share a sandbox, and one whose episode was stopped by force is
not used again.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from typing import TypeAlias

from turnwise.sandbox.contract import Limits, Result, Sandbox, SandboxError, Session, Spec

MakeSandbox: TypeAlias = Callable[[], Sandbox]
FATAL_ERRORS = frozenset({"timeout", "memory", "output", "died"})
"""Errors that end a session."""
START_LIMIT_S = 30.0
"""Time that a session may take to start on a busy machine."""

SEEDED = """\
def _begin():
    import os, random, sys
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    kept = []
    os.register_at_fork(  # after random's own hook, which seeds a forked child anew
        before=lambda: kept.append(random.getstate()),
        after_in_child=lambda: random.setstate(kept.pop()),
        after_in_parent=kept.pop,
    )
_begin()
del _begin
"""
FINAL_ANSWER = r'''
def final_answer(answer):
    """Print the answer, boxed; exact values as they are written in mathematics."""
    import sys
    sympy = sys.modules.get("sympy")
    exact = sympy is not None and isinstance(answer, sympy.Basic)
    print("\\boxed{" + (sympy.latex(answer) if exact else str(answer)) + "}")
'''


def sandboxes(backend: str | Callable[[Spec], Sandbox], limits: Limits) -> MakeSandbox:
    """Return a function that opens a sandbox.

    numpy and sympy are preloaded if they are installed, and string hashes are fixed.
    """
    warm = tuple(name for name in ("numpy", "sympy") if find_spec(name) is not None)
    spec = Spec(limits=limits, environment={"PYTHONHASHSEED": "0"}, preload=warm)
    if not isinstance(backend, str):
        return partial(backend, spec)

    def opened() -> Sandbox:
        from turnwise.sandbox import open_sandbox

        return open_sandbox(spec, backend)

    return opened


class SandboxPool:
    """Sandboxes to copy, shared by environments spawned from one another.

    Args:
        make_sandbox: opens a sandbox.
        prelude: code that every session runs before the first cell.
        keep: number of idle sandboxes kept; more are closed.
    """

    def __init__(self, make_sandbox: MakeSandbox, prelude: str, keep: int = 16) -> None:
        self._make, self._prelude, self._keep = make_sandbox, prelude, keep
        self._waiting: list[Sandbox] = []
        self._lock = threading.RLock()  # a finalizer may put one back while this thread takes one
        weakref.finalize(self, _close_all, self._waiting)

    def take(self) -> tuple[Sandbox, ...]:
        """Return a sandbox with one session that has run the prelude.

        If sandboxes can be copied it is a copy, and the second item is its original.
        """
        with self._lock:
            origin = self._waiting.pop() if self._waiting else None
        if origin is not None:
            try:
                return origin.fork(), origin
            except SandboxError:  # an earlier episode may have harmed it
                origin.close()
        origin = self._prepare()
        if not origin.capabilities.fork:
            return (origin,)
        try:
            return origin.fork(), origin
        except BaseException:
            origin.close()
            raise

    def put_back(self, origin: Sandbox) -> None:
        """Return an original to the pool, or close it if the pool is full."""
        with self._lock:
            if len(self._waiting) < self._keep:
                self._waiting.append(origin)
                return
        origin.close()

    def _prepare(self) -> Sandbox:
        sandbox = self._make()
        try:
            result = sandbox.session().run(self._prelude, START_LIMIT_S)
            if result.error != "none":
                raise SandboxError(
                    f"a session could not begin ({result.error}: {result.stderr.strip()[-300:]})"
                )
        except BaseException:
            sandbox.close()
            raise
        return sandbox


class PythonInterpreter:
    """The interpreter of one episode.

    Args:
        pool: source of sandboxes.
        seconds: wall-clock limit of one cell.
    """

    def __init__(self, pool: SandboxPool, seconds: float) -> None:
        self._pool, self._seconds = pool, seconds
        self._held: list[Sandbox] = []  # the sandbox, then its original
        self._session: Session | None = None
        self._ran: tuple[str, ...] = ()
        # The finalizer must not refer to the interpreter, or that would never be collected.
        self._finalizer = weakref.finalize(self, _give_up, self._held, pool)

    @property
    def live(self) -> bool:
        """Whether a session is running."""
        return self._session is not None and self._session.alive

    def run(self, before: Sequence[str], code: str) -> Result:
        """Run `code` in an interpreter that has run exactly the cells `before`.

        Raises:
            SandboxError: if the sandbox fails, or an earlier cell does not run again.
        """
        session = self._prepared(tuple(before))
        result = self._checked(session.run(code, self._seconds))
        if result.error in FATAL_ERRORS or not session.alive:
            self._broken()
        else:
            self._ran = (*before, code)
        return result

    def fork(self) -> PythonInterpreter:
        """Return an interpreter that continues from here.

        It has a copy of the sandbox; if that cannot be copied, it will run the cells again.
        """
        other = PythonInterpreter(self._pool, self._seconds)
        if self.live and self._held[0].capabilities.fork:
            copy = self._held[0].fork()
            other._held.append(copy)
            (other._session,), other._ran = copy.sessions, self._ran
            # The copy lives beside the original and may outlive this episode.
            _close_all(self._held, keep=1)
        return other

    def close(self) -> None:
        """End the session and its sandbox; the next `run` starts another."""
        self._session, self._ran = None, ()
        _give_up(self._held, self._pool)

    def _broken(self) -> None:
        """Close the sandbox and its original, which may be harmed too."""
        _close_all(self._held)
        self.close()

    def _prepared(self, before: tuple[str, ...]) -> Session:
        if self._session is not None and self.live and self._ran == before:
            return self._session
        self.close()
        self._held.extend(self._pool.take())
        (session,) = self._held[0].sessions
        self._session = session
        for cell in before:
            # A cell that raised may still have set variables. A cell that ended its session is
            # never among those before another.
            result = self._checked(session.run(cell, self._seconds))
            if result.error in FATAL_ERRORS:
                self._broken()
                raise SandboxError(
                    f"a cell that ran before ended with {result.error!r} when it was run again "
                    f"({result.stderr.strip()[-200:]}): "
                    "the machine may be overloaded; raise the time limit of the environment"
                )
        self._ran = before
        return session

    def _checked(self, result: Result) -> Result:
        if result.error == "infrastructure":
            self._broken()
            reason = result.stderr.strip()[-300:] or "no reason given"
            raise SandboxError(
                f"the sandbox failed while it ran code ({reason}): "
                "nothing is known about that code, so the episode has no score"
            )
        return result


def _give_up(held: list[Sandbox], pool: SandboxPool) -> None:
    """Close the sandbox of an episode and return its original to the pool."""
    origins = held[1:]
    del held[1:]
    _close_all(held)
    for origin in origins:
        pool.put_back(origin)


def _close_all(held: list[Sandbox], keep: int = 0) -> None:
    """Close all but the first `keep`."""
    while len(held) > keep:
        held.pop().close()
