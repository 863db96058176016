"""Profiler in the grader's sandbox, during the reference's run.

It records the tests' calls with plain arguments.

The source of this file is executed in the sandbox, so it imports only the standard library.
"""

from __future__ import annotations

import os
from typing import Any

MAX_CALLS = 2000
"""Calls recorded in one run."""
MAX_CALLS_PER_FUNCTION = 400
"""Calls of one function that are examined: a test may make a million."""
GENERATOR_FLAGS = 0x20 | 0x80 | 0x200
"""Code flags of generators and coroutines, which are re-entered with other locals than their
arguments.
"""


def recording(send: Any, files: dict[str, str], tests: list[str]) -> Any:
    """Return a profile function that sends the tests' plain calls.

    Only calls of the repository's functions are sent.

    Args:
        files: module name by absolute path of its source.
        tests: files whose calls are recorded.
    """
    callers = frozenset(os.path.abspath(path) for path in tests)
    seen: set[tuple[str, str, str]] = set()
    looked: dict[Any, int] = {}

    def profile(frame: Any, event: str, argument: Any) -> None:
        code = frame.f_code
        module = files.get(code.co_filename) if event == "call" else None
        if (
            module is None
            or looked.get(code, 0) >= MAX_CALLS_PER_FUNCTION
            or len(seen) >= MAX_CALLS
        ):
            return
        if not code.co_qualname.isidentifier() or code.co_qualname.startswith("_"):
            return
        caller = frame.f_back
        while (
            caller is not None
            and caller.f_code.co_filename in files
            and "<locals>" in caller.f_code.co_qualname
        ):
            caller = caller.f_back  # a decorator's wrapper
        if (
            caller is None
            or caller.f_code.co_filename not in callers
            or code.co_flags & GENERATOR_FLAGS
        ):
            return
        looked[code] = looked.get(code, 0) + 1
        arguments = call_arguments(frame, code)
        if (
            arguments is not None
            and (module, code.co_qualname, arguments) not in seen
            and len(arguments) < 4000
        ):
            seen.add((module, code.co_qualname, arguments))
            send("call", "", [module, code.co_qualname, arguments])

    return profile


def call_arguments(frame: Any, code: Any) -> str | None:
    """Return the arguments of a call as a literal `(args, kwargs)`.

    None if they are not all plain.
    """
    values, names = frame.f_locals, code.co_varnames
    plain = code.co_argcount
    last = plain + code.co_kwonlyargcount
    positional = [values[name] for name in names[:plain]]
    keywords = {name: values[name] for name in names[plain:last]}
    if code.co_flags & 0x04:
        positional += values[names[last]]
        last += 1
    if code.co_flags & 0x08:
        keywords |= values[names[last]]
    text = repr((tuple(positional), keywords))
    return text if builtin((tuple(positional), keywords)) else None


def builtin(value: Any, depth: int = 0) -> bool:
    """Return whether a value consists of exact built-in types, so that its text is complete."""
    kind = type(value)
    if value is None or kind in (bool, int, str, bytes):
        return True
    if kind is float:
        return bool(value - value == 0)
    if depth > 6 or kind not in (tuple, list, dict, set):
        return False
    inner = [*value, *value.values()] if kind is dict else list(value)
    return all(builtin(item, depth + 1) for item in inner)
