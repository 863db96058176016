"""Landlock: a process gives up files, TCP ports, abstract sockets and signals for itself and all it
starts, without any privilege.

Structures and numbers are those of Linux's `linux/landlock.h`; every kernel says by its ABI version
what it knows. What an older one lacks: moving files between directories is refused altogether (1),
files may be truncated (1, 2), TCP ports are open (1 to 3), devices take ioctls (1 to 4), abstract
sockets and signals are not scoped (1 to 5). Landlock covers no path of a unix socket and no other
family: those are for the filter of system calls.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

_LIBC = ctypes.CDLL(None, use_errno=True)
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = 1, 2, 4, 8, 16, 32
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (
    64,
    128,
    256,
    512,
    1024,
    2048,
    4096,
)
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
NET = 1 | 2
"""Binding and connecting of TCP."""
SCOPES = 1 | 2
"""Abstract sockets and signals."""

READ = EXECUTE | READ_FILE | READ_DIR
WRITE = (
    WRITE_FILE
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_DIR
    | MAKE_REG
    | MAKE_SOCK
    | MAKE_FIFO
    | MAKE_SYM
    | REFER
    | TRUNCATE
)
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV


def version() -> int:
    """The kernel's ABI; 0 where there is none."""
    return max(
        int(_LIBC.syscall(ctypes.c_long(_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint32(1))), 0
    )


def handled(abi: int) -> int:
    """Every access to files that a kernel of this ABI can refuse."""
    known = (1 << 13) - 1
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        known |= right if abi >= since else 0
    return known


def _failed(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")


def restrict(readable: Iterable[str], writable: Iterable[str], abi: int | None = None) -> None:
    """Leave this process, and all it starts, these trees and files and nothing else. no_new_privs
    must be set.

    A path that is absent is left out. `abi` is for tests: behave as on an older kernel.

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
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # absent, or closed to this user anyway
        return
    try:
        if not os.path.isdir(f"/proc/self/fd/{place}"):
            rights &= OF_A_FILE
        rule = struct.pack("=Qi", rights, place)
        if (
            _LIBC.syscall(
                ctypes.c_long(_ADD), ctypes.c_int(rules), ctypes.c_int(1), rule, ctypes.c_uint32(0)
            )
            != 0
        ):
            raise _failed(f"landlock_add_rule {path}")
    finally:
        os.close(place)
