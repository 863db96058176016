"""Removal of what killed trainers left behind, when the next one starts.

Whatever can outlive a process (a container, an image, a directory) carries a tag of the process
that made it: machine, process id and start time. It is stale once that process is gone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path


@cache
def machine() -> str:
    """Return an id of this boot and this process namespace, in which process ids are valid."""
    try:
        boot = (
            Path("/proc/sys/kernel/random/boot_id")
            .read_text(encoding="ascii")
            .strip()
            .replace("-", "")[:12]
        )
    except OSError:
        boot = "unknown"
    try:
        # Two containers of one machine number their processes independently.
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino:x}"
    except OSError:
        return boot


def _started(process: int) -> str | None:
    """Return when a process started, in ticks since boot; None where it is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def tag(process: int | None = None) -> str:
    """Return the tag of a process (default: this one), fit for a file name or a label."""
    process = process or os.getpid()
    return f"{machine()}-{process}-{_started(process) or 0}"


def orphaned(text: str) -> bool:
    """Return whether the owner of a tag is known to be gone.

    False for tags of other machines, of which nothing is known, and for text that is no tag.
    """
    parts = text.split("-")
    if len(parts) != 3 or not parts[1].isdigit() or parts[0] != machine():
        return False
    return _started(int(parts[1])) != parts[2]


def stale(names: Iterable[str], prefix: str) -> Iterator[str]:
    """Yield the names made of `prefix`, the tag of a dead owner, and optionally `_` and a rest."""
    for name in names:
        if name.startswith(prefix) and orphaned(name[len(prefix) :].partition("_")[0]):
            yield name


def sweep(root: str | Path, prefix: str, remove: Callable[[Path], None] | None = None) -> int:
    """Remove the stale entries of a directory and return how many.

    What cannot be removed, because it is another user's, is left.

    Args:
        root: the directory.
        prefix: prefix of the names that are ours.
        remove: removes one entry (default: `tree`).
    """
    try:
        names = os.listdir(root)
    except OSError:
        return 0
    removed = 0
    for name in stale(names, prefix):
        path = Path(root, name)
        with suppress(OSError):
            (remove or tree)(path)
        removed += not path.exists()
    return removed


def tree(path: Path) -> None:
    """Remove a tree whose content is hostile.

    Directories without permissions are opened first, and trees too deep for recursion are removed
    too.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    with suppress(OSError, RecursionError):
        shutil.rmtree(path, onerror=_open_up)
    if path.exists():
        _flatten(path)


def _open_up(act: Callable[..., object], path: str, _: object) -> None:
    with suppress(OSError):
        os.chmod(os.path.dirname(path), 0o700)
        if not os.path.islink(path):
            os.chmod(path, 0o700)
        if act in (os.unlink, os.rmdir):
            act(path)


def _flatten(root: Path) -> None:
    """Remove a tree of any depth by moving inner directories to the top until none is left."""
    number = 0
    while True:
        inner = [entry for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)]
        for entry in os.scandir(root):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
        if not inner:
            break
        for entry in inner:
            os.chmod(entry.path, 0o700)
            for deeper in os.scandir(entry.path):
                os.rename(deeper.path, root / f".lifted{number}")
                number += 1
            os.rmdir(entry.path)
    os.rmdir(root)
