"""What the oracle runs in a sandbox of its own: functions of the repository are called, and their
answers told in plain data.

Only the standard library is imported here; the source of this file is handed to the sandbox's Python as
it is. This process runs the agent's code and is not trusted: it is told what to call and never what
should come of it, and the tests are not in its sandbox. An answer is encoded with its exact type;
whatever is not exactly a built-in value is opaque, so an object that says it equals everything
equals nothing here.
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
"""Characters of one answer; a longer one is only said to be long, and is no witness."""
MAX_ITERATOR_ITEMS = 1000
"""Items taken from an iterator."""


def encoded(value: Any, depth: int = 0) -> Any:
    """A value as JSON that says its exact type: a bare null, true or false, or a list that begins
    with a tag.
    """
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
    """What a call comes to: its value, or the type of what it raises."""
    try:
        positional, keywords = ast.literal_eval(arguments)
        return encoded(getattr(importlib.import_module(module), name)(*positional, **keywords))
    except (Exception, SystemExit) as problem:
        known = [kind.__name__ for kind in type(problem).__mro__ if kind.__module__ == "builtins"]
        return ["raised", known[0] if known else "Exception"]


def set_clock(later: int) -> None:
    """Let everything that is imported from now on believe that it is so many seconds later: the
    `time` module and `datetime`.
    """
    real = {
        name: getattr(time, name)
        for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "asctime", "strftime")
    }

    def now() -> float:
        return float(real["time"]()) + later

    def told(name: str) -> Any:
        return lambda seconds=None: real[name](now() if seconds is None else seconds)

    new: dict[str, Any] = {name: told(name) for name in ("localtime", "gmtime", "ctime")}
    new |= {"time": now, "time_ns": lambda: real["time_ns"]() + later * 10**9}
    new["asctime"] = lambda parts=None: real["asctime"](parts or real["localtime"](now()))
    new["strftime"] = lambda form, parts=None: real["strftime"](
        form, parts or real["localtime"](now())
    )
    vars(time).update(new)
    span = datetime.timedelta(seconds=later)

    class Kind(type):
        def __instancecheck__(cls, value: Any) -> bool:  # what C makes is of the real class
            return (
                isinstance(value, cls.__mro__[1])
                if cls in (Day, Moment)
                else super().__instancecheck__(value)
            )

    class Day(datetime.date, metaclass=Kind):
        @classmethod
        def today(cls) -> Any:
            return cls(*Moment.now().timetuple()[:3])

    class Moment(datetime.datetime, metaclass=Kind):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return super().now(tz) + span

        @classmethod
        def today(cls) -> Any:
            return cls.now()

        @classmethod
        def utcnow(cls) -> Any:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    vars(datetime).update(date=Day, datetime=Moment)


def main() -> None:
    """Read `{"path": ..., "calls": [[index, [module, name, arguments]], ...], "later": 0}`; write a
    line `[index, answer]` each.
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
        told = json.dumps(answer(module, name, arguments))
        if len(told) > MAX_ANSWER_CHARS:
            told = json.dumps(["long"])
        data = f"[{number}, {told}]\n".encode()
        while data:
            data = data[os.write(out, data) :]


if __name__ == "__main__":
    main()
