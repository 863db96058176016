"""Attacks on processes and on the kernel: no process is reached and no privilege gained."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from turnwise.sandbox.contract import Sandbox


def test_the_environment_of_others_is_not_read(attempt: Any, host: Any) -> None:
    attack = """
    import os
    for entry in pids() + [str(os.getppid()), str(W["victim"]), str(W["parent"])]:
        if entry.isdigit():
            for name in ("environ", "cmdline"):
                try:
                    text = open(f"/proc/{entry}/{name}", "rb").read()
                except OSError as problem:
                    continue
                if b"SECRET=" in text or b"pytest" in text:
                    print("ESCAPED:", entry, name)
    """
    assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_the_trainer_s_environment_is_not_inherited(
    attempt: Any, host: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack = """
    import os
    private = {"SSH_AUTH_SOCK", "HF_TOKEN", "OPENAI_API_KEY", "DOCKER_HOST", "USERSECRET"}
    if extra := set(os.environ) & private:
        print("ESCAPED:", extra)
    """
    for name in ("HF_TOKEN", "OPENAI_API_KEY", "USERSECRET", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "x")
    assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_the_parent_is_not_killed(attempt: Any, host: Any, eventually: Callable[..., bool]) -> None:
    attack = """
    import os, signal
    for victim in (W["victim"], W["parent"]):
        for number in (signal.SIGUSR1 if victim == W["parent"] else signal.SIGKILL, 0):
            try:
                # A process with the same number may exist inside; killing that one is allowed.
                if victim != os.getpid():
                    os.kill(victim, number if victim == W["victim"] else 0)
                    print("reached", victim)
            except OSError as problem:
                print(problem)
    """
    attempt(attack)
    assert host.victim.poll() is None
    host.outside(attack)
    assert eventually(lambda: host.victim.poll() is not None)


@pytest.mark.parametrize(
    "act",
    [
        "signal.pidfd_send_signal(os.pidfd_open(W['victim']), signal.SIGKILL)",
        "os.killpg(os.getpgid(W['victim']), signal.SIGKILL)",
        "_sigqueue(W['victim'])",
    ],
)
def test_other_ways_to_kill(attempt: Any, host: Any, act: str) -> None:
    attack = f"""
    import ctypes, os, signal
    def _sigqueue(pid):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.sigqueue(pid, 9, ctypes.c_void_p(0)):
            raise OSError(ctypes.get_errno(), "sigqueue")
    try:
        {act}
        print("sent")
    except OSError as problem:
        print(problem)
    """
    attempt(attack)
    assert host.victim.poll() is None


def test_killing_all_processes_reaches_none_outside(box: Sandbox, host: Any) -> None:
    """`kill -9 -1` may end what is inside, and the result must report it; nothing outside ends."""
    program = "import os, signal\nos.kill(-1, signal.SIGKILL)\nprint('TRIED')"
    result = box.run(["python3", "-c", program])
    assert result.error in ("none", "died") and host.victim.poll() is None
    with box.session() as session:
        result = session.run(program)
        assert result.error in ("none", "died", "exception"), result
    assert host.victim.poll() is None


def test_a_process_is_not_traced(attempt: Any, host: Any) -> None:
    attack = """
    import ctypes, os
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for target in (W["victim"], os.getppid(), 1):
        for request in (0x4206, 16):  # SEIZE, ATTACH
            if libc.ptrace(request, target, None, None) == 0:
                print("ESCAPED: traced", target)
                libc.ptrace(17, target, None, None)
            else:
                print(os.strerror(ctypes.get_errno()))
    """
    if _may_trace():
        assert "ESCAPED" in host.outside(attack.replace(", os.getppid(), 1)", ",)"))
    attempt(attack)


def _may_trace() -> bool:
    """Return whether an ordinary process may trace its sibling here (yama may forbid it)."""
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope") as file:
            return int(file.read()) == 0 or os.geteuid() == 0
    except OSError:
        return True


MEMORY = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
for target in {targets}:
    buffer = ctypes.create_string_buffer(64)
    local = Vector(ctypes.addressof(buffer), 64)
    try:
        start = int(open(f"/proc/{{target}}/maps").read().split("-")[0], 16)
    except (OSError, ValueError) as problem:
        start = 0x400000
        print(problem)
    remote = Vector(start, 64)
    for call in (libc.process_vm_readv, libc.process_vm_writev):
        if call(target, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0) > 0:
            print("ESCAPED: memory of", target)
        else:
            print(os.strerror(ctypes.get_errno()))
    try:
        with open(f"/proc/{{target}}/mem", "rb") as file:
            file.seek(start); file.read(64); print("ESCAPED: mem of", target)
    except OSError as problem:
        print(problem)
"""


