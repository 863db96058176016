"""Files of a workspace: no link is followed, and nothing outside is touched."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from turnwise.sandbox.guest import files
from turnwise.sandbox.guest.files import RequestRefused


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "/",
        "/work",
        "..",
        "a/../b",
        "../x",
        "/etc/passwd",
        "/worker/x",
        "a\0b",
        "/work/../x",
    ],
)
def test_a_path_that_leaves_the_workspace_is_refused(path: str) -> None:
    with pytest.raises(RequestRefused):
        files.parts(path)


@pytest.mark.parametrize("path", ["a/b", "/work/a/b", "./a//b", "/work//a/./b"])
def test_a_path_is_relative_to_the_workspace_or_under_it(path: str) -> None:
    assert files.parts(path) == ["a", "b"]


def test_no_link_is_followed(tmp_path: Path) -> None:
    outside, work = tmp_path / "outside", tmp_path / "work"
    outside.mkdir()
    work.mkdir()
    (outside / "secret").write_text("secret")
    (work / "file").symlink_to(outside / "secret")
    (work / "folder").symlink_to(outside)
    os.mkfifo(work / "pipe")
    for path in ("file", "folder/secret", "pipe", "absent", "."):
        with pytest.raises(RequestRefused):
            files.read(str(work), path, 100)
    for path in ("file", "folder/new"):
        with pytest.raises(RequestRefused):
            files.write(str(work), path, b"x")
    assert (outside / "secret").read_text() == "secret" and os.listdir(outside) == ["secret"]
    assert files.listing(str(work)) == []


def test_bytes_are_read_back_up_to_a_limit(tmp_path: Path) -> None:
    files.write(str(tmp_path), "a/b/c", b"12345")
    files.write(str(tmp_path), "a/b/c", b"123")
    assert files.read(str(tmp_path), "a/b/c", 3) == b"123"
    with pytest.raises(RequestRefused, match="more than the 2"):
        files.read(str(tmp_path), "a/b/c", 2)
    assert files.listing(str(tmp_path)) == ["a/b/c"]


def test_names_that_are_not_utf8_are_listed_with_escapes(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"\xff\nname")).write_text("x")
    assert files.listing(str(tmp_path)) == ["\\xff\nname"]


def tar(*members: tarfile.TarInfo) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return data.getvalue()


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil"])
def test_an_archive_cannot_leave_the_workspace(tmp_path: Path, name: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    member = tarfile.TarInfo(name)
    member.size = 1
    with contextlib.suppress(RequestRefused):
        files.unpack(str(work), tar(member))
    assert not (tmp_path / "evil").exists() and not Path("/evil").exists()


def test_an_archive_cannot_link_out(tmp_path: Path) -> None:
    link = tarfile.TarInfo("link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(RequestRefused):
        files.unpack(str(tmp_path), tar(link))


def test_a_copy_has_everything_but_pipes_and_shares_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True)
    target.mkdir()
    (source / "sub" / "file").write_text("x")
    (source / "sub" / "file").chmod(0o751)
    (source / "link").symlink_to("sub/file")
    os.mkfifo(source / "pipe")
    files.copy(str(source), str(target))
    assert sorted(os.listdir(target)) == ["link", "sub"]
    assert os.readlink(target / "link") == "sub/file"
    assert (target / "sub" / "file").stat().st_mode & 0o777 == 0o751
    (target / "sub" / "file").write_text("y")
    assert (source / "sub" / "file").read_text() == "x"
