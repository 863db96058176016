"""What is peculiar to the jail; the attacks and the conformance checks cover every backend."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.sandbox.waiting import until
from turnwise.sandbox import Limits, Sandbox, SandboxError, Spec, open_sandbox
from turnwise.sandbox.cgroup import PREFIX, ROOT
from turnwise.sandbox.jail import ZygoteClient, cgroup_limits, layout, sites, zygote_for
from turnwise.sandbox.jail import open_sandbox as open_jail
from turnwise.sandbox.probe import reason

pytestmark = pytest.mark.skipif(bool(reason("jail")), reason=f"no jail here: {reason('jail')}")

REPOSITORY = Path(__file__).resolve().parents[2]
LIMITS = Limits(seconds=60, memory_mb=128, processes=16, disk_mb=16)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with open_sandbox(Spec(limits=LIMITS), "jail") as sandbox:
        yield sandbox


def said(sandbox: Sandbox, code: str) -> str:
    result = (sandbox.sessions or (sandbox.session(),))[0].run(textwrap.dedent(code))
    assert result.error == "none", result
    return result.stdout


# The inside of a jail.


def test_nothing_in_it_is_root_of_the_host(box: Sandbox) -> None:
    box.session()
    jailed = [pid for pid in descendants(os.getpid()) if pid_level(pid) > pid_level(os.getpid())]
    assert len(jailed) >= 2, "process 1 and the session are seen from outside"
    users = {
        number
        for pid in jailed
        for line in status(pid)
        if line.startswith("Uid:")
        for number in line.split()[1:]
    }
    assert users and "0" not in users


def status(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return []


def pid_level(pid: int) -> int:
    return len(next((line.split()[1:] for line in status(pid) if line.startswith("NSpid:")), []))


def descendants(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in path.read_text().split():
            found += [int(child), *descendants(int(child))]
    return found


def test_commands_have_no_capability_and_sessions_only_that_of_changing_root(box: Sandbox) -> None:
    seen = box.run(
        "cd /proc/self; grep -E 'Cap(Prm|Eff|Bnd|Amb)' status; grep -E 'NoNewPrivs|Seccomp:' status"
    ).stdout.split()
    assert seen[1:8:2] == ["0" * 16] * 4
    assert seen[9] == "1" and seen[11] == "2"
    effective = said(
        box, "print([l.split()[1] for l in open('/proc/self/status') if l.startswith('CapEff')][0])"
    )
    assert int(effective, 16) == 1 << 18


def test_a_session_cannot_leave_the_jail_by_its_capability(box: Sandbox) -> None:
    code = """
        import os
        os.mkdir('below')
        above = os.open('/', os.O_RDONLY)
        os.chroot('below')
        os.fchdir(above)
        for _ in range(20): os.chdir('..')
        os.chroot('.')
        print(sorted(os.listdir('/')))
    """
    names = set(said(box, code).strip("[]\n").replace("'", "").split(", "))
    assert names <= {"b", "base", "dev", "lower", "proc"}


def test_only_the_given_files_are_visible(box: Sandbox) -> None:
    top = set(box.run("ls /").stdout.split())
    prefix = {Path(path).parts[1] for path in layout(Spec())[0]}
    system = {"bin", "dev", "etc", "lib", "lib32", "lib64", "proc", "sbin", "tmp", "usr", "work"}
    assert top <= system | prefix
    assert box.run("cat /etc/shadow").exit_code == 1
    assert box.run("hostname; echo $HOME; whoami; pwd").stdout == "sandbox\n/work\nagent\n/work\n"
    devices = "fd full null random shm stderr stdin stdout urandom zero"
    assert box.run("ls /dev").stdout.split() == devices.split()


def test_devices_work(box: Sandbox) -> None:
    result = box.run(
        "echo x > /dev/null && head -c 3 /dev/zero | wc -c && head -c 3 /dev/urandom | wc -c"
    )
    assert result.stdout.split() == ["3", "3"]


@pytest.mark.parametrize(
    "path", ["/x", "/usr/x", "/etc/x", "/dev/x", "/proc/sys/kernel/core_pattern", "/opt/x"]
)
def test_nothing_else_is_writable(box: Sandbox, path: str) -> None:
    assert not box.run(f"echo x > {path}").ok


def test_the_first_process_cannot_be_read_or_killed(box: Sandbox) -> None:
    for act in (
        "cat /proc/1/environ",
        "ls /proc/1/fd",
        "head -c 1 /proc/1/mem",
        "ls /proc/1/root",
        "readlink /proc/1/ns/mnt",
    ):
        assert not box.run(act).ok, act
    box.run("kill -9 1; kill -STOP 1; kill -TERM 1; kill -INT 1")
    assert box.run("echo on").stdout == "on\n"


def test_packages_are_found_by_sessions_and_by_programs() -> None:
    with open_sandbox(Spec(limits=LIMITS, preload=("numpy",)), "jail") as sandbox:
        assert (
            said(sandbox, "import sys, numpy; print('numpy' in sys.modules, numpy.arange(3).sum())")
            == "True 3\n"
        )
        assert (
            sandbox.run(
                ["python3", "-c", "import numpy; print(numpy.arange(3).sum())"], timeout=60
            ).stdout
            == "3\n"
        )
    assert sites()


def test_an_absent_module_is_an_error() -> None:
    with pytest.raises(SandboxError, match="no_such_module"):
        open_sandbox(Spec(preload=("no_such_module",)), "jail")


def test_a_tree_below_a_closed_directory_is_shown(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    (closed / "library").mkdir(parents=True)
    (closed / "library" / "module.py").write_text("VALUE = 5\n")
    closed.chmod(0o700)
    with open_sandbox(
        Spec(limits=LIMITS, readonly={"/opt/given": str(closed / "library")}), "jail"
    ) as sandbox:
        assert (
            said(
                sandbox,
                "import sys; sys.path.append('/opt/given'); import module; print(module.VALUE)",
            )
            == "5\n"
        )
        assert not sandbox.run("touch /opt/given/x").ok
    with pytest.raises(SandboxError, match="does not exist"):
        open_sandbox(Spec(readonly={"/opt/given": str(tmp_path / "absent")}), "jail")


# The zygote.


def test_the_zygote_holds_nothing_of_the_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNWISE_CANARY", "canary-in-the-environment")
    secret = "canary-in-" + "memory" * 3
    source = ZygoteClient(Spec())
    try:
        pid = source._process.pid
        assert b"canary" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert b"turnwise" not in b"".join(
            Path(f"/proc/{pid}/environ").read_bytes().split(b"=")[:1]
        )
        assert len(os.listdir(f"/proc/{pid}/fd")) <= 8
        assert secret.encode() not in memory_of(pid)
    finally:
        source.stop()


def memory_of(pid: int) -> bytes:
    """Return all the writable memory of a process, where a copied secret would be."""
    data = b""
    with open(f"/proc/{pid}/mem", "rb") as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            where, flags = line.split()[:2]
            if flags.startswith("rw"):
                start, end = (int(part, 16) for part in where.split("-"))
                memory.seek(start)
                data += memory.read(min(end - start, 1 << 26))
    return data


def test_a_zygote_that_was_killed_is_replaced(box: Sandbox) -> None:
    first = zygote_for(Spec())
    session = box.session()
    first.stop()
    assert session.run("print(1)", timeout=60).error == "died"
    with open_sandbox(Spec(limits=LIMITS), "jail") as another:
        assert said(another, "print(2)") == "2\n"


def test_every_session_begins_alike(box: Sandbox) -> None:
    code = "import random; print(random.random(), hash('text'), {'a', 'b', 'c', 'd'})"
    with open_sandbox(Spec(limits=LIMITS), "jail") as another:
        assert said(box, code) == said(another, code)


# The end of a jail.

TRAINER = """
import sys, time
from turnwise.sandbox import Spec, Limits, open_sandbox
box = open_sandbox(Spec(limits=Limits(processes=16)), "jail")
session = box.session()
session.run("import subprocess; p = subprocess.Popen(['sleep', '987'], start_new_session=True)")
print("ready", flush=True)
time.sleep(600)
"""


def test_nothing_survives_a_trainer_that_was_killed() -> None:
    trainer = subprocess.Popen(
        [sys.executable, "-c", TRAINER],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert trainer.stdout is not None and trainer.stdout.readline() == b"ready\n"
    inside = descendants(trainer.pid)
    assert len(inside) >= 4, "the zygote, process 1, the session and its program"
    trainer.send_signal(signal.SIGKILL)
    trainer.wait()
    trainer.stdout.close()
    assert until(lambda: not any(alive(pid) for pid in inside), 60.0)


def alive(pid: int) -> bool:
    return any(line.startswith("State:") and line.split()[1] not in "ZX" for line in status(pid))


def test_closing_leaves_no_process_and_no_descriptor(box: Sandbox) -> None:
    before, open_files = set(descendants(os.getpid())), len(os.listdir("/proc/self/fd"))
    level = pid_level(os.getpid())
    with open_sandbox(Spec(limits=LIMITS), "jail") as another:
        another.session().run(
            "import subprocess; subprocess.Popen(['sleep', '100'], start_new_session=True)"
        )
        with another.fork():
            pass
        # The process that the zygote keeps ready for the next jail is in no namespace of its own.
        new = {pid for pid in set(descendants(os.getpid())) - before if pid_level(pid) > level}
        assert len(new) >= 3
    assert until(lambda: not any(alive(pid) for pid in new))
    assert until(lambda: len(os.listdir("/proc/self/fd")) == open_files)


def test_many_at_once_are_independent() -> None:
    said_by: list[str] = []

    def one(number: int) -> None:
        with open_sandbox(Spec(limits=LIMITS), "jail") as sandbox:
            session = sandbox.session()
            session.run(f"open('mine', 'w').write('{number}')")
            said_by.append(
                session.run("import os; print(open('mine').read(), os.listdir('.'))").stdout
            )

    threads = [threading.Thread(target=one, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said_by) == sorted(f"{number} ['mine']\n" for number in range(64))


def test_the_limits_of_a_jail_grow_with_its_forks() -> None:
    one, three = cgroup_limits(Spec(limits=LIMITS), 1), cgroup_limits(Spec(limits=LIMITS), 3)
    assert three[0] - one[0] == 2 * (128 + 16) and three[1] - one[1] == 2 * 16


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_an_ordinary_user_has_a_jail_too() -> None:
    python = "/usr/bin/python3"
    if not os.access(python, os.X_OK):
        pytest.skip("no Python that other users may run")
    code = f'''
import sys; sys.path[:0] = [{str(REPOSITORY)!r}]; sys.path += {sites()!r}
from turnwise.sandbox import Spec, Limits, open_sandbox
with open_sandbox(Spec(limits=Limits(memory_mb=64)), "jail") as box:
    print(box.session().run("print(6 * 7)").stdout.strip(), box.run("id -u").stdout.strip())
    hungry = """
