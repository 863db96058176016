"""Audit hook in the grader's sandbox: reports what submitted code does to the process it runs in.

Python calls audit hooks (PEP 578) for every access to frames, every piece of code compiled at run
time and every file opened, however the call was written: decoded strings and assembled names are
seen all the same. A hook cannot be removed. Events that the reference itself causes are ignored;
others have no place in a repair.

Changes that cause no event are found by comparison: `RunnerIntegrity` checks that the functions and
classes of the test runner, and of what it relies on, are those from before any submitted code
loaded.

The source of this file is executed in the sandbox, so it imports only the standard library, and
everything used while submitted code runs is bound beforehand.
"""

from __future__ import annotations

import _thread
import operator
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

FRAMES = frozenset({
    "sys._getframe", "sys._current_frames", "sys._current_exceptions", "sys.settrace",
    "sys.setprofile", "sys.addaudithook", "gc.get_objects", "gc.get_referrers",
    "gc.get_referents", "code.__new__", "function.__new__", "object.__setattr__",
    "object.__delattr__", "marshal.loads", "marshal.load", "sys.monitoring.register_callback",
    "sys._getframemodulename",
})  # fmt: skip
"""Events that count if submitted code caused them directly, not through the standard library
(warnings, namedtuples).
"""
FRAME_ATTRIBUTES = frozenset({
    "f_locals", "f_globals", "f_builtins", "f_back", "f_code", "tb_frame", "gi_frame", "cr_frame",
    "ag_frame",
})  # fmt: skip
"""Attributes whose reading counts."""
PROCESSES = frozenset({
    "os.fork", "os.forkpty", "os.system", "os.exec", "os.posix_spawn", "os.spawn",
    "subprocess.Popen", "os.kill", "os.killpg", "signal.pthread_kill", "os.startfile",
    "pty.spawn", "ctypes.dlopen", "ctypes.dlsym", "ctypes.string_at", "ctypes.cdata",
})  # fmt: skip
FILES = frozenset({
    "open", "os.remove", "os.rename", "os.truncate", "os.link", "os.symlink", "os.chmod",
    "shutil.copyfile", "shutil.move", "shutil.copymode", "os.listxattr", "os.setxattr",
    "os.utime", "os.rmdir", "shutil.rmtree",
})  # fmt: skip
CODE = frozenset({"compile", "exec"})
RUNS_TEXT = (
    "timeit", "runpy", "code", "codeop", "pdb", "bdb", "cProfile", "profile", "trace", "doctest",
)  # fmt: skip
"""Library modules that run code given to them: what they compile is attributed to their caller."""
REFUSED_PICKLE_MODULES = frozenset({
    "os", "posix", "sys", "builtins", "importlib", "gc", "ctypes", "pytest", "_pytest", "runpy",
    "__main__",
})  # fmt: skip
"""Modules that a pickle has no reason to load from."""


WATCHED_MODULES = (
    "_pytest", "pytest", "pluggy", "unittest", "builtins", "sys", "os", "posixpath", "json",
    "traceback", "contextlib", "re",
)  # fmt: skip
"""Modules, with submodules, that determine the outcome of a test."""
HOOKS = (
    "pytest_runtest_", "pytest_report_", "pytest_collection", "pytest_make_", "pytest_pyfunc_call",
    "pytest_exception_",
)  # fmt: skip


class RunnerIntegrity:
    """Snapshot of the test runner; `changes` reports what differs from it.

    A test that replaces something temporarily (monkeypatch) shows up in the reference's run too.
    """

    def __init__(self) -> None:
        self.kept: list[tuple[str, Any, tuple[str, ...], tuple[Any, ...]]] = []
        self.same = operator.is_
        self.hooks: list[tuple[Any, str, tuple[int, ...]]] = []
        self.manager: Any = None
        self.calling: Any = None
        for name, module in sorted(sys.modules.items()):
            if name.partition(".")[0] in WATCHED_MODULES and module is not None:
                self.keep(name, vars(module))
                for key, value in list(vars(module).items()):
                    if isinstance(value, type) and value.__module__ == name:
                        self.keep(f"{name}.{key}", value.__dict__)

    def keep(self, name: str, names: Any) -> None:
        """Remember the callables of a module or class."""
        found = {
            key: value
            for key, value in list(names.items())
            if callable(value) or isinstance(value, (classmethod, property))
        }
        found = {
            key: value
            for key, value in found.items()
            if not (name == "sys" and key.startswith("std"))
        }
        self.kept.append((name, names.get, tuple(found), tuple(found.values())))

    def keep_hooks(self, manager: Any) -> None:
        """Remember the hook implementations of a plugin manager.

        To be called once all plugins but folders' conftests are registered.
        """
        self.manager, self.calling = manager, manager._inner_hookexec
        for name, caller in vars(manager.hook).items():
            if name.startswith(HOOKS):
                self.hooks.append((caller, name, self.answering(caller)))

    def answering(self, caller: Any) -> tuple[int, ...]:
        return tuple(sorted(id(one.function) for one in caller.get_hookimpls()))

    def changes(self) -> list[str]:
        """Return a short description of each change."""
        found = []
        for name, get, keys, values in self.kept:
            # Fast path in C: this runs around every test.
            if not all(map(self.same, map(get, keys), values)):
                found += [
                    f"the replacement of {name}.{key}"
                    for key, value in zip(keys, values, strict=True)
                    if get(key) is not value
                ]
        found += [
            f"a change of {name}"
            for caller, name, known in self.hooks
            if self.answering(caller) != known
        ]
        return found + ["a change of the hooks"] * (
            self.manager is not None and self.manager._inner_hookexec is not self.calling
        )