def test_memory_of_others_is_not_read(attempt: Any, host: Any) -> None:
    if _may_trace():
        assert "ESCAPED" in host.outside(MEMORY.format(targets="(W['victim'],)"))
    attempt(MEMORY.format(targets="(W['victim'], W['parent'], 1)"))


def test_descriptors_of_others_are_not_taken(attempt: Any, host: Any) -> None:
    attack = """
    import ctypes, os
    libc = ctypes.CDLL(None, use_errno=True)
    for target in {targets}:
        try:
            pidfd = os.pidfd_open(target)
        except OSError as problem:
            print(problem)
            continue
        for number in range(3):
            if libc.syscall(438, pidfd, number, 0) >= 0:
                print("ESCAPED: took", number, "of", target)
        print(os.strerror(ctypes.get_errno()))
    """
    if _may_trace():
        assert "ESCAPED" in host.outside(attack.format(targets="(W['victim'],)"))
    attempt(attack.format(targets="(W['victim'], W['parent'], 1)"))


def test_no_inherited_descriptor_leads_out(box: Sandbox, host: Any) -> None:
    """Inheritable descriptors of the trainer are not inherited, and none leads to host files."""
    with open(f"{host.directory}/plain") as file:
        os.set_inheritable(file.fileno(), True)
        attack = """
        import os
        for entry in os.listdir("/proc/self/fd"):
            try:
                target = os.readlink(f"/proc/self/fd/{entry}")
                if W["directory"] in target or target.startswith(("/dev/pts", "/dev/tty")):
                    print("ESCAPED:", target)
                above = f"/proc/self/fd/{entry}/../../../../../etc/shadow"
                if os.path.isdir(f"/proc/self/fd/{entry}") and os.path.exists(above):
                    print("ESCAPED through", target)
            except OSError:
                pass
        """
        program = host.program(attack)
        done = subprocess.run(
            ["python3", "-c", program],
            capture_output=True,
            text=True,
            pass_fds=(file.fileno(),),
            check=False,
        )
        assert "ESCAPED" in done.stdout
        for result in (box.run(["python3", "-c", program]), box.session().run(program)):
            assert "ESCAPED" not in result.stdout and "TRIED" in result.stdout, result


CALLS = {  # name: (number on x86-64, number on arm64, arguments)
    "unshare user": (272, 97, (0x10000000,)),
    "unshare mount": (272, 97, (0x20000,)),
    "unshare net": (272, 97, (0x40000000,)),
    "setns": (308, 268, (0, 0)),
    "mount": (165, 40, (b"none", b"/tmp", b"tmpfs", 0, 0)),
    "umount": (166, 39, (b"/proc", 2)),
    "chroot": (161, 51, (b"/tmp",)),
    "pivot_root": (155, 41, (b".", b".")),
    "fsopen": (430, 430, (b"tmpfs", 0)),
    "open_tree": (428, 428, (-100, b"/", 1)),
    "io_uring_setup": (425, 425, (4, bytes(120))),
    "bpf": (321, 280, (0, bytes(64), 64)),
    "perf_event_open": (298, 241, (bytes(128), 0, -1, -1, 0)),
    "userfaultfd": (323, 282, (0,)),
    "keyctl": (250, 219, (0, -3, 1)),
    "add_key": (248, 217, (b"user", b"turnwise", b"x", 1, -3)),
    "open_by_handle_at": (304, 265, (-100, bytes(64), 0)),
    "init_module": (175, 105, (bytes(64), 64, b"")),
    "kexec_load": (246, 104, (0, 0, 0, 0)),
    "reboot": (169, 142, (0, 0, 0, 0)),
    "swapon": (167, 224, (b"none", 0)),
    "syslog": (103, 116, (3, bytes(64), 64)),
    "personality": (135, 92, (0x0040000,)),
    "quotactl": (179, 60, (0, b"/", 0, 0)),
    "acct": (163, 89, (b"none",)),
    "setuid 0": (105, 146, (0,)),
    "setgroups": (116, 159, (1, bytes(4))),
    "kcmp": (312, 272, (1, 1, 0, 0, 0)),
    "vhangup": (153, 58, ()),
}
REFUSED = {1, 13, 38}
"""EPERM, EACCES, ENOSYS: the answers of a filter. Anything else means that the kernel looked at the
request (EINVAL, for a user number that does not exist inside)."""


