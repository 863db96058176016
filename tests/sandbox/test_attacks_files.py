"""Attacks on files: reading and writing files of the host, and filling its disk."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from turnwise.sandbox.contract import Limits, Sandbox, SandboxError

READ = """
import glob, os
for path in {paths}:
    try:
        if {sign} in open(path, errors="replace").read(4096):
            print("ESCAPED: read", path)
    except OSError as problem:
        print(problem)
"""

WRITE_FILES = """
import os
for path in {paths}:
    try:
        with open(path, "w") as file:
            file.write("overwritten by an attack")
        print("wrote", path)
    except OSError as problem:
        print(problem)
"""


def test_the_host_s_files_cannot_be_read(attempt: Any, host: Any) -> None:
    attack = READ.format(
        paths="[W['directory'] + '/plain', W['directory'] + '/.ssh/id_ed25519']", sign="'secret'"
    )
    assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_the_host_s_files_cannot_be_listed(attempt: Any, host: Any) -> None:
    attack = """
    import os
    try:
        if "plain" in os.listdir(W["directory"]):
            print("ESCAPED")
    except OSError as problem:
        print(problem)
    """
    assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_passwords_cannot_be_read(attempt: Any, host: Any) -> None:
    attack = READ.format(
        paths="['/etc/shadow', '/etc/gshadow', '/proc/1/root/etc/shadow',"
        " '/proc/self/root/etc/shadow']",
        sign="'root:'",
    )
    if os.geteuid() == 0:
        assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_homes_cannot_be_listed(attempt: Any, host: Any) -> None:
    homes = sorted({str(Path.home()), "/root", "/home"})
    present = [
        home
        for home in homes
        if os.path.isdir(home) and os.access(home, os.R_OK) and os.listdir(home)
    ]
    hidden = {home: set(os.listdir(home)) for home in present}
    attack = f"""
    import os
    for home, names in {hidden!r}.items():
        try:
            if (seen := names & set(os.listdir(home))) - {{".pyenv", ".local", ".venv"}}:
                print("ESCAPED: saw", seen)
        except OSError as problem:
            print(problem)
    """
    if present:
        assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_nothing_is_written_outside_the_workspace(attempt: Any, host: Any) -> None:
    names = [
        f"{directory}/{host.nonce}"
        for directory in (
            host.directory,
            "/etc",
            "/usr",
            "/usr/bin",
            "/",
            "/var/tmp",
            "/tmp",
            "/dev/shm",
        )
    ]
    attack = WRITE_FILES.format(paths=[*names, f"{host.directory}/plain"])
    attempt(attack)
    assert [name for name in names if os.path.exists(name)] == []
    assert Path(host.directory, "plain").read_text() == host.secret
    host.outside(attack)
    written = [name for name in names if os.path.exists(name)]
    for name in written:
        os.remove(name)
    assert f"{host.directory}/{host.nonce}" in written


def test_the_system_s_programs_cannot_be_changed(attempt: Any, host: Any) -> None:
    attack = """
    import os, shutil
    target = os.path.realpath("/usr/bin/env")
    for act in (lambda: os.chmod(target, 0o777), lambda: os.rename(target, target + "2"),
                lambda: open(target, "ab"), lambda: os.utime(target), lambda: os.remove(target),
                lambda: os.open(target, os.O_RDWR)):
        try:
            act()
            print("ESCAPED")
        except OSError as problem:
            print(problem)
    """
    attempt(attack)
    assert os.access("/usr/bin/env", os.X_OK)


def test_a_link_out_of_the_workspace_is_not_followed_by_the_host(box: Sandbox, host: Any) -> None:
    done = box.run(["ln", "-s", f"{host.directory}/plain", "link"])
    assert done.ok, done
    assert box.run(["ln", "-s", host.directory, "tree"]).ok
    for path in ("link", "tree/plain"):
        with pytest.raises(SandboxError):
            box.read(path)
        with pytest.raises(SandboxError):
            box.write(path, "overwritten")
    with pytest.raises(SandboxError):
        box.write("tree/new", "made")
    assert "link" not in box.files() and not [
        path for path in box.files() if path.startswith("tree")
    ]
    assert Path(host.directory, "plain").read_text() == host.secret
    assert not Path(host.directory, "new").exists()


def test_a_hard_link_to_a_host_file_cannot_be_made(attempt: Any, host: Any) -> None:
    attack = """
    import os
    for source in (W["directory"] + "/plain", "/etc/passwd", "/usr/bin/env"):
        for target in ("hard" + str(os.getpid()), W["directory"] + "/hard"):
            try:
                os.link(source, target)
                os.remove(target)
                print("ESCAPED: linked", source, target)
            except OSError as problem:
                print(problem)
    """
    assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_a_pipe_in_the_workspace_does_not_hang_the_host(box: Sandbox) -> None:
    assert box.run("mkfifo fifo && mkdir sub && mkfifo sub/fifo").ok
    with pytest.raises(SandboxError):
        box.read("fifo")
    with pytest.raises(SandboxError):
        box.write("fifo", "text")
    assert box.files() == []


def test_a_socket_in_the_workspace_is_no_file(box: Sandbox) -> None:
    with box.session() as session:
        session.run("import socket; s = socket.socket(socket.AF_UNIX); s.bind('socket')")
        assert box.files() == []
        with pytest.raises(SandboxError):
            box.read("socket")


def test_devices_cannot_be_made(attempt: Any, host: Any) -> None:
    attack = """
    import os, stat
    kinds = ((stat.S_IFCHR, os.makedev(1, 1)), (stat.S_IFBLK, os.makedev(254, 0)),
             (stat.S_IFBLK, os.makedev(8, 0)))
    for number, (kind, device) in enumerate(kinds):
        for directory in (".", "/tmp", "/dev"):
            path = f"{directory}/device{number}{W['nonce']}"
            try:
                os.mknod(path, kind | 0o666, device)
                os.remove(path)
                print("ESCAPED")
            except OSError as problem:
                print(problem)
    """
    if os.geteuid() == 0:
        assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_the_host_s_disks_and_memory_are_no_devices_here(attempt: Any, host: Any) -> None:
    attack = """
    import os, glob, stat
    devices = [f"/dev/{name}" for name in "mem kmem port kmsg kvm fuse net/tun".split()]
    for path in glob.glob("/dev/**", recursive=True):
        try:
            mode = os.stat(path).st_mode
            if stat.S_ISBLK(mode) or path in devices:
                os.close(os.open(path, os.O_RDONLY))
                print("ESCAPED: opened", path)
        except OSError as problem:
            pass
    """
    if os.geteuid() == 0:
        assert "ESCAPED" in host.outside(attack)
    attempt(attack)


def test_a_sparse_file_stays_under_the_limit(box: Sandbox) -> None:
    program = """
