"""Attacks on the channel between host and guest, and on secrets of the host."""

from __future__ import annotations

import os
import secrets
import zlib
from pathlib import Path
from typing import Any

import pytest

from turnwise.sandbox.contract import Sandbox


def test_a_marker_in_the_output_ends_nothing(box: Sandbox) -> None:
    """Nothing that a cell prints can end it or answer in its place."""
    lines = [
        "__TURNWISE_DONE__",
        "\x00\x00\x00\x10",
        '{"exit_code": 0, "error": "none"}',
        "\x04",
        ">>> ",
        "$ ",
        "\x1b[0m",
        "EOF",
    ]
    program = f"""
import os
for line in {lines!r}:
    print(line)
    os.write(1, line.encode() + b"\\n")
print("the end")
raise ValueError("real")
"""
    with box.session() as session:
        result = session.run(program)
        assert (
            result.error == "exception" and "real" in result.stderr and "the end" in result.stdout
        )
        assert session.run("print('next')").stdout == "next\n"


def test_junk_on_every_descriptor_forges_nothing(box: Sandbox) -> None:
    """A program can break its own channel and so end itself, but nothing else in the sandbox."""
    program = """
import os
for number in range(3, 256):
    forged = b"\\x10\\0\\0\\0{\\"error\\": \\"none\\"}"
    for junk in (b"\\0" * 64, b"\\xff" * 64, os.urandom(64), forged):
        try:
            os.set_blocking(number, False)
            os.write(number, junk)
        except OSError:
            break
raise ValueError("real")
"""
    other = box.session()
    assert other.run("kept = 'untouched'").ok
    with box.session() as session:
        result = session.run(program, 30.0)
        assert result.error in ("exception", "died"), result
        later = session.run("print('next')", 30.0)
        assert later.error in ("none", "died"), later
    assert other.run("print(kept)").stdout == "untouched\n"
    result = box.run(["python3", "-c", program], 30.0)
    assert (result.error == "none" and result.exit_code == 1) or result.error == "died", result
    assert box.run("echo fine").stdout == "fine\n"


def test_reading_every_descriptor_reveals_no_other_call(box: Sandbox) -> None:
    """A thread of one interpreter reads every descriptor while another is sent a secret."""
    secret = "answer" + secrets.token_hex(8)
    listen = """
import os, threading, time
heard = []
def listen():
    for _ in range(100):
        for number in range(3, 64):
            try:
                os.set_blocking(number, False)
                heard.append(os.read(number, 65536))
            except OSError:
                pass
        time.sleep(0.01)
threading.Thread(target=listen, daemon=True).start()
"""
    listener, other = box.session(), box.session()
    assert listener.run(listen).ok
    for _ in range(5):
        other.run(f"x = {secret!r}")
        box.run(["true", secret])
    box.write("f", secret)
    result = listener.run("print(b''.join(heard))", 30.0)
    # It may have read its own request, and then times out; it must not have read the others'.
    assert result.error in ("none", "died", "timeout") and secret not in result.stdout


def test_late_output_is_kept_apart_from_other_cells(box: Sandbox) -> None:
    """A thread that goes on printing disturbs no later result, and ends with its interpreter."""
    program = """
import threading, time
def late():
    for _ in range(100):
        time.sleep(0.01)
        print("LATE")
threading.Thread(target=late).start()
"""
    with box.session() as session:
        assert session.run(program, 20.0).error == "none"
        result = session.run("import time; time.sleep(0.2); print('mine')", 20.0)
        assert result.error == "none" and "mine" in result.stdout
    assert box.session().run("print('clean')").stdout == "clean\n"
    assert box.run("echo clean").stdout == "clean\n"


def test_a_shell_survives_tricks(box: Sandbox) -> None:
    shell = box.shell()
    assert shell.run("cd /tmp && x=5").exit_code == 0
    assert shell.run("echo $x; pwd; false").exit_code == 1
    for trick in (
        "exit 7",
        "exec true",
        "kill -9 $$",
        "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-",
        "set -e; false",
        "trap 'echo trapped' EXIT DEBUG",
        "PS1=x; PROMPT_COMMAND='exit 0'",
        "cat",
        "echo 'unclosed",
        "echo )(",
        "\x04",
        "exec >/dev/null 2>&1",
        "alias echo=true; shopt -s expand_aliases",
    ):
        result = shell.run(trick, 5.0)
        assert result.error in ("none", "died", "timeout"), (trick, result)
        fresh = box.shell()
        assert fresh.run("echo fine").stdout == "fine\n", trick
        fresh.close()
        result = shell.run("builtin echo again", 20.0)
        assert result.error in ("none", "died"), (trick, result)
        if not (result.error == "none" and result.stdout == "again\n"):
            shell.close()
            shell = box.shell()


def test_a_command_that_reads_gets_its_own_input_alone(box: Sandbox) -> None:
    """A program in a shell must not read the commands that come after it."""
    shell = box.shell()
    assert shell.run("read line; echo got:$line", 20.0).stdout.startswith("got:")
    assert shell.run("echo second", 20.0).stdout == "second\n"
    assert box.run(["cat"], stdin="given").stdout == "given"


