"""The interpreter of one episode: a sandbox and a session, made when the first code comes and made again when it is lost.

What the episode *is* are the cells it has run; the interpreter is only a quick way to have run them. So `run` is told the
cells that came before, and where the live session has run others (after a snapshot was restored) or none (after unpickling, or
in a fork of a sandbox that cannot fork) a new one runs them again first. Global random generators begin the same in every
session and go on the same in a fork, so that a fork and a replay print the same.

From the second episode on, an interpreter keeps a session that has run nothing but the prelude, and each episode gets a copy
of it: a fraction of the cost of a new sandbox. It is of this interpreter alone, so episodes that are played at the same time
never share a sandbox; and where an episode harmed it, another is made.
"""

from __future__ import annotations

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
    """What opens a sandbox for one interpreter: numpy and sympy warm where they are installed, hashes of text always the same."""
    warm = tuple(name for name in ("numpy", "sympy") if find_spec(name) is not None)
    spec = Spec(limits=limits, environment={"PYTHONHASHSEED": "0"}, preload=warm)
    if not isinstance(backend, str):
        return partial(backend, spec)

    def opened() -> Sandbox:
        from turnwise.sandbox import open_sandbox

        return open_sandbox(spec, backend)

    return opened


class Interpreter:
    """See the module.

    Args:
        make_sandbox: opens a sandbox.
        prelude: code that every session runs before the first cell.
        seconds: wall clock of one cell.
    """

    def __init__(self, make_sandbox: MakeSandbox, prelude: str, seconds: float) -> None:
        self._make, self._prelude, self._seconds = make_sandbox, prelude, seconds
        self._held: list[Sandbox] = []  # at most one; shared with the finalizer, which must not hold the interpreter
        self._pristine: list[Sandbox] = []  # at most one
        self._opened = 0
        self._session: Session | None = None
        self._ran: tuple[str, ...] = ()
        weakref.finalize(self, _close_all, self._held, self._pristine)

    @property
    def live(self) -> bool:
        """Whether a session stands."""
        return self._session is not None and self._session.alive

    def run(self, before: Sequence[str], code: str) -> Result:
        """Run `code` in an interpreter that has run the cells `before`, and nothing else.

        Raises:
            SandboxError: when the sandbox failed, or a cell that ran before does not run again: nothing is known about `code`.
        """
        session = self._prepared(tuple(before))
        result = self._checked(session.run(code, self._seconds))
        if result.error in GONE or not session.alive:
            self.end()
        else:
            self._ran = (*before, code)
        return result

    def fork(self) -> Interpreter:
        """One that goes on from here: a copy of the sandbox where it can be copied, else one that will run the cells again."""
        other = Interpreter(self._make, self._prelude, self._seconds)
        if self.live and self._held[0].capabilities.fork:
            other._adopt(self._held[0].fork(), self._ran)
        return other

    def end(self) -> None:
        """End the session and its sandbox. The next `run` begins another."""
        self._session, self._ran = None, ()
        _close_all(self._held)

    def close(self) -> None:
        """`end`, and give up what later episodes would have begun from."""
        self.end()
        _close_all(self._pristine)

    def _prepared(self, before: tuple[str, ...]) -> Session:
        if self._session is not None and self.live and self._ran == before:
            return self._session
        self.end()
        self._held.append(self._begun())
        (session,) = self._held[0].sessions
        self._session = session
        for cell in before:
            # A cell may have raised and still have set variables; one that takes its session along never comes before another.
            result = self._checked(session.run(cell, self._seconds))
            if result.error in GONE:
                self.end()
                raise SandboxError(
                    f"a cell that ran before ended with {result.error!r} when it was run again ({result.stderr.strip()[-200:]}): "
                    "the machine may be overloaded; raise the time limit of the environment"
                )
        self._ran = before
        return session

    def _begun(self) -> Sandbox:
        """A sandbox with a session that has run the prelude."""
        self._opened += 1
        if self._pristine:
            try:
                return self._pristine[0].fork()
            except SandboxError:  # an earlier episode lived beside it and may have ended it; what is made anew tells
                _close_all(self._pristine)
        made = self._fresh()
        if self._opened == 1 or not made.capabilities.fork:
            return made
        self._pristine.append(made)
        return made.fork()

    def _fresh(self) -> Sandbox:
        sandbox = self._make()
        try:
            result = self._checked(sandbox.session().run(self._prelude, max(self._seconds, STARTING)))
            if result.error != "none":
                raise SandboxError(f"a session could not begin ({result.error}: {result.stderr.strip()[-300:]})")
        except BaseException:
            sandbox.close()
            raise
        return sandbox

    def _checked(self, result: Result) -> Result:
        if result.error == "infrastructure":
            self.end()
            raise SandboxError(
                f"the sandbox failed while it ran code ({result.stderr.strip()[-300:] or 'no reason given'}): "
                "nothing is known about that code, so the episode has no score"
            )
        return result

    def _adopt(self, sandbox: Sandbox, ran: tuple[str, ...]) -> None:
        self._held.append(sandbox)
        (self._session,) = sandbox.sessions
        self._ran = ran


def _close_all(*several: list[Sandbox]) -> None:
    for held in several:
        while held:
            held.pop().close()