import os
for size in (1 << 40, 1 << 30):
    try:
        os.truncate(os.open("sparse", os.O_CREAT | os.O_RDWR), size)
    except OSError as problem:
        print(problem)
print("SIZE", os.stat("sparse").st_size)
"""
    result = box.run(["python3", "-c", program])
    limit = box.spec.limits.file_mb << 20
    # Either the program was refused, or it was killed by the signal of that limit.
    assert "SIZE" not in result.stdout or int(result.stdout.split("SIZE")[1]) <= limit
    assert "sparse" not in box.files() or len(box.read("sparse", limit)) <= limit


def test_the_disk_is_not_filled(box: Sandbox, host: Any) -> None:
    """16 MiB are allowed in files of at most 8; 60 MiB in 6 MiB files are tried."""
    program = """
import os
written = 0
try:
    for number in range(10):
        with open(f"big{number}", "wb", buffering=0) as file:
            for _ in range(6):
                written += file.write(b"x" * (1 << 20))
except OSError as problem:
    print(problem)
print("WRITTEN", written >> 20)
"""
    result = box.run(["python3", "-c", program], timeout=60)
    written = int(result.stdout.split("WRITTEN")[1])
    if box.capabilities.disk_quota:
        assert written <= box.spec.limits.disk_mb
    else:
        assert written <= 60  # the capability allows it; it is removed with the sandbox


def test_a_single_file_has_a_limit(box: Sandbox) -> None:
    result = box.run("head -c 12M /dev/zero > big; stat -c %s big")
    sizes = [int(word) for word in result.stdout.split() if word.isdigit()]
    assert sizes and max(sizes) <= box.spec.limits.file_mb << 20


def test_inodes_are_not_used_up(box: Sandbox) -> None:
    program = """
