"""A fake workplace: files in a dictionary, commands only recorded."""

from __future__ import annotations

from collections.abc import Sequence

from turnwise.envs.swe.workplace import Effects
from turnwise.sandbox.contract import Result


class PretendWorkplace:
    """Answers every command with `answer`, and every program with `found`."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.tree = files
        self.ran: list[object] = []
        self.answer = Result("", "", 0)
        self.found = Result("", "", 0)
        self.room = True

    def run(self, before: Effects, command: str) -> Result:
        self.ran.append(command)
        return self.answer

    def program(self, before: Effects, command: Sequence[str] | str, stdin: str = "") -> Result:
        self.ran.append((command, stdin))
        return self.found

    def read(self, before: Effects, path: str) -> bytes | None:
        return self.tree.get(path)

    def files(self, before: Effects) -> list[str]:
        return sorted(self.tree)

    def write(self, before: Effects, path: str, data: bytes) -> None:
        if not self.room:
            raise ValueError("no room")
        self.tree[path] = data
