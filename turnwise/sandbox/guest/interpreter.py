"""A Python interpreter that runs cells: in the process of the untrusted code, so nothing it says is
more than a claim.

Requests come on a channel of its own, apart from what it prints; code and the roots of forks come
as descriptors, so that a request is always small and never blocks the sender. A cell that closes
the channel ends the interpreter.
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

_random_state, _set_random_state = random.getstate, random.setstate


def _execute(code: str, name: str, space: dict[str, Any]) -> str:
    """Run one cell; the kind of its ending."""
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
        _explain(problem)
        return "exception"
    return "none"


def _explain(problem: BaseException) -> None:
    """The traceback without our own frames, bounded: a recursion of thousands of lines says nothing
    more.
    """
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
    """Copy this process: the copy takes the passed channel, pipes and root as its own, and outlives
    its origin.

    Passed are: channel, standard output, standard error, directory that is the root of the copy.
    """
    control, out, err, root = channel.passed
    channel.passed = []
    _flush()
    state = _random_state()
    here = os.getcwd()
    try:
        middle = os.fork()
    except OSError:  # no room for a copy; whoever asked sees its channel end
        middle = -1
    if middle:
        if middle > 0:
            os.waitpid(middle, 0)
        for descriptor in (control, out, err, root):
            os.close(descriptor)
        return channel
    if (
        os.fork()
    ):  # twice, so that the copy is a child of the sandbox's process 1 and not of its origin
        os._exit(0)
    os.setsid()
    os.fchdir(root)
    os.chroot(".")
    os.close(root)
    for source, target in ((out, 1), (err, 2)):
        os.dup2(source, target)
        os.close(source)
    channel.close()
    _set_random_state(
        state
    )  # Python seeds anew after a fork: a copy continues like its origin instead
    try:
        os.chdir(here)
    except OSError:
        os.chdir("/work")
    copy = Channel(control, control)
    copy.send({"ready": True})
    return copy


def main(channel: Channel) -> None:
    """Serve until the channel ends; never returns."""
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
    random.seed(
        0
    )  # the same in every session: an episode depends on its task and its actions alone
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