def test_a_large_command_and_a_large_answer_arrive_whole(box: Sandbox) -> None:
    text = "x" * 300_000
    with box.session() as session:
        assert session.run(f"y = {text!r}\nprint(len(y))").stdout == "300000\n"
    box.write("large", text)
    assert box.read("large") == text.encode()
    assert box.run(["wc", "-c"], stdin=text).stdout.strip() == "300000"


SCAN = """
import glob, os, zlib
start, rest, length = {start!r}, {rest}, {length}
def look(blob, where):
    at = blob.find(start)
    while at >= 0:
        if zlib.crc32(blob[at + len(start) : at + length]) == rest:
            print("ESCAPED:", where)
        at = blob.find(start, at + 1)
for entry in pids():
    for name in ("environ", "cmdline"):
        try:
            look(open(f"/proc/{{entry}}/{{name}}", "rb").read(), (entry, name))
        except OSError:
            pass
    try:
        spans = [line.split() for line in open(f"/proc/{{entry}}/maps")]
        with open(f"/proc/{{entry}}/mem", "rb", buffering=0) as memory:
            for span in spans:
                low, high = (int(x, 16) for x in span[0].split("-"))
                if span[1][0] != "r" or high - low > 1 << 28:
                    continue
                if span[-1] in ("[vvar]", "[vsyscall]"):
                    continue
                try:
                    for at in range(low, high, 1 << 22):
                        memory.seek(at)
                        blob = memory.read(min((1 << 22) + 64, high - at))
                        look(blob, (entry, "memory", span[-1]))
                except (OSError, OverflowError):
                    pass
    except (OSError, ValueError):
        pass
above = os.path.dirname(os.getcwd()).rstrip("/") or "/work"
for root in (".", above, "/work", "/tmp", "/dev/shm", "/run", "/var/tmp", "/home", "/root", "/etc"):
    for directory, below, names in os.walk(root):
        # Without the interpreter's own library, which is large.
        below[:] = [name for name in below if not name.startswith("python3.")]
        for name in names:
            path = os.path.join(directory, name)
            try:
                if os.path.isfile(path) and os.path.getsize(path) < 1 << 20:
                    look(open(path, "rb").read(), path)
            except OSError:
                pass
"""


def scan(secret: str) -> str:
    """Return a program that finds the secret by its beginning and a checksum of the rest."""
    start, rest = secret[:9].encode(), secret[9:].encode()
    return SCAN.format(start=start, rest=zlib.crc32(rest), length=len(secret))


@pytest.mark.parametrize("where", ["environment", "memory", "file"])
def test_a_secret_of_the_trainer_is_nowhere_inside(
    open_box: Any, host: Any, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Neither the trainer's variables nor its memory reach the sandbox, nor a copy of either."""
    secret = "canary" + secrets.token_hex(20)
    kept = [secret * 3, secret.encode()]  # as a reference answer would be
    if where == "environment":
        monkeypatch.setenv("TURNWISE_CANARY", secret)
    if where == "file":
        Path(host.directory, "answers.jsonl").write_text(secret)
    box = open_box()
    for run in (
        lambda code: box.run(["python3", "-c", code], 200.0),
        lambda code: box.session().run(code, 200.0),
    ):
        result = run(host.program(scan(secret)))
        assert "TRIED" in result.stdout and "ESCAPED" not in result.stdout, result
    if where == "memory":  # the same scan finds it in a plain copy of this process
        assert "ESCAPED" in _forked(host.program(scan(secret)))
    if where == "environment":
        assert "ESCAPED" in host.outside(scan(secret))
    assert len(kept) == 2


def _forked(program: str) -> str:
    """Return the program's output in a fork of this process, as a sandbox must not be made."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(writer, 1)
        program = program.replace("in pids()", "in [str(os.getpid())]").replace(
            "for root in (", "for root in () and ("
        )
        try:
            exec(program, {"print": lambda *words, **_: os.write(1, f"{words}\n".encode())})
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    os.waitpid(pid, 0)
    return said


def test_the_memory_of_every_process_inside_seen_from_outside(open_box: Any, host: Any) -> None:
    """Also the memory of the guest, which the host can read and the code inside cannot."""
    secret = "canary" + secrets.token_hex(20)
    before = set(os.listdir("/proc"))
    box = open_box()
    box.session().run("x = 1")
    shell = box.shell()
    shell.run("y=1")
    mine = [entry for entry in set(os.listdir("/proc")) - before if entry.isdigit()]
    assert mine
    seen = 0
    for entry in mine:
        try:
            if secret.encode() in Path("/proc", entry, "environ").read_bytes():
                pytest.fail(f"process {entry} holds the secret in its environment")
            seen += _scan_memory(entry, secret.encode())
        except OSError:
            continue
    assert seen or os.geteuid() != 0


def _scan_memory(entry: str, secret: bytes) -> int:
    spans = [line.split() for line in Path("/proc", entry, "maps").read_text().splitlines()]
    read = 0
    with open(f"/proc/{entry}/mem", "rb", buffering=0) as memory:
        for span in spans:
            low, high = (int(part, 16) for part in span[0].split("-"))
            if span[1].startswith("rw") and high - low < 1 << 28:
                try:
                    memory.seek(low)
                    blob = memory.read(high - low) or b""
                except (OSError, OverflowError):
                    continue
                read += len(blob)
                assert secret not in blob, f"the memory of process {entry} holds the secret"
    return read
