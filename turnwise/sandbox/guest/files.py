"""Files of a workspace, opened one path component at a time so that no link is ever followed."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import stat
import tarfile

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class RequestRefused(Exception):
    """A request that cannot be met; the message is sent as the answer."""


def parts(path: str, work: str = "/work") -> list[str]:
    """Return the components of a path that is relative to the workspace or below it.

    Raises:
        RequestRefused: for a path that leaves the workspace.
    """
    if path == work or path.startswith(work + "/"):
        path = path[len(work) :].lstrip("/")
    names = [name for name in path.split("/") if name not in ("", ".")]
    if not names or path.startswith("/") or ".." in names or "\0" in path:
        raise RequestRefused(f"{path!r} is not a path inside the workspace")
    return names


def _enter(root: str, names: list[str], make: bool) -> int:
    """Return a descriptor of the directory `names` below `root`."""
    here = os.open(root, _DIRECTORY)
    try:
        for name in names:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=here)
            below = os.open(name, _DIRECTORY, dir_fd=here)
            os.close(here)
            here = below
    except BaseException:
        os.close(here)
        raise
    return here


def write(root: str, path: str, data: bytes) -> None:
    """Write a regular file below `root`, with its directories.

    Raises:
        RequestRefused: where that cannot be done, or something else stands there.
    """
    names = parts(path)
    try:
        folder = _enter(root, names[:-1], make=True)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(names[-1], flags, 0o644, dir_fd=folder), "wb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise RequestRefused(f"{path!r} is not a regular file")
                file.truncate(0)
                file.write(data)
        finally:
            os.close(folder)
    except OSError as problem:
        raise RequestRefused(f"cannot write {path!r}: {problem.strerror}") from None


def read(root: str, path: str, limit: int) -> bytes:
    """Return the bytes of a regular file below `root`.

    Raises:
        RequestRefused: where there is no such file, or it has more than `limit` bytes.
    """
    names = parts(path)
    try:
        folder = _enter(root, names[:-1], make=False)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with open(os.open(names[-1], flags, dir_fd=folder), "rb") as file:
                found = os.fstat(file.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise RequestRefused(f"{path!r} is not a regular file")
                if found.st_size > limit:
                    raise RequestRefused(
                        f"{path!r} has {found.st_size} bytes, more than the {limit}"
                        " that may be read"
                    )
                data = file.read(limit + 1)
        finally:
            os.close(folder)
    except OSError as problem:
        raise RequestRefused(f"cannot read {path!r}: {problem.strerror}") from None
    if len(data) > limit:
        raise RequestRefused(f"{path!r} has more than the {limit} bytes that may be read")
    return data


def listing(root: str, max_files: int = 200_000) -> list[str]:
    """Return the sorted paths of the regular files below `root`, on the same file system.

    Bytes of a name that are not UTF-8 are escaped with backslashes.
    """
    found: list[str] = []
    device = os.lstat(root).st_dev
    for folder, below, names, descriptor in os.fwalk(root, follow_symlinks=False):
        if os.fstat(descriptor).st_dev != device:
            below[:] = []
            continue
        for name in names:
            with contextlib.suppress(OSError):
                if stat.S_ISREG(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                    found.append(os.path.relpath(os.path.join(folder, name), root))
        if len(found) > max_files:
            raise RequestRefused(f"the workspace has more than {max_files} files")
    return sorted(
        path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        for path in found
    )


def unpack(root: str, data: bytes) -> None:
    """Unpack a tar of regular files, directories and links that stay inside; refuse all else."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            archive.extractall(root, filter="data")
    except (OSError, tarfile.TarError) as problem:
        raise RequestRefused(f"the workspace cannot be filled: {problem}") from None


def copy(source: str, target: str) -> None:
    """Copy a directory's content with links, modes and attributes.

    Character devices are the whiteouts of an overlay (deleted files) and are copied too. Sockets
    and pipes are left out: nobody listens in the copy.
    """
    for entry in os.scandir(source):
        there = os.path.join(target, entry.name)
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode):
            if os.stat(entry.path).st_dev != os.stat(source).st_dev:
                continue  # a mount: the copy gets its own
            os.makedirs(there, exist_ok=True)
            copy(entry.path, there)
            shutil.copystat(entry.path, there, follow_symlinks=False)
        elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
            shutil.copy2(entry.path, there, follow_symlinks=False)
        elif stat.S_ISCHR(mode):
            os.mknod(there, mode, 0)
