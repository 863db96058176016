"""Program of the oracle's sandbox.

It calls functions of the repository and prints their answers as plain data.

The source of this file is executed in the sandbox, so it imports only the standard library. The
process runs submitted code and is not trusted: it receives the calls but never the expected
answers, and there are no tests in its sandbox. Answers are encoded with their exact type. Whatever
is not exactly a built-in value is opaque, so an object that claims to equal everything equals
nothing here.
"""

from __future__ import annotations

import ast
import datetime
import importlib
import json
import os
import sys
import time
from typing import Any

MAX_ANSWER_CHARS = 20_000
"""Characters of one answer; a longer one is only reported as long, and not compared."""
MAX_ITERATOR_ITEMS = 1000
"""Items taken from an iterator."""


def encoded(value: Any, depth: int = 0) -> Any:
    """Encode a value with its exact type: null, true, false, or a list that starts with a tag."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return ["int", hex(value)]
    if kind is float:
        return ["float", value.hex()]
    if kind is complex:
        return ["complex", value.real.hex(), value.imag.hex()]
    if kind is str:
        return ["str", value]
    if kind is bytes or kind is bytearray:
        return [kind.__name__, bytes(value).hex()]
    if depth > 20:
        return ["opaque", "deep"]
    if kind in (list, tuple, set, frozenset):
        return [kind.__name__, [encoded(item, depth + 1) for item in value]]
    if kind is dict:
        return [
            "dict",
            [[encoded(key, depth + 1), encoded(item, depth + 1)] for key, item in value.items()],
        ]
    if getattr(kind, "__next__", None) is not None and getattr(kind, "__iter__", None) is not None:
        return [
            "iterator",
            [
                encoded(item, depth + 1)
                for item, _ in zip(value, range(MAX_ITERATOR_ITEMS), strict=False)
            ],
        ]
    return ["opaque", str(kind.__qualname__)]


def answer(module: str, name: str, arguments: str) -> Any:
    """Call a function; return its encoded value, or the type of the exception it raised."""
    try:
        positional, keywords = ast.literal_eval(arguments)
        return encoded(getattr(importlib.import_module(module), name)(*positional, **keywords))
    except (Exception, SystemExit) as problem:
        known = [kind.__name__ for kind in type(problem).__mro__ if kind.__module__ == "builtins"]
        return ["raised", known[0] if known else "Exception"]


def set_clock(later: int) -> None:
    """Shift the clock of modules imported from now on by `later` seconds.

    The modules `time` and `datetime` are shifted.
    """
    real = {
        name: getattr(time, name)
        for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime")
    }

    def now() -> float:
        return float(real["time"]()) + later

    def shifted(name: str) -> Any:
        return lambda seconds=None: real[name](now() if seconds is None else seconds)

    new: dict[str, Any] = {name: shifted(name) for name in ("localtime", "gmtime", "ctime")}
    new |= {"time": now, "time_ns": lambda: real["time_ns"]() + later * 10**9}
    new["asctime"] = lambda parts=None: real["asctime"](parts or real["localtime"](now()))
    new["strftime"] = lambda form, parts=None: real["strftime"](
        form, parts or real["localtime"](now())
    )
    vars(time).update(new)
    span = datetime.timedelta(seconds=later)

    class ShiftedType(type):
        def __instancecheck__(cls, value: Any) -> bool:  # values created in C have the real class
            return (
                isinstance(value, cls.__mro__[1])
                if cls in (ShiftedDate, ShiftedDatetime)
                else super().__instancecheck__(value)
            )

    class ShiftedDate(datetime.date, metaclass=ShiftedType):
        @classmethod
        def today(cls) -> Any:
            return cls(*ShiftedDatetime.now().timetuple()[:3])

    class ShiftedDatetime(datetime.datetime, metaclass=ShiftedType):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().now(tz) + span

        @classmethod
        def today(cls) -> Any:
            return cls.now()

        @classmethod
        def utcnow(cls) -> Any:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    vars(datetime).update(date=ShiftedDate, datetime=ShiftedDatetime)


def main() -> None:
    """Answer the calls of a request, one line `[index, answer]` for each.

    The request is `{"path": ..., "calls": [[index, [module, name, arguments]], ...], "later": 0}`.
    """
    request = json.loads(sys.stdin.buffer.read())
    if request.get("later"):
        set_clock(request["later"])
    out = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    sys.path.extend(os.environ.pop("PYTHONPATH", "").split(":"))
    sys.path[:0] = request["path"]
    for number, (module, name, arguments) in request["calls"]:
        text = json.dumps(answer(module, name, arguments))
        if len(text) > MAX_ANSWER_CHARS:
            text = json.dumps(["long"])
        data = f"[{number}, {text}]\n".encode()
        while data:
            data = data[os.write(out, data) :]


if __name__ == "__main__":
    main()
