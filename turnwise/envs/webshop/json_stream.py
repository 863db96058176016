"""Reading a JSON file of millions of objects one by one, knowing at which byte each begins and
ends.

Python's own decoder does the parsing; only a window of the file is in memory. The window is read as
Latin-1, in which a character is a byte, so that positions are byte offsets; an object with bytes
beyond ASCII is then decoded again as UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from turnwise.errors import DataError

WINDOW = 1 << 22
"""Bytes read at a time."""
LARGEST = 1 << 26
"""Bytes after which an object that still does not end is taken to be broken."""
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class Member(NamedTuple):
    """One object of the file: an element of its array, or a member of its object."""

    key: str
    """Empty in an array."""
    begin: int
    end: int
    """The bytes `begin:end` of the file are the value."""
    value: dict[str, Any]


def members(path: Path, opening: str, seen: Callable[[bytes], object] = len) -> Iterator[Member]:
    """The objects in a file that is one JSON array (`opening="["`) or one JSON object of objects
    (`opening="{"`).

    Args:
        seen: is given the bytes of the file in order, as they are read.

    Raises:
        DataError: where the file is missing, cut off, or something else.
    """
    if not path.is_file():
        raise DataError(
            f"{path} does not exist: put the official WebShop file there or name the directory that holds it"
        )
    with path.open("rb") as file:
        window = _Window(path, file.read, seen)
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
                f"{window.path} holds something other than an object at byte {begin}: it is not the official file"
            )
        yield Member(key, begin, end, value)
        count += 1
        if window.next() == closing:
            break
        window.expect(",", count)
    window.at += 1
    if window.next():
        raise DataError(
            f"{window.path} goes on after its end at byte {window.base + window.at}: it is not the official file"
        )


class _Window:
    """The part of the file in memory: `text` begins at byte `base`, and reading is at `text[at]`."""

    def __init__(
        self, path: Path, read: Callable[[int], bytes], seen: Callable[[bytes], object]
    ) -> None:
        self.path, self._read, self._seen = path, read, seen
        self.text, self.base, self.at = "", 0, 0

    def fill(self, least: int = 0) -> bool:
        """Read on, forgetting what lies behind; False at the end of the file."""
        data = self._read(max(WINDOW, least))
        self._seen(data)
        self.text, self.base, self.at = (
            self.text[self.at :] + data.decode("latin-1"),
            self.base + self.at,
            0,
        )
        return bool(data)

    def next(self) -> str:
        """The next character that is not blank, without taking it; empty at the end of the file."""
        while True:
            match = _SPACE.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.fill():
                return ""

    def expect(self, character: str, count: int) -> None:
        found = self.next()
        if found != character:
            raise self._broken(count, cut=not found)
        self.at += 1

    def decode(self, count: int) -> tuple[int, int, Any]:
        """(first byte, byte after the last, value) of the next value, which is taken."""
        self.next()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
                break
            except json.JSONDecodeError as problem:
                left = len(self.text) - self.at
                if left > LARGEST or not self.fill(left):
                    raise self._broken(count, cut=left <= LARGEST) from problem
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
                f"{self.path} ends in the middle, after {count} whole objects: it was cut off, fetch it again"
            )
        return DataError(
            f"{self.path} is not JSON at byte {self.base + self.at}, after {count} objects: fetch it again"
        )