@pytest.mark.parametrize("name", CALLS)
def test_a_dangerous_system_call_is_refused(
    attempt: Any, box: Sandbox, host: Any, name: str
) -> None:
    refused = REFUSED | ({22} if name == "setuid 0" else set())
    attack = f"""
    import ctypes, errno, os, platform
    libc = ctypes.CDLL(None, use_errno=True)
    number = {CALLS[name][:2]!r}[platform.machine() in ("aarch64", "arm64")]
    convert = lambda a: ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_long(a)
    arguments = [convert(a) for a in {CALLS[name][2]!r}]
    answer = libc.syscall(ctypes.c_long(number), *arguments)
    if answer >= 0 or ctypes.get_errno() not in {refused!r}:
        print("ESCAPED:", answer, errno.errorcode.get(ctypes.get_errno()))
    """
    if (
        name == "chroot" and box.capabilities.fork
    ):  # allowed to interpreters (see below) but not to programs
        result = box.run(["python3", "-c", host.program(attack)])
        assert "ESCAPED" not in result.stdout and "TRIED" in result.stdout, result
        return
    attempt(attack)


def test_a_namespace_is_not_made_by_cloning(attempt: Any, host: Any) -> None:
    """`clone` and `clone3` can make namespaces too, when `unshare` is refused."""
    attack = """
    import ctypes, os, platform, struct
    libc = ctypes.CDLL(None, use_errno=True)
    def child(pid, how):
        if pid == 0:
            os._exit(0)
        if pid > 0:
            os.waitpid(pid, 0)
            print("ESCAPED:", how)
        else:
            print(os.strerror(ctypes.get_errno()))
    if platform.machine() == "x86_64":
        child(libc.syscall(56, ctypes.c_ulong(0x10000000 | 17), 0, 0, 0, 0), "clone")
    arguments = struct.pack("8Q", 0x10000000, 0, 0, 0, 17, 0, 0, 0)
    child(libc.syscall(435, arguments, 64), "clone3")
    """
    attempt(attack)


def test_x32_calls_do_not_bypass_the_filter(attempt: Any, host: Any) -> None:
    """x32 numbers name the same calls again on x86-64."""
    attack = """
    import ctypes, os, platform
    libc = ctypes.CDLL(None, use_errno=True)
    if platform.machine() == "x86_64":
        pid = os.fork()
        if pid == 0:
            answer = libc.syscall(ctypes.c_long(0x40000000 | 272), ctypes.c_long(0x10000000))
            os._exit(0 if answer == 0 else 1)
        if os.waitpid(pid, 0)[1] == 0:
            print("ESCAPED")
    """
    attempt(attack)


def test_kernel_settings_cannot_be_opened_for_writing(attempt: Any, host: Any) -> None:
    """Opened only, never written: writing to core_pattern or sysrq would take over the host."""
    attack = """
    import os
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
                 "/proc/sys/kernel/modprobe", "/proc/sys/vm/overcommit_memory",
                 "/sys/kernel/uevent_helper", "/sys/fs/cgroup/release_agent",
                 "/sys/fs/cgroup/memory/release_agent",
                 "/proc/irq/default_smp_affinity", "/proc/kcore", "/proc/1/mem", "/dev/mem"):
        try:
            os.close(os.open(path, os.O_WRONLY))
            print("ESCAPED:", path)
        except OSError as problem:
            print(problem)
    """
    if os.geteuid() == 0:
        assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_control_groups_are_not_changed(attempt: Any, host: Any) -> None:
    attack = """
    import glob, os
    names = ("cgroup.procs", "memory.max", "release_agent")
    found = [glob.glob("/sys/fs/cgroup/**/" + name, recursive=True) for name in names]
    for path in sum(found, []):
        try:
            os.close(os.open(path, os.O_WRONLY)); print("ESCAPED:", path)
        except OSError as problem:
            pass
    """
    if os.geteuid() == 0:
        assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_nothing_inside_is_the_host_s_root(attempt: Any, box: Sandbox, host: Any) -> None:
    """The user inside is not root of the host and holds no capability there."""
    attack = """
    import os
    me = open("/proc/self/status").read()
    fields = dict(line.split(":\\t", 1) for line in me.splitlines() if ":\\t" in line)
    if "0" in fields["Uid"].split():
        print("ESCAPED: root of its own namespace")
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        if int(fields[name], 16) & ~W["allowed"]:
            print("ESCAPED:", name, fields[name])
    if fields["NoNewPrivs"].strip() != "1":
        print("ESCAPED: new privileges can be got")
    if fields["Seccomp"].strip() != "2":
        print("ESCAPED: no filter of system calls")
    if "Groups" in fields and "0" in fields["Groups"].split():
        print("ESCAPED: group 0", fields["Groups"])
    """
    host.facts["allowed"] = 0
    if os.geteuid() == 0:
        assert "ESCAPED" in host.outside(attack)
    result = box.run(["python3", "-c", host.program(attack)])
    assert "ESCAPED" not in result.stdout and "TRIED" in result.stdout, result
    # A forkable interpreter keeps one capability, to enter its copy of the root; the next
    # two tests are about it.
    host.facts["allowed"] = 1 << 18 if box.capabilities.fork else 0
    attempt(attack)


