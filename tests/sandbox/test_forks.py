"""A fork begins with its origin's files and interpreters and is independent of it afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from turnwise.sandbox import Limits, Sandbox, SandboxError, Spec, open_sandbox
from turnwise.sandbox.probe import reason

pytestmark = pytest.mark.skipif(bool(reason("jail")), reason=f"no jail here: {reason('jail')}")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with open_sandbox(Spec(limits=Limits(seconds=60, processes=8, disk_mb=8)), "jail") as sandbox:
        yield sandbox


def test_a_fork_is_equal_to_running_the_same_cells_again(box: Sandbox) -> None:
    cells = [
        "import random; x = [random.random()]",
        "open('f', 'w').write(str(x))",
        "x.append(random.random())",
        "print(x, open('f').read())",
    ]
    session = box.session()
    for cell in cells[:2]:
        session.run(cell)
    with box.fork() as child, open_sandbox(box.spec, "jail") as again:
        replayed = again.session()
        for cell in cells[:2]:
            replayed.run(cell)
        ends = [
            [one.run(cell).stdout for cell in cells[2:]]
            for one in (session, child.sessions[0], replayed)
        ]
    assert ends[0] == ends[1] == ends[2]


def test_files_of_a_fork_are_its_own_by_every_path(box: Sandbox) -> None:
    session = box.session()
    session.run(
        "import os; os.makedirs('d'); os.chdir('d'); open('f', 'w').write('old'); "
        "open('/tmp/t', 'w').write('old')"
    )
    with box.fork() as child:
        copy = child.sessions[0]
        assert copy.run("print(os.getcwd(), open('f').read())").stdout == "/work/d old\n"
        copy.run(
            "open('f', 'w').write('new'); open('/work/d/g', 'w').write('new'); "
            "open('/tmp/t', 'w').write('new')"
        )
        assert (
            session.run(
                "print(open('/work/d/f').read(), os.listdir(), open('/tmp/t').read())"
            ).stdout
            == "old ['f'] old\n"
        )
        session.run("open('f', 'w').write('own'); open('h', 'w')")
        assert (
            copy.run(
                "print(open('/work/d/f').read(), sorted(os.listdir()), open('/tmp/t').read())"
            ).stdout
            == "new ['f', 'g'] new\n"
        )
        assert child.read("d/f") == b"new" and box.read("d/f") == b"own"
        assert child.run("cat d/f").stdout == "new"


def test_interpreters_of_a_fork_start_programs_in_its_files(box: Sandbox) -> None:
    session = box.session()
    session.run("import subprocess")
    box.write("f", "old")
    with box.fork() as child:
        child.write("f", "new")
        run = "print(subprocess.run(['cat', '/work/f'], capture_output=True, text=True).stdout)"
        assert child.sessions[0].run(run).stdout == "new\n" and session.run(run).stdout == "old\n"


def test_a_fork_and_its_origin_end_independently(box: Sandbox) -> None:
    session = box.session()
    session.run("x = 1")
    with box.fork() as first, box.fork() as second:
        assert first.sessions[0].run("import os; os._exit(1)").error == "died"
        assert second.sessions[0].run("while True: pass", timeout=0.5).error == "timeout"
        assert session.run("print(x)").stdout == "1\n"
        box.close()
        assert first.run("echo on").stdout == "on\n" and second.run("echo on").stdout == "on\n"
        with pytest.raises(SandboxError):
            box.fork()


def test_every_session_is_copied_in_order_and_the_dead_are_not(box: Sandbox) -> None:
    sessions = [box.session() for _ in range(3)]
    for number, session in enumerate(sessions):
        session.run(f"x = {number}")
    sessions[1].run("import os; os._exit(0)")
    with box.fork() as child:
        assert [copy.run("print(x)").stdout for copy in child.sessions] == ["0\n", "2\n"]


def test_forks_of_forks_and_many_of_them(box: Sandbox) -> None:
    box.session().run("x = 0")
    line = box.fork()
    for _ in range(40):  # deeper than namespaces may be nested
        deeper = line.fork()
        line.close()
        line = deeper
        assert line.sessions[0].run("x += 1").ok
    assert line.sessions[0].run("print(x)").stdout == "40\n"
    wide = [line.fork() for _ in range(24)]
    assert [one.sessions[0].run("x += 1; print(x)").stdout for one in wide] == ["41\n"] * 24
    assert all(
        one.run("(sleep 0.1 & sleep 0.1 & wait); echo on").stdout == "on\n" for one in wide[:3]
    ), "each has its processes"
    for one in (*wide, line):
        one.close()


def test_a_snapshot_stays_as_it_was(box: Sandbox) -> None:
    session = box.session()
    session.run("x = [1]")
    box.write("f", "1")
    snapshot = box.snapshot()
    session.run("x.append(2)")
    box.write("f", "2")
    for _ in range(3):
        with snapshot.open() as opened:
            assert (
                opened.sessions[0].run("x.append(3); print(x)").stdout == "[1, 3]\n"
                and opened.read("f") == b"1"
            )
            opened.write("f", "3")
    snapshot.close()
    snapshot.close()
    assert session.run("print(x)").stdout == "[1, 2]\n"


def test_threads_are_not_copied(box: Sandbox) -> None:
    session = box.session()
    session.run(
        "import threading\nstop = threading.Event()\nthreading.Thread(target=stop.wait).start()"
    )
    with box.fork() as child:
        assert child.sessions[0].run("print(threading.active_count())").stdout == "1\n"
        assert session.run("print(threading.active_count()); stop.set()").stdout == "2\n"


@pytest.mark.parametrize(
    "patch",
    [
        "os.fork = lambda: 1 / 0",
        "os.fork = lambda: time.sleep(99)",
        "os.fchdir = os.chroot = lambda _: None",
    ],
)
def test_an_interpreter_that_refuses_to_fork_harms_no_other(box: Sandbox, patch: str) -> None:
    session = box.session()
    session.run(f"import os, time; {patch}")
    other = box.session()
    try:
        with box.fork() as child:
            child.run("true")
    except SandboxError as problem:
        assert "cannot be forked" in str(problem)
    assert other.run("print(1)").stdout == "1\n"
    assert box.run("echo on").stdout == "on\n"


def test_a_session_that_just_began_outlives_the_end_of_another(box: Sandbox) -> None:
    for _ in range(20):  # the new interpreter has not run a line of its own yet
        session = box.session()
        session.run("import os")
        other = box.session()
        session.close()
        assert other.run("print(1)").stdout == "1\n"
        other.close()


def test_a_fork_that_fails_leaves_the_origin_running(box: Sandbox) -> None:
    session = box.session()
    session.run("import os\nfor i in range(1200):\n    os.mkdir('d'); os.chdir('d')")
    with pytest.raises(SandboxError, match="cannot be forked"):
        box.fork()
    assert session.run("print(1)").stdout == "1\n"
