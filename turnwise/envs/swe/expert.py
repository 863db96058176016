"""Expert policy: undo the bug, one edit a turn, then submit.

It uses the agent's own actions.

It reads the files as they are, so it also repairs what another agent has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from turnwise.envs.swe.editor import hunks
from turnwise.envs.swe.tools import write_call

Read = Callable[[str], bytes | None]
REPLACE = """\
python3 - <<'EOF'
from pathlib import Path

path = Path({path!r})
text = path.read_bytes().decode()
old = {old!r}
new = {new!r}
assert text.count(old) == 1
path.write_bytes(text.replace(old, new).encode())
EOF"""
WRITE = """\
python3 - <<'EOF'
from pathlib import Path

path = Path({path!r})
path.parent.mkdir(parents=True, exist_ok=True)
path.write_bytes({data!r})
EOF"""


@dataclass(frozen=True, slots=True)
class FileRepair:
    """Remaining repair of a file: text to replace or, if `old` is None, the whole file to write."""

    path: str
    old: str | None
    new: str


def repairs(gold: Mapping[str, bytes], read: Read) -> Iterator[FileRepair]:
    """Yield the repairs that are still needed, next one first. Call it again after each step."""
    for path, right in sorted(gold.items()):
        now = read(path)
        if now == right:
            continue
        try:
            text = now.decode("utf8") if now else ""
        except UnicodeDecodeError:
            text = ""
        if not text:
            yield FileRepair(path, None, right.decode("utf8"))
            continue
        hunk = hunks(text, right.decode("utf8"))[0]
        yield FileRepair(path, hunk.old or None, hunk.new if hunk.old else right.decode("utf8"))


def as_command(gold: Mapping[str, bytes], read: Read) -> str:
    """Return the next step as a shell command."""
    for step in repairs(gold, read):
        return _command(step)
    return "submit"


def as_call(gold: Mapping[str, bytes], read: Read) -> str:
    """Return the next step as a tool call."""
    for step in repairs(gold, read):
        if step.old is None and read(step.path) is not None:
            return write_call("bash", command=_command(step))
        return write_call("edit", path=step.path, old=step.old or "", new=step.new)
    return write_call("submit")


def _command(step: FileRepair) -> str:
    path = f"/work/{step.path}"
    if step.old is None:
        return WRITE.format(path=path, data=step.new.encode())
    return REPLACE.format(path=path, old=step.old, new=step.new)
