"""The parent trusts no guest: whatever it answers, or does not, every call ends with a result."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from turnwise.sandbox import Limits, SandboxCapabilities, SandboxError, Spec, client
from turnwise.sandbox.client import GuestSandbox, guest_plan
from turnwise.sandbox.guest.frames import Channel, Header

Answer = Callable[[Channel, Header, bytes], None]


class Cell:
    """A confinement that only counts calls."""

    backend = "test"
    capabilities = SandboxCapabilities(True, True, True, True, True, True)

    def __init__(self) -> None:
        self.kills = self.members = self.memory = 0

    def kill(self) -> None:
        self.kills += 1

    def memory_kills(self) -> int:
        return self.memory

    def join(self) -> None:
        self.members += 1

    def leave(self) -> None:
        self.members -= 1


def sandbox(answer: Answer, seconds: float = 60.0) -> tuple[GuestSandbox, Cell]:
    """Return a sandbox whose guest is a function, and its confinement."""
    ours, theirs = socket.socketpair()
    mine, other = ours.detach(), theirs.detach()

    def serve() -> None:
        channel = Channel(other, other)
        while (frame := channel.receive()) is not None:
            if frame[0]["ask"] == "configure":
                channel.send({})
            else:
                try:
                    answer(channel, *frame)
                except OSError:
                    break
        channel.close()

    threading.Thread(target=serve, daemon=True).start()
    cell = Cell()
    spec = Spec(limits=Limits(seconds=seconds, output_chars=100))
    return GuestSandbox(spec, Channel(mine, mine), cell, guest_plan(spec, "plain")), cell


RESULT = {
    "error": "none",
    "exit": 0,
    "truncated": False,
    "out": 0,
    "err": 0,
    "late": 0,
    "alive": True,
}


def test_a_silent_guest_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "STOP_S", 0.2)
    box, cell = sandbox(lambda channel, header, body: None, seconds=0.3)
    assert box.run("true").error == "timeout"
    assert cell.kills == 1 and not box.running
    assert box.run("true").error == "died"
    box.close()


def test_a_guest_that_obeys_a_stop_lives_on() -> None:
    def answer(channel: Channel, header: Header, body: bytes) -> None:
        if header["ask"] == "stop":
            channel.send({**RESULT, "error": "timeout", "exit": None, "out": 5}, b"early")

    box, cell = sandbox(answer, seconds=0.3)
    result = box.run("true")
    assert (result.error, result.stdout, result.exit_code) == ("timeout", "early", None)
    assert cell.kills == 0
    assert box.running
    box.close()


@pytest.mark.parametrize("kills, error", [(0, "died"), (1, "memory")])
def test_a_guest_that_is_gone_has_died_or_run_out_of_memory(kills: int, error: str) -> None:
    cell: Cell

    def answer(channel: Channel, header: Header, body: bytes) -> None:
        cell.memory = kills
        raise OSError

    box, cell = sandbox(answer)
    assert box.run("true").error == error
    box.close()


@pytest.mark.parametrize(
    "lie",
    [
        {"error": "infrastructure"},
        {"error": 7},
        {"error": "none", "exit": "0"},
        {"error": "none", "exit": 0, "out": -5, "err": 10**12, "late": None},
        {"error": "none", "out": 10**9, "alive": "yes"},
        {},
    ],
)
def test_malformed_results_become_valid_records(lie: Header) -> None:
    box, _ = sandbox(lambda channel, header, body: channel.send(lie, b"x" * 5000))
    result = box.run("true")
    assert result.error in ("none", "died")
    assert result.exit_code in (None, 0)
    assert len(result.stdout) + len(result.stderr) + len(result.late) <= 5000
    assert len(result.stdout) <= 2 * 100 + 1000
    box.close()


def test_a_refusal_of_the_guest_is_an_error_with_its_message() -> None:
    box, _ = sandbox(lambda channel, header, body: channel.send({"failed": "no room"}))
    for act in (
        lambda: box.write("a", "b"),
        lambda: box.read("a"),
        box.files,
        box.session,
        lambda: box.run("true"),
    ):
        with pytest.raises(SandboxError, match="no room"):
            act()
    box.close()


def test_a_fork_that_is_refused_is_not_counted() -> None:
    box, cell = sandbox(lambda channel, header, body: channel.send({"failed": "no room"}))
    with pytest.raises(SandboxError, match="no room"):
        box.fork()
    assert cell.members == 0
    box.close()
    box.close()
    assert cell.members == -1


def test_a_closed_sandbox_is_an_error_and_its_sessions_have_died() -> None:
    box, _ = sandbox(lambda channel, header, body: channel.send({"session": 1}))
    session = box.session()
    assert session.alive
    box.close()
    assert not session.alive and session.run("1").error == "died" and box.sessions == ()
    with pytest.raises(SandboxError, match="closed"):
        box.run("true")
    session.close()


@pytest.mark.parametrize("command", [[], ["a\0b"], "a\0b"])
def test_an_impossible_command_is_an_error(command: list[str] | str) -> None:
    box, _ = sandbox(lambda channel, header, body: channel.send(RESULT))
    with pytest.raises(SandboxError, match="command"):
        box.run(command)
    box.close()
