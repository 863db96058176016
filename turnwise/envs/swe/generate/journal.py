"""Journal of a generation, from which an interrupted one continues.

A generation asks a fixed sequence of questions (does this bug fail some tests?) given source and
seed. The journal stores the answers. A resumed run asks the same questions and finds most of them
answered.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from turnwise.errors import DataError

VERSION = 1


class Journal:
    """Answers by key, in memory and optionally in a file of JSON lines.

    Args:
        path: the file; None for memory only.
        about: what the answers refer to. A file about something else is refused.

    Raises:
        DataError: for a file that is not a journal, or is about another source or Python.
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
                    f"{path} was written for another source, Python or version of turnwise: delete "
                    "it to start over"
                )
            entries = [json.loads(line) for line in lines[1:-1]]
            try:
                entries += [json.loads(line) for line in lines[-1:] if len(lines) > 1]
            except ValueError:
                # Interrupted while writing the last line: drop it and ask again.
                path.write_text("".join(line + "\n" for line in lines[:-1]), encoding="utf8")
            self._answers = {str(key): answer for key, answer in entries}
        except (ValueError, TypeError, IndexError) as problem:
            raise DataError(
                f"{path} is not a journal of `turnwise swe generate`: delete it, or choose another "
                "--out"
            ) from problem

    def get(self, key: str) -> Any:
        """Return the answer, or None if there is none yet."""
        with self._lock:
            return self._answers.get(key)

    def put(self, key: str, answer: Any) -> None:
        """Store an answer (JSON)."""
        with self._lock:
            self._answers[key] = answer
            if self._path is not None:
                with self._path.open("a", encoding="utf8") as file:
                    file.write(json.dumps([key, answer], separators=(",", ":")) + "\n")
