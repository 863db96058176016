"""Attacks on lifetimes: everything ends with its sandbox, however it hides and the sandbox ends."""

from __future__ import annotations

import gc
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from turnwise.sandbox import janitor, open_sandbox
from turnwise.sandbox.contract import Limits, Sandbox, SandboxError, Spec
from turnwise.sandbox.testing import returns

DAEMON = """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (1, 2, 15):
            signal.signal(number, signal.SIG_IGN)
        for number in {closed}:
            os.close(number)
        os.execv("/bin/sleep", [{nonce!r}, "300"])
    os._exit(0)
os.wait()
print("STARTED", flush=True)
{then}
"""


@pytest.mark.parametrize("closed", ["()", "(0, 1, 2)"])
def test_a_daemon_ends_with_its_program(
    box: Sandbox, host: Any, eventually: Callable[..., bool], closed: str
) -> None:
    """`run` waits for everything a program started, even what left its session and its output."""
    result = box.run(
        ["python3", "-c", DAEMON.format(nonce=host.nonce, closed=closed, then="")], 30.0
    )
    assert "STARTED" in result.stdout and result.error in ("none", "timeout"), result
    assert host.survivors() == []


def test_a_daemon_of_a_session_ends_with_it(
    box: Sandbox, host: Any, eventually: Callable[..., bool]
) -> None:
    session = box.session()
    result = session.run(DAEMON.format(nonce=host.nonce, closed="()", then=""), 30.0)
    assert "STARTED" in result.stdout, result
    assert eventually(lambda: len(host.survivors()) == 1)
    session.close()
    assert eventually(lambda: not host.survivors())


def test_a_daemon_ends_when_its_program_is_killed(
    box: Sandbox, host: Any, eventually: Callable[..., bool]
) -> None:
    program = DAEMON.format(nonce=host.nonce, closed="()", then="while True: pass")
    for seconds in (3.0, 15.0, 60.0):  # on a busy machine it may not have got far in the first
        result = box.run(["python3", "-c", program], seconds)
        assert result.error == "timeout", result
        if "STARTED" in result.stdout:
            break
    assert "STARTED" in result.stdout
    assert eventually(lambda: not host.survivors())


def test_a_daemon_ends_when_the_sandbox_closes(
    box: Sandbox, host: Any, eventually: Callable[..., bool]
) -> None:
    shell = box.shell()
    assert (
        shell.run(f"(setsid bash -c 'exec -a {host.nonce} sleep 300' >/dev/null 2>&1 &)").exit_code
        == 0
    )
    assert eventually(lambda: len(host.survivors()) == 1)
    box.close()
    assert eventually(lambda: not host.survivors())


def test_a_child_that_holds_the_output_does_not_hang_the_call(box: Sandbox, host: Any) -> None:
    """The classic deadlock of readers that wait for the end of a pipe."""
    sleeper = f"bash -c 'exec -a {host.nonce} sleep 900' & echo done"
    result = returns(lambda: box.run(sleeper, 20.0))
    assert "done" in result.stdout
    assert host.survivors() == []
    with box.session() as session:
        program = f"""
import subprocess
p = subprocess.Popen([{host.nonce!r}, "300"], executable="/bin/sleep")
print("done")
"""
        result = session.run(program, 60.0)
        assert result.error == "none" and result.stdout == "done\n"


ENDINGS = {
    "os._exit": ("import os; os._exit(0)", "died"),
    "signal": ("import os; os.kill(os.getpid(), 9)", "died"),
    "segmentation fault": ("import ctypes; ctypes.string_at(0)", "died"),
    "abort": ("import os; os.abort()", "died"),
    "exec": ("import os; os.execv('/bin/true', ['true'])", "died"),
    "closes every descriptor": ("import os; os.closerange(0, 1000)", "died"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_an_interpreter_that_ends_itself_has_died(box: Sandbox, name: str) -> None:
    code, error = ENDINGS[name]
    with box.session() as session:
        result = session.run(code, 30.0)
        assert result.error == error, result
        assert not session.alive
        assert session.run("print(1)").error == "died"
    assert box.session().run("print(1)").stdout == "1\n"


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(3)",
        "exit()",
        "raise SystemExit",
        "raise KeyboardInterrupt",
        "raise BaseException('x')",
        "1 / 0",
        "def",
    ],
)
def test_an_interpreter_survives_exceptions(box: Sandbox, code: str) -> None:
    with box.session() as session:
        assert session.run("kept = 41").ok
        session.run(code)
        assert session.run("print(kept + 1)").stdout == "42\n"