n = 0
try:
    for n in range(1500):
        open(f"f{n}", "w").close()
except OSError as problem:
    print(problem)
print("MADE", n)
"""
    result = box.run(["python3", "-c", program], timeout=60)
    made = int(result.stdout.split("MADE")[1])
    if box.capabilities.disk_quota:
        assert made <= box.spec.limits.files + 32  # our own directories count too
    else:
        assert made <= 1499


def test_strange_names_are_harmless(box: Sandbox) -> None:
    program = r"""
import os
for name in (b"line\nbreak", b"\xff\xfe not text", b"-rf", b" ", b"$(touch owned)", b"`id`",
             b"a\\b", "ünï".encode(), b"n" * 255):
    open(name, "w").close()
    os.makedirs(b"d" + name[:200], exist_ok=True)
    open(b"d" + name[:200] + b"/f", "w").close()
"""
    result = box.run(["python3", "-c", program])
    assert result.ok, result
    found = box.files()
    assert len(found) == 18 and found == sorted(found)
    assert {"line\nbreak", "-rf", "ünï"} <= set(found)
    for path in found:
        if "\\" not in path:  # bytes that are not UTF-8 are escaped
            assert box.read(path) == b""
    assert box.run("find . -mindepth 1 -maxdepth 1 -printf x").stdout == "x" * 18


def test_a_deep_tree_is_bounded(open_box: Any) -> None:
    box = open_box(Limits(seconds=60, memory_mb=256, files=3000))
    program = """
import os
for _ in range(1500):
    os.mkdir("d" * 20)
    os.chdir("d" * 20)
open("f", "w").close()
"""
    box.run(["python3", "-c", program])
    with suppress(SandboxError):  # an error for being too deep will do
        assert len(box.files()) == 1
    assert box.run("echo on").stdout == "on\n"


@pytest.mark.parametrize(
    "path",
    [
        "../out",
        "/etc/out",
        "a/../../out",
        "/work/../out",
        "..",
        "",
        "/",
        "/work",
        "a\0b",
        "a/../../../etc/passwd",
    ],
)
def test_a_path_cannot_leave_the_workspace(box: Sandbox, path: str) -> None:
    with pytest.raises(SandboxError):
        box.write(path, "text")
    with pytest.raises(SandboxError):
        box.read(path)


def test_a_directory_swapped_for_a_link_while_the_host_reads(box: Sandbox, host: Any) -> None:
    """Paths are opened component by component, so a race between check and use cannot be won."""
    swap = f"""
import os, threading
os.makedirs("real", exist_ok=True)
open("real/plain", "w").write("inside")
os.symlink({host.directory!r}, "fake")
os.symlink("real", "swap")
def race():
    while True:
        for target in ("real", {host.directory!r}):
            os.symlink(target, "next"); os.replace("next", "swap")
threading.Thread(target=race, daemon=True).start()
"""
    with box.session() as session:
        assert session.run(swap).ok
        for _ in range(40):
            try:
                assert box.read("swap/plain") in (b"inside", b"")
            except SandboxError:
                continue
        for _ in range(20):
            try:
                box.write("swap/planted", "x")
            except SandboxError:
                continue
    assert not Path(host.directory, "planted").exists()