BREAK = """
import os
place = os.getcwd() + "/x"
os.makedirs(place, exist_ok=True)
try:
    outer = os.open("/", os.O_RDONLY)
    os.chroot(place)
    os.fchdir(outer)
    for _ in range(20):
        os.chdir("..")
    os.chroot(".")
except OSError as problem:
    print(problem)
"""


def test_chroot_does_not_lead_to_the_host(attempt: Any, host: Any) -> None:
    attack = f"""
{BREAK}
# Not /home or /root: a Python may lie below them, and is shown.
for place in (W["directory"], "/boot", "/var"):
    try:
        print("ESCAPED:", place, os.listdir(place))
    except OSError as problem:
        print(problem)
"""
    attempt(attack)


def test_commands_do_not_reach_the_files_of_forks(open_box: Any, host: Any) -> None:
    """A forked interpreter can: it shares what it opened or mapped before (docs/sandbox.md)."""
    box = open_box()
    if not box.capabilities.fork:
        pytest.skip("no forks")
    session = box.session()
    session.run("x = 1")
    with box.fork() as copy:
        copy.write("mine", "untouched")
        attack = f"""
{BREAK}
for above, _, names in os.walk("/b"):
    for name in names:
        if name == "mine":
            open(os.path.join(above, name), "w").write("taken")
"""
        with copy.fork() as another:
            for each in (box, another):
                assert "TRIED" in each.run(["python3", "-c", host.program(attack)], 20.0).stdout
        assert copy.read("mine") == b"untouched"


def test_no_process_is_the_host_s_root_seen_from_outside(
    box: Sandbox, host: Any, eventually: Callable[..., bool]
) -> None:
    box.session().run(
        f"import subprocess; subprocess.Popen([{host.nonce!r}, '300'], executable='/bin/sleep')"
    )
    box.shell().run(f"(exec -a {host.nonce} sleep 300 &)")
    assert eventually(lambda: len(host.survivors()) == 2)
    for line in host.survivors():
        status = Path("/proc", line.split()[0], "status").read_text()
        users = next(text for text in status.splitlines() if text.startswith("Uid:")).split()[1:]
        assert len(users) == 4 and "0" not in users, status


def test_set_user_id_programs_gain_nothing(attempt: Any, host: Any) -> None:
    attack = """
    if "NoNewPrivs:\\t1" not in open("/proc/self/status").read():
        print("ESCAPED")
    """
    assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_the_terminal_is_not_typed_into(attempt: Any, host: Any) -> None:
    attack = """
    import fcntl, os, termios
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
        fcntl.ioctl(terminal, termios.TIOCSTI, b" ")
        print("ESCAPED")
    except OSError as problem:
        print(problem)
    """
    attempt(attack)


def test_shared_memory_and_queues_of_the_host_are_not_seen(attempt: Any, host: Any) -> None:
    """System V memory is machine-wide unless a namespace or the filter prevents it."""
    attack = """
    import ctypes, os
    libc = ctypes.CDLL(None, use_errno=True)
    found = libc.shmget({key}, 4096, 0)
    if found >= 0:
        print("ESCAPED")
    else:
        print(os.strerror(ctypes.get_errno()))
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    key = int(host.nonce[-6:], 16) + 1
    made = libc.shmget(key, 4096, 0o1666)
    assert made >= 0, os.strerror(ctypes.get_errno())
    try:
        attack = attack.replace("{key}", str(key))
        assert "ESCAPED" in host.outside(attack)
        attempt(attack)
    finally:
        libc.shmctl(made, 0, None)