def test_closing_the_output_is_harmless(box: Sandbox) -> None:
    with box.session() as session:
        result = session.run("import os; os.close(1); os.close(2); os.close(0)", 30.0)
        assert result.error in ("none", "died"), result
        later = session.run("x = 1", 30.0)
        assert later.error in ("none", "died")


def test_closing_twice_and_using_afterwards(box: Sandbox) -> None:
    session, shell = box.session(), box.shell()
    for _ in range(2):
        session.close()
        shell.close()
        box.close()
    assert session.run("1").error == "died"
    for use in (
        lambda: box.write("f", "x"),
        lambda: box.read("f"),
        box.files,
        box.session,
        box.shell,
        lambda: box.run("true"),
    ):
        try:
            result = use()
        except SandboxError:
            continue
        assert getattr(result, "error", "") in ("died", "infrastructure"), result


TRAINER = """
import os, sys, time
from turnwise.sandbox import janitor, open_sandbox
from turnwise.sandbox.contract import Limits, Spec
box = open_sandbox(Spec(limits=Limits(seconds=100)), backend={backend!r})
session = box.session()
session.run('''
import subprocess
p = subprocess.Popen([{nonce!r}, "300"], executable="/bin/sleep", start_new_session=True)
''')
shell = box.shell()
shell.run("(setsid bash -c 'exec -a {nonce} sleep 300' >/dev/null 2>&1 &)")
print("UP", flush=True)
box.run("exec -a {nonce} sleep 300")
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_trainer_leaves_nothing(
    backend: str, host: Any, eventually: Callable[..., bool], how: int
) -> None:
    """The kernel cleans up after a killed trainer; what it leaves, the next start removes."""
    program = textwrap.dedent(TRAINER).format(backend=backend, nonce=host.nonce)
    trainer = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True
    )
    assert trainer.stdout is not None
    assert trainer.stdout.readline() == b"UP\n"
    assert eventually(lambda: len(host.survivors()) >= 2)
    trainer.send_signal(how)
    trainer.wait()
    trainer.stdout.close()
    if not eventually(lambda: not [line for line in host.survivors() if "-c" not in line], 3.0):
        open_sandbox(Spec(), backend=backend).close()  # lets the janitor sweep
    assert eventually(lambda: not host.survivors())


def test_many_at_once(backend: str, host: Any) -> None:
    """Sixty-four starts at the same time: all answer, each with its own file."""
    count = 64 if backend != "docker" else 12
    answers: list[str] = [""] * count
    limits = Limits(seconds=60.0, memory_mb=128, processes=8, disk_mb=4)

    def work(number: int) -> None:
        try:
            with open_sandbox(Spec(limits=limits), backend=backend) as box:
                box.write("mine", str(number))
                with box.session() as session:
                    answers[number] = session.run("print(open('mine').read())").stdout.strip()
        except Exception as problem:
            answers[number] = repr(problem)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert answers == [str(number) for number in range(count)]


def tree(box) -> str:
    """Return a digest of everything in the workspace."""
    digest = hashlib.sha256()
    for path in box.files():
        digest.update(path.encode() + b"\0" + box.read(path) + b"\0")
    return digest.hexdigest()


def test_a_new_sandbox_is_as_fresh_as_the_first(open_box: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_text("given")
    first = open_box(workspace=str(tmp_path))
    before = tree(first)
    assert first.files() == ["a/f"] and first.read("a/f") == b"given"
    first.run("echo spoilt > a/f; echo more > new; mkdir -p /tmp/x && echo left > /tmp/x/y")
    assert tree(first) != before
    second = open_box(workspace=str(tmp_path))
    assert tree(second) == before
    assert second.run("cat /tmp/x/y").exit_code != 0
    assert (tmp_path / "a" / "f").read_text() == "given" and not (tmp_path / "new").exists()


def test_sandboxes_do_not_reach_each_other(open_box: Any, host: Any) -> None:
    one, two = open_box(), open_box()
    session = one.session()
    session.run(
        f"import tempfile\nsecret = {host.secret!r}\n"
        "for d in ('.', tempfile.gettempdir()): open(d + '/s', 'w').write(secret)"
    )
    attack = f"""
