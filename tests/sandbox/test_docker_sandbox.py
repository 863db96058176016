"""What only the docker backend has: images, copies of files, labels."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from turnwise.sandbox import janitor, open_sandbox
from turnwise.sandbox.contract import Limits, SandboxError, Spec
from turnwise.sandbox.probe import reason

pytestmark = pytest.mark.usefixtures("daemon")
LIMITS = Limits(seconds=60.0, memory_mb=128, disk_mb=16, processes=16)


@pytest.fixture(scope="module")
def daemon() -> Iterator[Any]:
    if why := reason("docker"):
        pytest.skip(f"docker: {why}")
    from turnwise.sandbox import containers

    yield containers


def mine(daemon: Any) -> list[Any]:
    return [
        each
        for each in daemon.client().containers.list(all=True, ignore_removed=True)
        if each.labels.get(daemon.LABEL) == janitor.tag()
    ]


def test_files_are_copied_and_independent(daemon: Any) -> None:
    with open_sandbox(Spec(limits=LIMITS), backend="docker") as box:
        box.run(
            "mkdir -p d && echo one > d/f && ln -s /usr/bin/env link && chmod 700 d/f"
            " && echo t > /tmp/t"
        )
        kept = box.snapshot()
        box.write("d/f", "changed")
        with kept.open() as one, kept.open() as two:
            assert one.read("d/f") == two.read("d/f") == b"one\n" and box.read("d/f") == b"changed"
            assert (
                one.run("readlink link; stat -c %a d/f; cat /tmp/t").stdout
                == "/usr/bin/env\n700\nt\n"
            )
            one.run("rm -r d")
            assert two.files() == ["d/f"]
        kept.close()
        with box.fork() as child:
            box.close()
            assert child.read("d/f") == b"changed"
    assert mine(daemon) == []


def test_an_interpreter_is_not_copied(daemon: Any) -> None:
    with open_sandbox(Spec(limits=LIMITS), backend="docker") as box:
        assert not box.capabilities.fork
        session = box.session()
        with pytest.raises(SandboxError, match="interpreter"):
            box.snapshot()
        session.close()
        box.snapshot().close()


@pytest.fixture(scope="module")
def image(daemon: Any) -> Iterator[str]:
    """An image of the machine's own Python, made without a registry."""
    if "/usr/bin/python3" not in (
        found := [path for path in ("/usr/bin/python3",) if _new_enough(path)]
    ):
        pytest.skip("no system Python of 3.11 or later to make an image of")
    blob = io.BytesIO()
    with tarfile.open(fileobj=blob, mode="w", dereference=True) as archive:
        for name, target in daemon.LINKS.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        for name in ("repo", "repo/src"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o777
            archive.addfile(folder)
        for path in (*found, *_needed()):
            archive.add(
                path,
                recursive=True,
                filter=lambda member: None if "__pycache__" in member.name else member,
            )
    client = daemon.client()
    client.api.import_image_from_data(blob.getvalue(), repository="turnwise-test", tag="1")
    yield "turnwise-test:1"
    client.images.remove("turnwise-test:1", force=True)


def _new_enough(path: str) -> bool:
    done = subprocess.run(
        [path, "-c", "import sys; print(sys.version_info >= (3, 11))"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout == "True\n"


def _needed() -> list[str]:
    """Return the paths of the system's Python, its library, a shell and their shared objects."""
    code = (
        "import os, sys, sysconfig; print(os.path.realpath(sys.executable)); "
        "print(sysconfig.get_path('stdlib'))"
    )
    program, library = subprocess.run(
        ["/usr/bin/python3", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    tools = ["/usr/bin/bash", "/usr/bin/tar", "/usr/bin/cat", "/usr/bin/ls"]
    objects = set()
    for path in (program, *tools, *map(str, Path(library, "lib-dynload").glob("_ctypes.*.so"))):
        for word in subprocess.run(
            ["ldd", path], capture_output=True, text=True, check=True
        ).stdout.split():
            if word.startswith("/"):
                objects.add(word if word.startswith("/usr") else "/usr" + word)
    return [program, library, *tools, *sorted(objects)]


def images(daemon: Any) -> set[str]:
    """Return the images of this process; other tests make theirs at the same time."""
    return {
        each.id
        for each in daemon.client().images.list(
            filters={"label": f"{daemon.LABEL}={janitor.tag()}"}
        )
    }


def test_an_image_has_its_own_files_and_they_are_copied_too(daemon: Any, image: str) -> None:
    before = images(daemon)
    with open_sandbox(Spec(limits=LIMITS, image=image), backend="docker") as box:
        assert not box.capabilities.disk_quota
        assert box.run("echo changed > /repo/src/f; echo mine > w; ls /repo").stdout == "src\n"
        assert box.session().run("print(6 * 7)").stdout == "42\n"
        for session in box.sessions:
            session.close()
        kept = box.snapshot()
        box.run("echo later > /repo/src/f")
        with kept.open() as copy:
            assert copy.run("cat /repo/src/f w").stdout == "changed\nmine\n"
        assert images(daemon) > before
        kept.close()
    assert mine(daemon) == []
    assert images(daemon) == before, "the snapshot's image stayed"


def test_an_absent_image_is_an_error(daemon: Any) -> None:
    with pytest.raises(SandboxError, match="no-such-image") as refused:
        open_sandbox(Spec(image="no-such-image:0"), backend="docker")
    assert "\n" not in str(refused.value)


def test_the_container_is_confined(daemon: Any) -> None:
    with open_sandbox(Spec(limits=LIMITS), backend="docker"):
        (container,) = mine(daemon)
        settings = daemon.client().api.inspect_container(container.id)["HostConfig"]
        assert (
            settings["NetworkMode"] == "none"
            and settings["CapDrop"] == ["ALL"]
            and settings["ReadonlyRootfs"]
        )
        assert (
            settings["PidsLimit"] <= 20
            and 0 < settings["Memory"] <= 256 << 20
            and settings["MemorySwap"] == settings["Memory"]
        )
        assert any(option.startswith("no-new-privileges") for option in settings["SecurityOpt"])
        assert not container.attrs["Config"]["User"].startswith("0")


def test_the_janitor_removes_what_a_dead_owner_left(
    daemon: Any, eventually: Callable[..., bool]
) -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = janitor.tag(process.pid)
    api = daemon.client().api
    settings = {"host_config": api.create_host_config(binds=["/usr:/usr:ro"], network_mode="none")}
    left = api.create_container(
        daemon.skeleton(), ["/usr/bin/sleep", "300"], labels={daemon.LABEL: owner}, **settings
    )["Id"]
    api.start(left)
    daemon.sweep_once.cache_clear()
    daemon.sweep_once()
    assert left in [
        each.id for each in daemon.client().containers.list(ignore_removed=True)
    ]  # its owner lives
    process.communicate()
    daemon.sweep_once.cache_clear()
    assert daemon.sweep_once() == 1
    assert eventually(
        lambda: (
            left
            not in [
                each.id for each in daemon.client().containers.list(all=True, ignore_removed=True)
            ]
        )
    )
