"""Filter of system calls (seccomp) for processes in a sandbox.

A classic BPF program over (number, architecture, arguments): it refuses calls that sandboxed code
has no use for, and kills a process that calls through another architecture. Numbers differ by
architecture; the tables are from Linux's `asm/unistd.h`. On a machine without a table there is no
filter, and the backend refuses to run.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

from . import kernel

_X86_64 = {
    "ptrace": 101, "syslog": 103, "uselib": 134, "personality": 135, "ustat": 136, "vhangup": 153,
    "modify_ldt": 154, "pivot_root": 155, "adjtimex": 159, "chroot": 161, "acct": 163,
    "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
    "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173, "init_module": 175,
    "delete_module": 176, "quotactl": 179, "nfsservctl": 180, "lookup_dcookie": 212,
    "clock_settime": 227, "mbind": 237, "set_mempolicy": 238, "kexec_load": 246, "add_key": 248,
    "request_key": 249, "keyctl": 250, "migrate_pages": 256, "unshare": 272, "move_pages": 279,
    "perf_event_open": 298, "fanotify_init": 300, "name_to_handle_at": 303,
    "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "kcmp": 312, "finit_module": 313, "kexec_file_load": 320, "bpf": 321,
    "userfaultfd": 323,
}  # fmt: skip
_ARM64 = {
    "lookup_dcookie": 18, "umount2": 39, "mount": 40, "pivot_root": 41, "chroot": 51, "vhangup": 58,
    "quotactl": 60, "acct": 89, "personality": 92, "unshare": 97, "kexec_load": 104,
    "init_module": 105, "delete_module": 106, "clock_settime": 112, "syslog": 116, "ptrace": 117,
    "reboot": 142, "sethostname": 161, "setdomainname": 162, "settimeofday": 170, "adjtimex": 171,
    "add_key": 217, "request_key": 218, "keyctl": 219, "swapon": 224, "swapoff": 225, "mbind": 235,
    "set_mempolicy": 237, "migrate_pages": 238, "move_pages": 239, "perf_event_open": 241,
    "fanotify_init": 262, "name_to_handle_at": 264, "open_by_handle_at": 265, "clock_adjtime": 266,
    "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
    "finit_module": 273, "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip
_BOTH = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443,
    "memfd_secret": 447, "open_tree_attr": 467,
}  # fmt: skip
_SHARED = {
    "x86_64": {
        "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "msgget": 68, "mq_open": 240,
        "socket": 41,
    },
    "aarch64": {
        "shmget": 194, "shmat": 196, "shmctl": 195, "semget": 190, "msgget": 186, "mq_open": 180,
        "socket": 198,
    },
}  # fmt: skip
"""Calls that reach other processes of the same user where there are no namespaces."""
_SELF_ONLY = {
    "x86_64": {
        "prlimit64": (302, 0), "setpriority": (141, 1), "ioprio_set": (251, 1),
        "sched_setaffinity": (203, 0), "sched_setscheduler": (144, 0), "sched_setparam": (142, 0),
        "sched_setattr": (314, 0),
    },
    "aarch64": {
        "prlimit64": (261, 0), "setpriority": (140, 1), "ioprio_set": (30, 1),
        "sched_setaffinity": (122, 0), "sched_setscheduler": (119, 0), "sched_setparam": (118, 0),
        "sched_setattr": (274, 0),
    },
}  # fmt: skip
"""Call -> its number, and which argument must be 0 (a process that means itself)."""
_SIGNALS = {
    "x86_64": {
        "kill": 62, "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 129,
        "rt_tgsigqueueinfo": 297, "pidfd_send_signal": 424,
    },
    "aarch64": {
        "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138,
        "rt_tgsigqueueinfo": 240, "pidfd_send_signal": 424,
    },
}  # fmt: skip
CLONE3 = 435
ARCHITECTURES = {
    # machine: (AUDIT_ARCH, refused, clone, socket, socketpair, kill, ioctl)
    "x86_64": (0xC000003E, _X86_64 | _BOTH, 56, 41, 53, 62, 16),
    "aarch64": (0xC00000B7, _ARM64 | _BOTH, 220, 198, 199, 129, 29),
}

_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENT = 0, 4, 16
NAMESPACES = (
    kernel.NEWNS
    | kernel.NEWCGROUP
    | kernel.NEWUTS
    | kernel.NEWIPC
    | kernel.NEWUSER
    | kernel.NEWPID
    | kernel.NEWNET
)
UNIX = 1
PRLIMIT = {"x86_64": 302, "aarch64": 261}
TIOCSTI, TIOCLINUX = 0x5412, 0x541C


def _refuse(number: int) -> int:
    return 0x00050000 | number


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def _argument(call: int, index: int, checks: list[bytes]) -> list[bytes]:
    """Return checks of the low half of an argument of `call`; other calls skip them."""
    inner = [_op(_LOAD, _ARGUMENT + 8 * index), *checks, _op(_LOAD, _NUMBER)]
    return [_op(_EQUAL, call, 0, len(inner)), *inner]


def _extra_refusals(machine: str, refuse: tuple[str, ...]) -> list[bytes]:
    ops = []
    zero = [_op(_EQUAL, 0, 1, 0), _op(_RETURN, _refuse(errno.EPERM))]
    if "shared" in refuse:
        for number in _SHARED[machine].values():
            ops += [_op(_EQUAL, number, 0, 1), _op(_RETURN, _refuse(errno.EACCES))]
        for number, index in _SELF_ONLY[machine].values():
            ops += _argument(number, index, zero)
    if "signals" in refuse:
        for number in _SIGNALS[machine].values():
            ops += [_op(_EQUAL, number, 0, 1), _op(_RETURN, _refuse(errno.EPERM))]
    return ops


def program(machine: str, allow: tuple[str, ...] = (), refuse: tuple[str, ...] = ()) -> bytes:
    """Return the BPF program of a machine.

    Args:
        machine: a key of `ARCHITECTURES`.
        allow: names of calls not to refuse.
        refuse: further groups to refuse: `shared`, calls that reach other processes where there are
            no namespaces; `signals`, every call that sends one.
    """
    architecture, refused, clone, sock, pair, kill, ioctl = ARCHITECTURES[machine]
    ops = [
        _op(_LOAD, _ARCHITECTURE),
        _op(_EQUAL, architecture, 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":  # x32 calls: another table under the same architecture
        ops += [_op(_AT_LEAST, 0x40000000, 0, 1), _op(_RETURN, _refuse(errno.ENOSYS))]
    for name, number in refused.items():
        if name not in allow:
            ops += [_op(_EQUAL, number, 0, 1), _op(_RETURN, _refuse(errno.EPERM))]
    ops += _extra_refusals(machine, refuse)
    # clone3 hides its flags behind a pointer; the C library falls back on clone when there is none.
    ops += [_op(_EQUAL, CLONE3, 0, 1), _op(_RETURN, _refuse(errno.ENOSYS))]
    ops += _argument(
        clone, 0, [_op(_ANY_BIT, NAMESPACES, 0, 1), _op(_RETURN, _refuse(errno.EPERM))]
    )
    for call in (sock, pair):
        ops += _argument(call, 0, [_op(_EQUAL, UNIX, 1, 0), _op(_RETURN, _refuse(errno.EACCES))])
    # kill(-1) would reach forks of the same sandbox, which share its process namespace.
    ops += _argument(kill, 0, [_op(_EQUAL, 0xFFFFFFFF, 0, 1), _op(_RETURN, _refuse(errno.EPERM))])
    # Limits of other processes, process 1 above all, must not be changed; 0 is the caller itself.
    ops += _argument(
        PRLIMIT[machine], 0, [_op(_EQUAL, 0, 1, 0), _op(_RETURN, _refuse(errno.EPERM))]
    )
    for request in (TIOCSTI, TIOCLINUX):
        ops += _argument(ioctl, 1, [_op(_EQUAL, request, 0, 1), _op(_RETURN, _refuse(errno.EPERM))])
    return b"".join([*ops, _op(_RETURN, _ALLOW)])


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def supported() -> bool:
    """Return whether there is a table for this machine."""
    return platform.machine() in ARCHITECTURES


def install(allow: tuple[str, ...] = (), refuse: tuple[str, ...] = ()) -> None:
    """Filter this thread, and all it starts, from now on; `no_new_privs` must be set.

    Raises:
        OSError: where the kernel refuses.
    """
    code = program(platform.machine(), allow, refuse)
    buffer = ctypes.create_string_buffer(code, len(code))
    filtered = _Program(len(code) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    kernel.prctl(kernel.SECCOMP, 2, ctypes.cast(ctypes.byref(filtered), ctypes.c_void_p))
