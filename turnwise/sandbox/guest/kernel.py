"""System calls that Python lacks: mount, unshare, pivot_root, prctl, capset."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct

_LIBC = ctypes.CDLL(None, use_errno=True)

NEWNS, NEWCGROUP, NEWUTS, NEWIPC = 0x00020000, 0x02000000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000

RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
DETACH = 2

PDEATHSIG, DUMPABLE, CAPBSET_DROP, SUBREAPER, NO_NEW_PRIVS, SECCOMP = 1, 4, 24, 36, 38, 22
CHROOT = 18
"""CAP_SYS_CHROOT."""

PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
"""The same on every architecture; the last since Linux 5.12."""


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Call mount(2); the `OSError` names the target."""
    _check(
        _LIBC.mount(
            source.encode() or None,
            target.encode(),
            kind.encode() or None,
            ctypes.c_ulong(flags),
            data.encode() or None,
        ),
        f"mount {kind or source} on {target}",
    )


def bind(source: str, target: str, devices: bool = False) -> None:
    """Bind `source` at `target` read-only, with everything mounted below it.

    Set-user-id files lose their effect, and so do device files unless `devices`.
    """
    mount(source, target, flags=BIND | REC)
    attributes = 1 | 2 | (0 if devices else 4)  # MOUNT_ATTR_RDONLY, NOSUID, NODEV
    packed = struct.pack("QQQQ", attributes, 0, 0, 0)
    call = (
        ctypes.c_long(MOUNT_SETATTR),
        ctypes.c_int(-100),
        target.encode(),
        ctypes.c_uint(0x8000),
        packed,
        ctypes.c_size_t(32),
    )
    _check(_LIBC.syscall(*call), f"mount_setattr {target}")


def bind_as(source: str, target: str, uid: int, gid: int) -> None:
    """Bind read-only, and show files of the owner of `source` as files of another user.

    An ID-mapped mount: needs root and Linux 5.12.
    """
    owner = os.stat(source)
    tree = _LIBC.syscall(
        ctypes.c_long(OPEN_TREE),
        ctypes.c_int(-100),
        source.encode(),
        ctypes.c_uint(1 | os.O_CLOEXEC),
    )
    _check(0 if tree >= 0 else tree, f"open_tree {source}")
    mapping = _mapping(f"{owner.st_uid} {uid} 1", f"{owner.st_gid} {gid} 1")
    try:
        packed = struct.pack("QQQQ", 1 | 2 | 4 | 0x100000, 0, 0, mapping)  # MOUNT_ATTR_IDMAP
        call = (
            ctypes.c_long(MOUNT_SETATTR),
            ctypes.c_int(tree),
            b"",
            ctypes.c_uint(0x1000),
            packed,
            ctypes.c_size_t(32),
        )
        _check(_LIBC.syscall(*call), f"mount_setattr {source}")
        move = (
            ctypes.c_long(MOVE_MOUNT),
            ctypes.c_int(tree),
            b"",
            ctypes.c_int(-100),
            target.encode(),
            ctypes.c_uint(4),
        )
        _check(_LIBC.syscall(*move), f"move_mount {target}")
    finally:
        os.close(tree)
        os.close(mapping)


def _mapping(users: str, groups: str) -> int:
    """Return a descriptor of a user namespace with this mapping, made for the mapping alone."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            unshare(NEWUSER)
            os.write(writer, b"x")
            signal.pause()
        finally:
            os._exit(1)
    os.close(writer)
    try:
        if os.read(reader, 1) != b"x":
            raise OSError("no user namespace for a mapping")
        for name, text in (("uid_map", users), ("gid_map", groups)):
            with open(f"/proc/{child}/{name}", "w") as file:
                file.write(text)
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def umount(target: str) -> None:
    """Detach a mount at once; the kernel removes it when it is no longer in use."""
    _check(_LIBC.umount2(target.encode(), DETACH), f"umount {target}")


def unshare(flags: int) -> None:
    _check(_LIBC.unshare(ctypes.c_int(flags)), "unshare")


def pivot(root: str) -> None:
    """Make the mount `root` the root of this mount namespace, and detach the old one."""
    os.chdir(root)
    number = PIVOT_ROOT[platform.machine()]
    _check(_LIBC.syscall(ctypes.c_long(number), b".", b"."), "pivot_root")
    umount(".")
    os.chdir("/")


def prctl(option: int, value: int, pointer: ctypes.c_void_p | None = None) -> None:
    zero = ctypes.c_ulong(0)
    third = pointer if pointer is not None else zero
    _check(
        _LIBC.prctl(ctypes.c_int(option), ctypes.c_ulong(value), third, zero, zero),
        f"prctl {option}",
    )


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop_capabilities(keep: tuple[int, ...] = ()) -> None:
    """Drop every capability but `keep` for good; a program that is executed keeps none."""
    for number in range(64):
        if _LIBC.prctl(ctypes.c_int(CAPBSET_DROP), ctypes.c_ulong(number), 0, 0, 0) != 0:
            break
    low = sum(1 << number for number in keep)
    header = _CapabilityHeader(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)(low, low, 0, 0, 0, 0)
    _check(_LIBC.capset(ctypes.byref(header), ctypes.byref(sets)), "capset")
    prctl(NO_NEW_PRIVS, 1)


def map_identity(inside: int, outside: int, group: int) -> None:
    """Map `inside` to user `outside` and group `group` of the host, after `unshare(NEWUSER)`."""
    prctl(DUMPABLE, 1)  # after setresuid, /proc/self would not be writable
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inside} {outside} 1"),
        ("gid_map", f"{inside} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
