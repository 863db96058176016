"""The filter of system calls for both architectures, run by a small BPF interpreter."""

from __future__ import annotations

import errno
import struct

import pytest

from turnwise.sandbox.guest import seccomp

ALLOWED, KILLED = 0x7FFF0000, 0x80000000


def decide(
    machine: str,
    number: int,
    *arguments: int,
    architecture: int | None = None,
    allow: tuple[str, ...] = (),
) -> int:
    """Return what the program answers to one system call; it has only loads, jumps and returns."""
    arch = seccomp.ARCHITECTURES[machine][0] if architecture is None else architecture
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack(
        "<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *[value & (2**64 - 1) for value in padded]
    )
    code = seccomp.program(machine, allow)
    steps = [struct.unpack_from("HBBI", code, at) for at in range(0, len(code), 8)]
    assert len(steps) < 4096
    at, held = 0, 0
    while True:
        op, yes, no, value = steps[at]
        at += 1
        if op == 0x20:
            held = struct.unpack_from("<I", data, value)[0]
        elif op == 0x06:
            return int(value)
        else:
            true = {0x15: held == value, 0x35: held >= value, 0x45: bool(held & value)}[op]
            at += yes if true else no


def refused(number: int) -> int:
    return 0x00050000 | number


CALLS = {
    # name: (x86-64, arm64), from Linux's own tables
    "mount": (165, 40),
    "umount2": (166, 39),
    "ptrace": (101, 117),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "process_vm_readv": (310, 270),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "pidfd_getfd": (438, 438),
    "init_module": (175, 105),
    "fsopen": (430, 430),
}
MACHINES = ("x86_64", "aarch64")


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", CALLS)
def test_dangerous_calls_are_refused(machine: str, name: str) -> None:
    assert decide(machine, CALLS[name][MACHINES.index(machine)]) == refused(errno.EPERM)


@pytest.mark.parametrize("machine", MACHINES)
def test_ordinary_calls_pass(machine: str) -> None:
    read, write, openat, execve, exits = {
        "x86_64": (0, 1, 257, 59, 231),
        "aarch64": (63, 64, 56, 221, 94),
    }[machine]
    for number in (read, write, openat, execve, exits):
        assert decide(machine, number, 3, 4, 5) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architecture_is_killed(machine: str) -> None:
    for other in (
        0x40000003,
        0x40000028,
        seccomp.ARCHITECTURES["aarch64" if machine == "x86_64" else "x86_64"][0],
    ):
        assert decide(machine, 1, architecture=other) == KILLED


def test_x32_calls_are_refused() -> None:
    assert decide("x86_64", 0x40000000 + 165) == refused(errno.ENOSYS)


@pytest.mark.parametrize("machine", MACHINES)
def test_processes_but_no_namespaces(machine: str) -> None:
    clone = seccomp.ARCHITECTURES[machine][2]
    assert decide(machine, clone, 17) == ALLOWED  # SIGCHLD: fork
    assert decide(machine, clone, 0x3D0F00) == ALLOWED  # as the C library starts threads
    for flag in (0x10000000, 0x20000000, 0x40000000, 0x20000, 0x02000000, 0x04000000, 0x08000000):
        assert decide(machine, clone, flag | 17) == refused(errno.EPERM)
    assert decide(machine, 435) == refused(errno.ENOSYS)


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_of_this_machine_only(machine: str) -> None:
    for call in seccomp.ARCHITECTURES[machine][3:5]:
        assert decide(machine, call, 1) == ALLOWED
        for family in (
            2,
            10,
            16,
            17,
            40,
            38,
        ):  # internet, netlink, packet, vsock, the kernel's ciphers
            assert decide(machine, call, family) == refused(errno.EACCES)


@pytest.mark.parametrize("machine", MACHINES)
def test_signalling_every_process_is_refused(machine: str) -> None:
    kill = seccomp.ARCHITECTURES[machine][5]
    assert decide(machine, kill, -1, 9) == refused(errno.EPERM)
    assert decide(machine, kill, 12, 9) == ALLOWED


@pytest.mark.parametrize("machine", MACHINES)
def test_only_one_s_own_limits_can_be_changed(machine: str) -> None:
    number = {"x86_64": 302, "aarch64": 261}[machine]
    assert decide(machine, number, 0, 7) == ALLOWED
    assert decide(machine, number, 1, 7) == refused(errno.EPERM)


@pytest.mark.parametrize("machine", MACHINES)
def test_a_terminal_cannot_be_typed_into(machine: str) -> None:
    ioctl = seccomp.ARCHITECTURES[machine][6]
    assert decide(machine, ioctl, 0, 0x5412) == refused(errno.EPERM)
    assert decide(machine, ioctl, 0, 0x5401) == ALLOWED


def test_one_refusal_can_be_left_out() -> None:
    assert decide("x86_64", 161, allow=("chroot",)) == ALLOWED
    assert decide("x86_64", 165, allow=("chroot",)) == refused(errno.EPERM)