EVENTS = FRAMES | PROCESSES | FILES | CODE | {"pickle.find_class", "object.__getattr__"}


class AuditListener:
    """Audit hook that reports each kind of event caused by submitted code once.

    Args:
        report: receives the descriptions.
        trusted_namespaces: those of trusted code, besides the ones on the stack now.
        sources: absolute paths of the Python files that a submission may write.
        tests: absolute paths of those it may not.
        library: directories of installed modules.
    """

    def __init__(
        self,
        report: Callable[[str], None],
        trusted_namespaces: Iterable[Any],
        sources: Iterable[str],
        tests: Iterable[str],
        library: Iterable[str],
    ) -> None:
        self.report, self.getframe, self.ident = report, sys._getframe, _thread.get_ident
        standard = os.path.dirname(os.__file__)
        self.trusted = tuple(f"{folder}/" for folder in (standard, *library) if folder)
        self.submission, self.tests = frozenset(sources), frozenset(tests)
        self.named = frozenset(path.rpartition("/")[2] for path in self.tests) - {"__init__.py"}
        self.text_runners = frozenset(f"{standard}/{name}.py" for name in RUNS_TEXT)
        # Plus the namespaces on the stack now: those of the runner.
        self.runner = list(trusted_namespaces)
        frame: Any = self.getframe()
        while frame is not None:
            self.runner.append(frame.f_globals)
            frame = frame.f_back
        self.busy: set[int] = set()
        self.known: set[str] = set()

    def __call__(self, event: str, arguments: Any) -> None:
        if event not in EVENTS or (me := self.ident()) in self.busy:
            return
        self.busy.add(me)
        try:
            found = self.describe(event, arguments, self.getframe(1))
            if found and found not in self.known:
                self.known.add(found)
                self.report(found)
        finally:
            self.busy.discard(me)

    def describe(self, event: str, arguments: Any, frame: Any) -> str:
        """Return the description of an event, or "" if it does not count."""
        if event in FILES:
            paths = [_text(path) for path in arguments[:2]]
            touched = [
                path
                for path in paths
                if path.rstrip("/").rpartition("/")[2] in self.named or path.startswith("/proc/")
            ]
            return f"{event} of {touched[0]}" if touched and self.nearest(frame) else ""
        if event in CODE:
            compiled = event == "compile" and (
                self.submitted(frame) or (self.runs_text(frame) and self.nearest(frame))
            )
            unread = event == "exec" and self.unknown_file(arguments[0])
            return f"{event} at run time" if compiled or unread else ""
        if event == "pickle.find_class":
            return (
                f"{event} of {arguments[0]}.{arguments[1]}"
                if str(arguments[0]).partition(".")[0] in REFUSED_PICKLE_MODULES
                else ""
            )
        if event == "object.__getattr__":
            return (
                f"{event} of {arguments[1]}"
                if arguments[1] in FRAME_ATTRIBUTES and self.submitted(frame)
                else ""
            )
        if event in PROCESSES:
            return event if self.nearest(frame) else ""
        return event if self.submitted(frame) else ""

    def submitted(self, frame: Any) -> bool:
        """Return whether a frame runs submitted code: from its files, or created at run time."""
        name = frame.f_code.co_filename
        known = name in self.tests or name.startswith("<frozen") or name.startswith(self.trusted)
        return not (known or any(frame.f_globals is names for names in self.runner))

    def nearest(self, frame: Any) -> bool:
        """Return whether submitted code is the nearest caller that is not library code."""
        while frame is not None:
            if self.submitted(frame):
                return True
            if frame.f_code.co_filename in self.tests:
                return False
            frame = frame.f_back
        return False

    def runs_text(self, frame: Any) -> bool:
        """Return whether a frame is library code that runs what it is given."""
        return frame.f_code.co_filename in self.text_runners

    def unknown_file(self, code: Any) -> bool:
        """Return whether code comes from a file that is not a known Python file."""
        name = getattr(code, "co_filename", "<")
        return not (
            name.startswith("<")
            or name in self.submission
            or name in self.tests
            or name.startswith(self.trusted)
        )


def _text(path: Any) -> str:
    path = path.__fspath__() if hasattr(path, "__fspath__") else path
    return (
        path.decode("utf-8", "replace")
        if type(path) is bytes
        else path
        if type(path) is str
        else ""
    )


def listen(*words: Any) -> None:
    """Install an `AuditListener` with these arguments."""
    sys.addaudithook(AuditListener(*words))
