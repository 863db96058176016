"""Attacks by network: nothing outside is reached, whatever the family of the socket."""

from __future__ import annotations

import select
import socket
from typing import Any

import pytest

from turnwise.sandbox.contract import Sandbox

REACH = {
    "tcp": """
import socket
try:
    s = socket.socket(); s.settimeout(3)
    s.connect(("127.0.0.1", W["tcp"])); s.sendall(b"x"); print("ESCAPED")
except OSError as problem:
    print(problem)
""",
    "udp": """
import socket
try:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b"x", ("127.0.0.1", W["udp"])); print("sent")
except OSError as problem:
    print(problem)
""",
    "path": """
import socket
try:
    s = socket.socket(socket.AF_UNIX); s.settimeout(3)
    s.connect(W["directory"] + "/docker.sock"); print("ESCAPED")
except OSError as problem:
    print(problem)
""",
    "abstract": """
import socket
try:
    s = socket.socket(socket.AF_UNIX); s.settimeout(3)
    s.connect("\\0" + W["nonce"]); s.sendall(b"x"); print("ESCAPED")
except OSError as problem:
    print(problem)
""",
}


def heard(listener: socket.socket) -> bool:
    """Whether a connection or a datagram has arrived."""
    return bool(select.select([listener], [], [], 0.2)[0])


@pytest.mark.parametrize("kind", REACH)
def test_the_host_s_sockets_are_not_reached(attempt: Any, host: Any, kind: str) -> None:
    attempt(REACH[kind])
    assert not heard(host.listeners[kind])
    host.outside(REACH[kind])
    assert heard(host.listeners[kind])


def test_the_docker_socket_is_not_there(attempt: Any, host: Any) -> None:
    attack = """
    import os, socket
    for path in ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock",
                 "/run/dbus/system_bus_socket"):
        try:
            s = socket.socket(socket.AF_UNIX); s.connect(path); print("ESCAPED", path)
        except OSError as problem:
            print(problem)
    """
    attempt(attack)


def test_names_are_not_resolved(attempt: Any, host: Any) -> None:
    attack = """
    import socket
    try:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
        query = "1234010000010000000000000765786d61706c6503636f6d0000010001"
        s.connect(("8.8.8.8", 53)); s.send(bytes.fromhex(query))
        print("ESCAPED: sent a query")
    except OSError as problem:
        print(problem)
    try:
        print("ESCAPED:", socket.getaddrinfo("example.com", 80))
    except OSError as problem:
        print(problem)
    """
    attempt(attack)


def test_the_internet_is_not_reached(attempt: Any, host: Any) -> None:
    attack = """
    import socket
    four, six = socket.AF_INET, socket.AF_INET6
    for family, address in ((four, ("1.1.1.1", 80)), (four, ("169.254.169.254", 80)),
                            (six, ("2606:4700::1111", 80))):
        try:
            s = socket.socket(family); s.settimeout(2)
            s.connect(address); print("ESCAPED", address)
        except OSError as problem:
            print(problem)
    """
    attempt(attack)


def test_the_host_s_interfaces_are_not_seen(attempt: Any, host: Any) -> None:
    others = {name for _, name in socket.if_nameindex()} - {"lo"}
    attack = f"""
    import os, socket
    others = {others!r}
    try:
        s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
        s.close()
        if seen := others & {{name for _, name in socket.if_nameindex()}}:
            print("ESCAPED: netlink told of", seen)
    except OSError as problem:
        print(problem)
    for path in ("/proc/net/dev", "/proc/self/net/dev", "/proc/1/net/dev"):
        try:
            if any(name + ":" in open(path).read() for name in others):
                print("ESCAPED:", path)
        except OSError as problem:
            print(problem)
    """
    if others:
        assert "ESCAPED" in host.outside(attack)
    attempt(attack)


FAMILIES = {
    "AF_NETLINK-audit": (16, 3, 9),
    "AF_PACKET": (17, 3, 0),
    "AF_ALG": (38, 5, 0),
    "AF_VSOCK": (40, 1, 0),
    "AF_BLUETOOTH": (31, 3, 1),
    "AF_TIPC": (30, 1, 0),
    "AF_XDP": (44, 3, 0),
    "AF_KCM": (41, 5, 0),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_socket_families_without_a_namespace_are_refused(
    attempt: Any, host: Any, family: str
) -> None:
    """These reach the firmware, the sound card or the hypervisor; only the filter refuses them."""
    attack = f"""
    import socket
    try:
        socket.socket{FAMILIES[family]!r}.close()
        print("ESCAPED")
    except OSError as problem:
        print(problem)
    """
    attempt(attack)


def test_the_hypervisor_is_not_reached(attempt: Any, host: Any) -> None:
    attack = """
    import socket
    try:
        s = socket.socket(40, 1); s.settimeout(2); s.connect((2, 1024)); print("ESCAPED")
    except ConnectionResetError:
        print("ESCAPED: refused by the other side, so it was asked")
    except OSError as problem:
        print(problem)
    """
    attempt(attack)


def test_work_inside_still_has_pipes_and_pairs(box: Sandbox) -> None:
    """Programs inside may still talk to each other."""
    with box.session() as session:
        result = session.run(
            "import socket; a, b = socket.socketpair(); a.send(b'held'); print(b.recv(9))"
        )
    assert "held" in result.stdout, result