import os, time
for _ in range(8):
    if not os.fork():
        x = bytearray(30 << 20)
        break
time.sleep(300)
"""
    print(box.session().run(hungry, timeout=100).error)
'''
    done = subprocess.run(
        [python, "-c", code],
        user=65534,
        group=65534,
        extra_groups=[],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=300,
        env={},
    )
    if "ModuleNotFoundError" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip("the repository cannot be read by other users")
    assert done.stdout.split() == ["42", "1000", "memory"], done.stderr


def test_the_module_opens_a_jail(box: Sandbox) -> None:
    with open_jail(Spec(limits=LIMITS)) as another:
        assert another.backend == box.backend == "jail"
        assert another.capabilities.fork and another.capabilities.disk_quota


def test_jails_made_in_a_burst_leave_no_cgroups() -> None:
    def groups() -> set[Path]:
        return {
            path
            for kind in ("memory", "pids", ".")
            for path in Path(ROOT, kind).glob(f"{PREFIX}{os.getpid()}-*")
        }

    before = groups()  # environments of other tests may keep sandboxes of this process open
    with ThreadPoolExecutor(6) as pool:
        boxes = list(pool.map(lambda _: open_sandbox(Spec(), backend="jail"), range(12)))
    for box in boxes:
        box.close()
    assert until(lambda: groups() <= before)
