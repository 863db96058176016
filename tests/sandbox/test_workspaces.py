"""Workspaces: the given tree is the lower layer of what is written, and never changes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from turnwise.sandbox import Limits, SandboxError, Spec, open_sandbox
from turnwise.sandbox.client import pack_directory
from turnwise.sandbox.guest import files
from turnwise.sandbox.probe import reason

pytestmark = pytest.mark.skipif(bool(reason("jail")), reason=f"no jail here: {reason('jail')}")
LIMITS = Limits(seconds=20, processes=16, disk_mb=8, files=300)


@pytest.fixture
def given() -> Iterator[Path]:
    """A tree of more files than a sandbox may make, which only its owner can enter."""
    root = Path(tempfile.mkdtemp(dir="/var/tmp"))
    (root / "many").mkdir()
    for number in range(400):
        (root / "many" / f"f{number}").write_text("x" * 100)
    (root / "text").write_text("given\n")
    (root / "gone").mkdir()
    (root / "gone" / "inside").write_text("x")
    yield root
    shutil.rmtree(root)


def tree(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()
    }


CHANGES = (
    "echo more >> text && rm -r gone && mkdir gone && echo y > many/f3 && rm many/f4 && mkdir new"
    " && mv many/f5 new/"
)


def test_changes_deletions_and_renames_stay_in_the_sandbox(given: Path) -> None:
    before = tree(given)
    with open_sandbox(Spec(limits=LIMITS, workspace=str(given)), "jail") as box:
        if "overlay" not in box.run("cat /proc/self/mounts").stdout:
            pytest.skip("this kernel lays no overlay for a user, and a copy does not fit")
        assert len(box.files()) == 402
        assert box.run(CHANGES).ok
        assert (
            box.read("text") == b"given\nmore\n"
            and box.read("many/f3") == b"y\n"
            and "new/f5" in box.files()
        )
        with box.fork() as child:
            assert (
                child.files() == box.files()
                and "gone/inside" not in child.files()
                and "many/f4" not in child.files()
            )
            assert child.read("text") == b"given\nmore\n"
            child.run("echo child > text; rm -r new")
            assert box.read("text") == b"given\nmore\n" and "new/f5" in box.files()
    assert tree(given) == before


def test_two_sandboxes_of_one_workspace_are_independent(given: Path) -> None:
    spec = Spec(limits=LIMITS, workspace=str(given))
    with open_sandbox(spec, "jail") as one, open_sandbox(spec, "jail") as two:
        one.write("text", "one")
        assert two.read("text") == b"given\n"


def test_only_written_files_count_against_the_quota(given: Path) -> None:
    with open_sandbox(Spec(limits=LIMITS, workspace=str(given)), "jail") as box:
        full = box.run("for i in $(seq 400); do : > made$i || exit 1; done")
        assert full.exit_code == 1 and "No space left" in full.stderr
    with open_sandbox(Spec(limits=LIMITS, workspace=str(given)), "jail") as box:
        assert "No space left" in box.run("head -c 20000000 /dev/zero > big").stderr


def test_an_absent_workspace_is_an_error() -> None:
    with pytest.raises(SandboxError, match="not a directory"):
        open_sandbox(Spec(workspace="/var/tmp/no/such/place"), "jail")


def test_a_packed_directory_keeps_its_tree(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    target.mkdir()
    (source / "sub" / "script").write_text("x")
    (source / "sub" / "script").chmod(0o755)
    (source / "link").symlink_to("sub/script")
    os.mkfifo(source / "pipe")
    files.unpack(str(target), pack_directory(str(source)))
    assert sorted(path.name for path in target.iterdir()) == ["link", "sub"]
    assert os.access(target / "sub" / "script", os.X_OK)
    with pytest.raises(SandboxError, match="not a directory"):
        pack_directory(str(source / "sub" / "script"))
