"""The interpreter of one episode: a sandbox and a session, made when the first code comes and made
again when it is lost.

What the episode *is* are the cells it has run; the interpreter is only a quick way to have run
them. So `run` is told the cells that came before, and where the live session has run others (after
a snapshot was restored) or none (after unpickling, or in a fork of a sandbox that cannot fork) a
new one runs them again first. Global random generators begin the same in every session and go on
the same in a fork, so that a fork and a replay print the same.

A new sandbox costs several times what a copy of one costs. So there is a pool of sandboxes whose
session has run nothing but the prelude; an interpreter takes one for itself, works in a copy, and
puts it back at the end. Episodes that are played at the same time never share a sandbox, and one
whose episode was stopped by force is not used again.
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
GONE = frozenset({"timeout", "memory", "output", "died"})
"""Errors after which a session is no more."""

STARTING = 30.0
"""Seconds that a session may take to begin, on whatever busy machine."""

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
    """What opens a sandbox for one interpreter: numpy and sympy warm where they are installed,
    hashes of text always the same.
    """
    warm = tuple(name for name in ("numpy", "sympy") if find_spec(name) is not None)
    spec = Spec(limits=limits, environment={"PYTHONHASHSEED": "0"}, preload=warm)
    if not isinstance(backend, str):
        return partial(backend, spec)

    def opened() -> Sandbox:
        from turnwise.sandbox import open_sandbox

        return open_sandbox(spec, backend)

    return opened


class Pool:
    """Sandboxes to copy, shared by environments that are spawned from one another.

    Args:
        make_sandbox: opens a sandbox.
        prelude: code that every session runs before the first cell.
        keep: how many may wait; more are closed.
    """

    def __init__(self, make_sandbox: MakeSandbox, prelude: str, keep: int = 16) -> None:
        self._make, self._prelude, self._keep = make_sandbox, prelude, keep
        self._waiting: list[Sandbox] = []
        self._lock = threading.RLock()  # a finalizer may put one back while this thread takes one
        weakref.finalize(self, _close_all, self._waiting)

    def take(self) -> tuple[Sandbox, ...]:
        """A sandbox with one session that has run the prelude, and where it can be copied the one
        it is a copy of.
        """
        with self._lock:
            origin = self._waiting.pop() if self._waiting else None
        if origin is not None:
            try:
                return origin.fork(), origin
            except (
                SandboxError
            ):  # an earlier episode lived beside it and may have harmed it: make another
                origin.close()
        made = self._made()
        if not made.capabilities.fork:
            return (made,)
        try:
            return made.fork(), made
        except BaseException:
            made.close()
            raise

    def put_back(self, origin: Sandbox) -> None:
        """Let others take it; with enough of them waiting it is closed."""
        with self._lock:
            if len(self._waiting) < self._keep:
                self._waiting.append(origin)
                return
        origin.close()

    def _made(self) -> Sandbox:
        sandbox = self._make()
        try:
            result = sandbox.session().run(self._prelude, STARTING)
            if result.error != "none":
                raise SandboxError(
                    f"a session could not begin ({result.error}: {result.stderr.strip()[-300:]})"
                )
        except BaseException:
            sandbox.close()
            raise
        return sandbox


class Interpreter:
    """See the module.

    Args:
        pool: where sandboxes come from.
        seconds: wall clock of one cell.
    """

    def __init__(self, pool: Pool, seconds: float) -> None:
        self._pool, self._seconds = pool, seconds
        self._held: list[Sandbox] = []  # the sandbox, and what it is a copy of
        self._session: Session | None = None
        self._ran: tuple[str, ...] = ()
        self._finalizer = weakref.finalize(
            self, _give_up, self._held, pool
        )  # must not hold the interpreter

    @property
    def live(self) -> bool:
        """Whether a session stands."""
        return self._session is not None and self._session.alive

    def run(self, before: Sequence[str], code: str) -> Result:
        """Run `code` in an interpreter that has run the cells `before`, and nothing else.

        Raises:
            SandboxError: when the sandbox failed, or a cell that ran before does not run again:
                nothing is known about `code`.
        """
        session = self._prepared(tuple(before))
        result = self._checked(session.run(code, self._seconds))
        if result.error in GONE or not session.alive:
            self._broken()
        else:
            self._ran = (*before, code)
        return result

    def fork(self) -> Interpreter:
        """One that goes on from here: a copy of the sandbox where it can be copied, else one that
        will run the cells again.
        """
        other = Interpreter(self._pool, self._seconds)
        if self.live and self._held[0].capabilities.fork:
            copy = self._held[0].fork()
            other._held.append(copy)
            (other._session,), other._ran = copy.sessions, self._ran
            _close_all(
                self._held, keep=1
            )  # the copy lives beside it, and may live longer than this episode
        return other

    def close(self) -> None:
        """End the session and its sandbox. The next `run` begins another."""
        self._session, self._ran = None, ()
        _give_up(self._held, self._pool)

    def _broken(self) -> None:
        """End them, and what they were copied from, which may have suffered too."""
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
            # A cell may have raised and still have set variables; one that takes its session along
            # never comes before another.
            result = self._checked(session.run(cell, self._seconds))
            if result.error in GONE:
                self._broken()
                raise SandboxError(
                    f"a cell that ran before ended with {result.error!r} when it was run again ({result.stderr.strip()[-200:]}): "
                    "the machine may be overloaded; raise the time limit of the environment"
                )
        self._ran = before
        return session

    def _checked(self, result: Result) -> Result:
        if result.error == "infrastructure":
            self._broken()
            raise SandboxError(
                f"the sandbox failed while it ran code ({result.stderr.strip()[-300:] or 'no reason given'}): "
                "nothing is known about that code, so the episode has no score"
            )
        return result


def _give_up(held: list[Sandbox], pool: Pool) -> None:
    """Close the sandbox of an episode and put back what it is a copy of."""
    origins = held[1:]
    del held[1:]
    _close_all(held)
    for origin in origins:
        pool.put_back(origin)


def _close_all(held: list[Sandbox], keep: int = 0) -> None:
    """Close all but the first few."""
    while len(held) > keep:
        held.pop().close()
