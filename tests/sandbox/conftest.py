"""Fixtures of the attacks: every backend that runs here, and a host with something to steal.

An attack is a program that prints ESCAPED when it has reached what it must not reach, and TRIED at
its end. Where that is harmless, the same program is also run outside of any sandbox and must print
ESCAPED there: an attack that fails everywhere proves nothing.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.waiting import until
from turnwise.sandbox import open_sandbox
from turnwise.sandbox.contract import Limits, Result, Sandbox, Spec
from turnwise.sandbox.probe import BACKENDS, reason
from turnwise.sandbox.testing import returns

SMALL = Limits(
    seconds=60.0, memory_mb=256, processes=24, disk_mb=16, files=600, file_mb=8, open_files=128
)
"""Small, so that an attack that succeeds does little harm."""

BOTTOM = 2**30
"""Bytes that the test process itself may write to one file, in case a disk attack succeeds."""


@pytest.fixture(scope="session", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Return each backend that runs on this machine; skip the others with the reason."""
    name: str = request.param
    if absent := reason(name):
        pytest.skip(f"{name}: {absent}")
    return name


PRELUDE = """
def pids():
    import os
    try:
        return [entry for entry in os.listdir("/proc") if entry.isdigit()]
    except OSError:
        return [str(number) for number in (1, os.getpid(), os.getppid(), W["victim"], W["parent"])]
"""


@dataclass(slots=True)
class Host:
    """Targets outside: readable files, listening sockets, a process with a secret."""

    nonce: str = field(default_factory=lambda: "nonce" + secrets.token_hex(8))
    secret: str = field(default_factory=lambda: "secret" + secrets.token_hex(16))
    directory: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    """Passed to an attack under the name W. Never holds the secret."""
    victim: subprocess.Popen[bytes] | None = None
    listeners: dict[str, socket.socket] = field(default_factory=dict)

    def program(self, attack: str) -> str:
        """Return the attack with `facts` and the prelude in front."""
        return (
            f"W = {self.facts!r}\n{PRELUDE}{textwrap.dedent(attack)}\nprint('TRIED', flush=True)\n"
        )

    def outside(self, attack: str) -> str:
        """Return the output of the attack outside of any sandbox, as the user of the tests."""
        done = subprocess.run(
            [sys.executable, "-c", self.program(attack)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=self.directory,
        )
        return done.stdout + done.stderr

    def survivors(self) -> list[str]:
        """Return the processes of this machine that carry the nonce in their command line."""
        return [line for line in processes() if self.nonce in line]


def processes() -> list[str]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                line = (
                    Path("/proc", entry, "cmdline")
                    .read_bytes()
                    .replace(b"\0", b" ")
                    .decode(errors="replace")
                )
                found.append(f"{entry} {line}")
    return found


def listener(family: int, kind: int, address: Any) -> socket.socket:
    made = socket.socket(family, kind)
    made.bind(address)
    if kind == socket.SOCK_STREAM:
        made.listen(8)
    made.setblocking(False)
    return made


@pytest.fixture
def host() -> Iterator[Host]:
    """A host with secret files, four kinds of listening sockets and a process with the secret.

    Everything is readable by everybody on purpose: neither file permissions nor different users
    must be what protects it.
    """
    made = Host()
    # Not pytest's tmp_path: its parents are closed to other users, and a sandbox may well be one.
    made.directory = tempfile.mkdtemp(prefix="attack-", dir="/var/tmp")
    directory = Path(made.directory)
    directory.chmod(0o777)
    (directory / ".ssh").mkdir(mode=0o755)
    for name in (".ssh/id_ed25519", "plain"):
        (directory / name).write_text(made.secret)
        (directory / name).chmod(0o666)
    tcp = listener(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
    udp = listener(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0))
    path = listener(socket.AF_UNIX, socket.SOCK_STREAM, str(directory / "docker.sock"))
    abstract = listener(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{made.nonce}")
    (directory / "docker.sock").chmod(0o777)
    made.listeners = {"tcp": tcp, "udp": udp, "path": path, "abstract": abstract}
    made.victim = subprocess.Popen(
        ["sleep", "600"], env={"SECRET": made.secret, "PATH": os.environ["PATH"]}
    )
    made.facts = {
        "directory": made.directory,
        "nonce": made.nonce,
        "tcp": tcp.getsockname()[1],
        "udp": udp.getsockname()[1],
        "victim": made.victim.pid,
        "parent": os.getpid(),
    }
    with ExitStack() as stack:
        for each in made.listeners.values():
            stack.enter_context(closing(each))
        yield made
    made.victim.kill()
    made.victim.wait()
    for line in made.survivors():  # so that a test that fails leaves nothing behind
        with suppress(OSError):
            os.kill(int(line.split()[0]), 9)
    shutil.rmtree(made.directory, ignore_errors=True)


Open = Callable[..., Sandbox]


@pytest.fixture
def open_box(backend: str) -> Iterator[Open]:
    """Open sandboxes of the backend under test; all are closed at the end."""
    with ExitStack() as stack:

        def make(limits: Limits = SMALL, **settings: Any) -> Sandbox:
            return stack.enter_context(
                open_sandbox(Spec(limits=limits, **settings), backend=backend)
            )

        yield make


@pytest.fixture
def box(open_box: Open) -> Sandbox:
    return open_box()


Attack = Callable[..., Result]


@pytest.fixture
def attempt(box: Sandbox, host: Host) -> Attack:
    """Run an attack in a session of the sandbox; it must reach its end and must not escape."""

    def run(attack: str, timeout: float = 60.0) -> Result:
        with box.session() as session:
            result = returns(lambda: session.run(host.program(attack), timeout))
        assert "ESCAPED" not in result.stdout, result
        assert "TRIED" in result.stdout, f"the attack itself did not run: {result}"
        return result

    return run


@pytest.fixture
def eventually() -> Callable[..., bool]:
    return until
