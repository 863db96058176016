"""What runs in the grader's sandbox when the reference does: notes with which plain arguments the tests
call its functions.

Only the standard library is imported here; the source of this file is handed to the sandbox's Python as
it is.
"""

from __future__ import annotations

import os
from typing import Any

MAX_CALLS = 2000
"""Most calls recorded of a run."""
MAX_CALLS_PER_FUNCTION = 400
"""Calls of one function that are looked at: a test may make a million."""
GENERATOR_FLAGS = 0x20 | 0x80 | 0x200
"""Generators and coroutines, which are entered again: what they were called with is not known then.
"""


def recording(send: Any, files: dict[str, str], tests: list[str]) -> Any:
    """A profile function that tells with which plain arguments the tests call the repository's
    functions.

    Args:
        files: module name by absolute path of its source.
        tests: files whose calls are told.
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
    """The arguments of a call as the text of a Python literal `(args, kwargs)`; None where they are
    not all plain.
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
    """Whether a value is made of exact built-in types alone, so that its text says all of it."""
    kind = type(value)
    if value is None or kind in (bool, int, str, bytes):
        return True
    if kind is float:
        return bool(value - value == 0)
    if depth > 6 or kind not in (tuple, list, dict, set):
        return False
    inner = [*value, *value.values()] if kind is dict else list(value)
    return all(builtin(item, depth + 1) for item in inner)
