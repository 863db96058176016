"""What a killed trainer left behind: found by the name of its owner, and removed when the next one
starts.

Whatever outlives a process (a container, an image, a directory, a control group) carries a tag of
the process that made it: machine, process number and start time. A tag whose process is gone is
nobody's.
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
    """This boot of this machine; process numbers mean nothing elsewhere. In a container it is the
    container's.
    """
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
        # Two containers of one machine count their processes apart.
        return f"{boot}.{os.stat('/proc/self/ns/pid').st_ino:x}"
    except OSError:
        return boot


def _started(process: int) -> str | None:
    """When a process started, in ticks since boot; None where it is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def tag(process: int | None = None) -> str:
    """The owner's tag: letters, digits, dots and dashes, fit for a file name or a label."""
    process = process or os.getpid()
    return f"{machine()}-{process}-{_started(process) or 0}"


def orphaned(text: str) -> bool:
    """Whether a tag's owner is known to be gone. Of another machine nothing is known; what is no
    tag is nobody's business.
    """
    parts = text.split("-")
    if len(parts) != 3 or not parts[1].isdigit() or parts[0] != machine():
        return False
    return _started(int(parts[1])) != parts[2]


def stale(names: Iterable[str], prefix: str) -> Iterator[str]:
    """Those of `names` that are `prefix`, the tag of an owner who is gone, and perhaps an
    underscore and anything.
    """
    for name in names:
        if name.startswith(prefix) and orphaned(name[len(prefix) :].partition("_")[0]):
            yield name


def sweep(root: str | Path, prefix: str, remove: Callable[[Path], None] | None = None) -> int:
    """Remove the stale entries of a directory; returns how many. What cannot be removed (another
    user's) is left.

    Args:
        root: the directory.
        prefix: of the names that are ours.
        remove: how one entry is removed; as a tree of files unless said otherwise.
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
    """Remove a tree that somebody hostile filled: directories closed to us are opened, and its
    depth is no recursion of ours.
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
    """Remove a tree deeper than a path may be long, by lifting inner directories to the top until
    none is left.
    """
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
