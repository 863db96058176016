"""Python interpreter that runs cells, inside the process of the untrusted code.

Whatever it reports is therefore only a claim. Requests come on a channel of its own, apart from
what cells print. Code, and the root of a fork, are passed as descriptors, so a request is always
small and never blocks the sender. A cell that closes the channel ends the interpreter.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import linecache
import os
import random
import sys
import traceback
import types
from typing import Any

from .frames import Channel

# Kept before untrusted code can replace them in the module.
_get_random_state, _set_random_state = random.getstate, random.setstate
_warmed: set[str] = set()


def warm(modules: list[str]) -> None:
    """Import modules that interpreters share once they are forked from this process.

    Raises:
        ImportError: for a module that is absent.
    """
    # No collection and a freeze: collecting would write to the shared pages in every fork, and a
    # collection before the freeze leaves holes that are filled page by page in every fork.
    gc.disable()
    new = [name for name in modules if name not in _warmed]
    for name in new:
        __import__(name)
        _warmed.add(name)
    if "sympy" in new:
        _warm_sympy()
    numpy = sys.modules.get("numpy")
    if numpy is not None and new:
        numpy.random.seed(0)  # imports numpy.random, and every session begins with the same state
    gc.freeze()


def _warm_sympy() -> None:
    """Use common functions once, which imports and caches most of what a session needs."""
    sympy: Any = sys.modules["sympy"]
    x = sympy.Symbol("x")
    sympy.solve(x**2 - 5 * x + 6, x)
    sympy.integrate(x * sympy.sin(x), x)
    sympy.factor(x**4 - 1)
    sympy.simplify((x**2 - 1) / (x - 1))
    sympy.expand((x + 1) ** 3)
    sympy.latex(sympy.sqrt(x) / 3)
    str(sympy.nsimplify(0.5) + sympy.Rational(1, 3))


def _execute(code: str, name: str, space: dict[str, Any]) -> str:
    """Run one cell; return `none`, `exception` or `memory`."""
    try:
        linecache.cache[name] = (len(code), None, code.splitlines(True), name)
        exec(compile(code, name, "exec"), space)
    except SystemExit as stop:
        if stop.code in (None, 0):
            return "none"
        print(f"SystemExit: {stop.code}", file=sys.stderr)
        return "exception"
    except MemoryError:
        with contextlib.suppress(BaseException):
            print("MemoryError", file=sys.stderr)
        return "memory"
    except BaseException as problem:
        _print_traceback(problem)
        return "exception"
    return "none"


def _print_traceback(problem: BaseException) -> None:
    """Print the last 12 entries of the traceback, without our own frames."""
    try:
        shown = problem.__traceback__
        while shown is not None and shown.tb_frame.f_code.co_filename == __file__:
            shown = shown.tb_next
        traceback.print_exception(type(problem), problem, shown, limit=-12)
    except BaseException:
        with contextlib.suppress(BaseException):
            print(type(problem).__name__, file=sys.stderr)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()


def _fork(channel: Channel) -> Channel:
    """Fork a copy of this process; return the channel to serve, in the origin and in the copy.

    The descriptors passed with the request are the copy's channel, standard output, standard error
    and root directory. The copy outlives its origin.
    """
    control, out, err, root = channel.passed
    channel.passed = []
    _flush()
    state = _get_random_state()
    here = os.getcwd()
    try:
        middle = os.fork()
    except OSError:  # no room for a copy: its channel closes, and the guest notices
        middle = -1
    if middle:
        if middle > 0:
            os.waitpid(middle, 0)
        for descriptor in (control, out, err, root):
            os.close(descriptor)
        return channel
    # Fork twice: the copy becomes a child of the sandbox's process 1, and not of its origin.
    if os.fork():
        os._exit(0)
    os.setsid()
    os.fchdir(root)
    os.chroot(".")
    os.close(root)
    for source, target in ((out, 1), (err, 2)):
        os.dup2(source, target)
        os.close(source)
    channel.close()
    _set_random_state(state)  # Python reseeds after a fork; the copy must continue like its origin
    try:
        os.chdir(here)
    except OSError:
        os.chdir("/work")
    copy = Channel(control, control)
    copy.send({"ready": True})
    return copy


def main(channel: Channel) -> None:
    """Run cells until the channel ends; never returns."""
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = builtins
    sys.modules["__main__"] = module
    sys.argv = [""]
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(0, "r", encoding="utf-8", errors="replace", closefd=False),
        os.fdopen(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1),
        os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1),
    )
    vars(sys).update(__stdin__=sys.stdin, __stdout__=sys.stdout, __stderr__=sys.stderr)
    random.seed(0)  # an episode depends on its task and its actions alone
    gc.enable()
    cells = 0
    with contextlib.suppress(OSError):
        channel.send({"ready": True})
        while (frame := channel.receive()) is not None:
            if frame[0].get("fork"):
                channel = _fork(channel)
                continue
            with open(channel.passed.pop(0), "rb") as file:
                code = file.read().decode("utf-8", "replace")
            cells += 1
            ending = _execute(code, f"<cell {cells}>", module.__dict__)
            _flush()
            channel.send({"ended": ending})
    os._exit(0)
