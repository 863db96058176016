"""What a generation has found out so far, so that one that was interrupted goes on where it was.

A generation is a fixed sequence of questions (does this bug fail some tests?) given source and
seed; the journal holds the answers. Going on means asking the same questions again and finding most
of them answered.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from turnwise.errors import DataError

VERSION = 1


class Journal:
    """Answers by key, in memory and, where a path is given, in a file of JSON lines.

    Args:
        path: the file; None for memory alone.
        about: what the answers are about. A file about something else is refused.

    Raises:
        DataError: for a file that is no journal, or one about another source or Python.
    """

    def __init__(self, path: Path | None, about: dict[str, Any]) -> None:
        self._path, self._lock = path, threading.Lock()
        self._answers: dict[str, Any] = {}
        head = {"journal": VERSION, **about}
        if path is None:
            return
        if path.exists() and path.stat().st_size > 0:
            self._read(path, head)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(head) + "\n", encoding="utf8")

    def _read(self, path: Path, head: dict[str, Any]) -> None:
        lines = path.read_text("utf8").splitlines()
        try:
            if json.loads(lines[0]) != head:
                raise DataError(
                    f"{path} is about another source, Python or version of turnwise: remove it "
                    "to begin anew"
                )
            entries = [json.loads(line) for line in lines[1:-1]]
            try:
                entries += [json.loads(line) for line in lines[-1:] if len(lines) > 1]
            except (
                ValueError
            ):  # it was interrupted while writing its last line, which is asked again
                path.write_text("".join(line + "\n" for line in lines[:-1]), encoding="utf8")
            self._answers = {str(key): answer for key, answer in entries}
        except (ValueError, TypeError, IndexError) as problem:
            raise DataError(
                f"{path} is not a journal of a generation: remove it or choose another --out"
            ) from problem

    def get(self, key: str) -> Any:
        """The answer, or None where there is none yet."""
        with self._lock:
            return self._answers.get(key)

    def put(self, key: str, answer: Any) -> None:
        """Keep an answer (JSON)."""
        with self._lock:
            self._answers[key] = answer
            if self._path is not None:
                with self._path.open("a", encoding="utf8") as file:
                    file.write(json.dumps([key, answer], separators=(",", ":")) + "\n")