import glob, os
above = os.path.dirname(os.getcwd()).rstrip("/") or "/work"
patterns = ("/tmp/*", "./*", above + "/*/*", "/work/*", "/dev/shm/*")
paths = [path for pattern in patterns for path in glob.glob(pattern)]
for path in paths + [f"/proc/{{p}}/environ" for p in pids()]:
    try:
        if {host.secret[:14]!r} in open(path, errors="replace").read(4096):
            print("ESCAPED", path)
    except OSError:
        pass
for pid in [int(p) for p in pids() if int(p) > 1]:
    try:
        if {host.nonce!r} in open(f"/proc/{{pid}}/cmdline").read():
            os.kill(pid, 9)
            print("ESCAPED: killed", pid)
    except OSError:
        pass
"""
    one.shell().run(f"(bash -c 'exec -a {host.nonce} sleep 300' &)")
    result = two.session().run(host.program(attack))
    assert "TRIED" in result.stdout and "ESCAPED" not in result.stdout, result
    assert session.run("print(len(secret))").ok


def test_forks_of_one_snapshot_are_independent(open_box: Any) -> None:
    box = open_box()
    if not box.capabilities.fork:
        box.session()
        with pytest.raises(SandboxError, match=r"fork|copy"):
            box.fork()
        return
    box.write("shared", "origin")
    with closing(box.snapshot()) as kept:
        box.write("shared", "changed")
        children = [kept.open() for _ in range(2)]
        try:
            for number, child in enumerate(children):
                assert child.read("shared") == b"origin"
                child.write("shared", str(number))
                child.run(f"echo {number} > own{number}")
            assert [child.read("shared") for child in children] == [b"0", b"1"]
            assert [child.files() for child in children] == [["own0", "shared"], ["own1", "shared"]]
            assert box.read("shared") == b"changed" and box.files() == ["shared"]
            grandchild = children[0].fork()
            children[0].close()
            assert grandchild.read("shared") == b"0" and grandchild.run("cat own0").stdout == "0\n"
            grandchild.close()
        finally:
            for child in children:
                child.close()


def test_nothing_is_left_on_the_host(
    backend: str, host: Any, eventually: Callable[..., bool]
) -> None:
    """No descriptor, thread, mount or directory of ten sandboxes outlasts them."""

    def state() -> tuple[int, int, int, int]:
        if backend == "docker":  # its SDK keeps idle connections open
            from turnwise.sandbox.containers import client

            client().api.close()
        gc.collect()
        return (
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
            sum("docker" not in line for line in open("/proc/self/mounts")),
            sum(janitor.tag() in name for name in os.listdir(tempfile.gettempdir())),
        )

    def use() -> None:
        with open_sandbox(Spec(limits=Limits(memory_mb=128)), backend=backend) as box:
            box.session().run(
                "import tempfile; open('f', 'w').write('x'); "
                "open(tempfile.gettempdir() + '/f', 'w').write('x')"
            )
            box.run("echo x > g")

    use()  # starts what a backend keeps for all of its sandboxes
    before = state()
    for _ in range(10 if backend != "docker" else 4):
        use()
    settled = eventually(
        lambda: all(late <= early for late, early in zip(state(), before, strict=True))
    )
    assert settled, (before, state())
