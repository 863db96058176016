"""Streaming of a large JSON file, object by object, with the byte range of each.

Python's own decoder does the parsing, and only a window of the file is in memory. The window is
decoded as Latin-1, in which a character is a byte, so that positions are byte offsets. An object
with bytes beyond ASCII is then decoded again as UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from turnwise.errors import DataError

READ_BYTES = 1 << 22
"""Number of bytes read at a time."""
MAX_OBJECT_BYTES = 1 << 26
"""A longer object is reported as malformed."""
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class Member(NamedTuple):
    """An element of the file's array, or a member of its object."""

    key: str
    """Empty in an array."""
    begin: int
    end: int
    """The value is at bytes `begin:end` of the file."""
    value: dict[str, Any]


def members(path: Path, opening: str, on_read: Callable[[bytes], object] = len) -> Iterator[Member]:
    """Yield the objects of a file.

    Args:
        opening: `[` for a file that is an array of objects, `{` for an object of objects.
        on_read: called with each piece of the file, in order.

    Raises:
        DataError: if the file is missing, cut off or malformed.
    """
    if not path.is_file():
        raise DataError(
            f"{path} does not exist: put the official WebShop file there "
            "or name the directory that holds it"
        )
    with path.open("rb") as file:
        window = _Window(path, file.read, on_read)
        if window.next() != opening:
            kind = "array" if opening == "[" else "object"
            raise DataError(f"{path} is not a JSON {kind}: it should begin with {opening!r}")
        window.at += 1
        yield from _members(window, opening)


def _members(window: _Window, opening: str) -> Iterator[Member]:
    closing = "]" if opening == "[" else "}"
    count = 0
    while window.next() != closing or count:
        key = ""
        if opening == "{":
            key = str(window.decode(count)[2])
            window.expect(":", count)
        begin, end, value = window.decode(count)
        if not isinstance(value, dict):
            raise DataError(
                f"{window.path} holds something other than an object at byte {begin}: this is not "
                "the official file"
            )
        yield Member(key, begin, end, value)
        count += 1
        if window.next() == closing:
            break
        window.expect(",", count)
    window.at += 1
    if window.next():
        raise DataError(
            f"{window.path} goes on after its end at byte {window.base + window.at}: this is not "
            "the official file"
        )


class _Window:
    """The part of the file in memory; `text` begins at byte `base` and is parsed up to `at`."""

    def __init__(
        self, path: Path, read: Callable[[int], bytes], on_read: Callable[[bytes], object]
    ) -> None:
        self.path, self._read, self._on_read = path, read, on_read
        self.text, self.base, self.at = "", 0, 0

    def fill(self, min_bytes: int = 0) -> bool:
        """Drop what is parsed and read more; return False at the end of the file."""
        data = self._read(max(READ_BYTES, min_bytes))
        self._on_read(data)
        self.text = self.text[self.at :] + data.decode("latin-1")
        self.base, self.at = self.base + self.at, 0
        return bool(data)

    def next(self) -> str:
        """Return the next character that is not blank, without consuming it; empty at the end."""
        while True:
            match = _SPACE.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.fill():
                return ""

    def expect(self, character: str, count: int) -> None:
        """Consume `character`; `count` objects were read before, for the error message."""
        found = self.next()
        if found != character:
            raise self._broken(count, cut=not found)
        self.at += 1

    def decode(self, count: int) -> tuple[int, int, Any]:
        """Consume the next value; return its first byte, the byte after its last, and the value."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
                break
            except json.JSONDecodeError as problem:
                # Either the value is malformed or it goes on behind the window: read on to tell.
                # Reading as much again as is left keeps the number of attempts logarithmic.
                left = len(self.text) - self.at
                if left > MAX_OBJECT_BYTES or not self.fill(left):
                    raise self._broken(count, cut=left <= MAX_OBJECT_BYTES) from problem
        span = self.text[self.at : end]
        if not span.isascii():
            try:
                value = json.loads(span.encode("latin-1"))
            except UnicodeDecodeError as problem:
                raise self._broken(count, cut=False) from problem
        begin, self.at = self.base + self.at, end
        return begin, self.base + end, value

    def _broken(self, count: int, cut: bool) -> DataError:
        if cut:
            return DataError(
                f"{self.path} ends in the middle, after {count} whole objects: "
                "it was cut off, fetch it again"
            )
        return DataError(
            f"{self.path} is not JSON at byte {self.base + self.at}, after {count} objects: "
            "fetch it again"
        )
