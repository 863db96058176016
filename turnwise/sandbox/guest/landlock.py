"""Landlock: an unprivileged process gives up access to files, TCP ports and signals.

The restriction holds for the process and all it starts. Structures and numbers are those of
`linux/landlock.h`; the kernel reports what it supports as an ABI version. Limits of older ones:

    ABI 1       moving files between directories is always refused
    ABI 1, 2    files may be truncated
    ABI 1 to 3  TCP ports are open
    ABI 1 to 4  devices take ioctls
    ABI 1 to 5  abstract sockets and signals are not scoped

Landlock covers neither unix sockets with a path nor other socket families; the filter of system
calls refuses those.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

_LIBC = ctypes.CDLL(None, use_errno=True)
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = 1, 2, 4, 8, 16, 32
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK = 64, 128, 256, 512
MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = 1024, 2048, 4096
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
NET = 1 | 2
"""Binding and connecting TCP sockets."""
SCOPES = 1 | 2
"""Abstract sockets and signals."""

READ = EXECUTE | READ_FILE | READ_DIR
MAKE = MAKE_DIR | MAKE_REG | MAKE_SOCK | MAKE_FIFO | MAKE_SYM
WRITE = WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE | REFER | TRUNCATE
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


def version() -> int:
    """Return the kernel's ABI version; 0 where it has no Landlock."""
    return max(
        int(_LIBC.syscall(ctypes.c_long(_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint32(1))), 0
    )


def handled(abi: int) -> int:
    """Return the set of accesses to files that a kernel of this ABI can refuse."""
    known = (1 << 13) - 1
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        known |= right if abi >= since else 0
    return known


def _failed(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


def restrict(readable: Iterable[str], writable: Iterable[str], abi: int | None = None) -> None:
    """Restrict this process, and all it starts, to these trees and files.

    Absent paths are skipped. `no_new_privs` must be set.

    Args:
        abi: for tests: behave as on an older kernel.

    Raises:
        OSError: where the kernel refuses.
    """
    abi = version() if abi is None else abi
    files = handled(abi)
    attributes = struct.pack("QQQ", files, NET if abi >= 4 else 0, SCOPES if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    rules = int(
        _LIBC.syscall(ctypes.c_long(_CREATE), attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    )
    if rules < 0:
        raise _failed("landlock_create_ruleset")
    try:
        for paths, rights in ((readable, READ), (writable, READ | WRITE)):
            for path in paths:
                _allow(rules, path, rights & files)
        if _LIBC.syscall(ctypes.c_long(_RESTRICT), ctypes.c_int(rules), ctypes.c_uint32(0)) != 0:
            raise _failed("landlock_restrict_self")
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # absent, or closed to this user anyway
        return
    try:
        if not os.path.isdir(f"/proc/self/fd/{descriptor}"):
            rights &= FILE_RIGHTS
        rule = struct.pack("=Qi", rights, descriptor)
        call = (ctypes.c_long(_ADD), ctypes.c_int(rules), ctypes.c_int(1), rule, ctypes.c_uint32(0))
        if _LIBC.syscall(*call) != 0:
            raise _failed(f"landlock_add_rule {path}")
    finally:
        os.close(descriptor)
