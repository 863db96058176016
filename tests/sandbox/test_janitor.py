"""The janitor removes what belongs to a process that is gone, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from turnwise.sandbox import janitor


def dead() -> str:
    """Return the tag of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    text = janitor.tag(process.pid)
    assert not janitor.orphaned(text)
    process.communicate()
    return text


def test_a_tag_lives_as_long_as_its_process() -> None:
    assert not janitor.orphaned(janitor.tag())
    assert janitor.orphaned(dead())


def test_a_reused_process_id_is_another_process() -> None:
    machine, number, started = janitor.tag().split("-")
    assert janitor.orphaned(f"{machine}-{number}-{int(started) + 1}")


def test_tags_of_other_machines_are_never_orphaned() -> None:
    _, number, started = dead().split("-")
    assert not janitor.orphaned(f"elsewhere-{number}-{started}")
    for text in ("", "x", "a-b-c", "1-2-3-4", f"{janitor.machine()}-x-1"):
        assert not janitor.orphaned(text)


def test_a_zombie_counts_as_dead() -> None:
    process = subprocess.Popen(["true"])
    text = janitor.tag(process.pid)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert janitor.orphaned(text)
    process.wait()


def test_a_sweep_takes_the_dead_and_leaves_the_rest(tmp_path: Path) -> None:
    names = [
        f"box-{dead()}_x",
        f"box-{dead()}",
        f"box-{janitor.tag()}_x",
        "box-other",
        f"other-{dead()}_x",
        "plain",
    ]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "f").write_text("x")
    assert janitor.sweep(tmp_path, "box-") == 2
    assert sorted(os.listdir(tmp_path)) == sorted(names[2:])
    assert janitor.sweep(tmp_path / "absent", "box-") == 0


def test_hostile_trees_are_removed(tmp_path: Path) -> None:
    root, kept = tmp_path / "tree", tmp_path / "kept"
    root.mkdir()
    kept.write_text("x")
    (root / "closed").mkdir()
    (root / "closed" / "f").write_text("x")
    (root / "closed").chmod(0)
    (root / "link").symlink_to(kept)
    os.mkfifo(root / "fifo")
    (root / b"\xff\n".decode("utf8", "surrogateescape")).write_text("x")
    janitor.tree(root)
    assert not root.exists() and kept.read_text() == "x"
    janitor.tree(root)  # again: nothing to do
    link = tmp_path / "link"
    link.symlink_to(kept)
    janitor.tree(link)
    assert not link.is_symlink() and kept.exists()


def test_a_tree_deeper_than_any_path_is_removed(tmp_path: Path) -> None:
    root = tmp_path / "deep"
    root.mkdir()
    here = os.getcwd()
    try:
        os.chdir(root)
        for number in range(1500):
            os.mkdir("d" * 20)
            os.chdir("d" * 20)
            if number % 100 == 0:
                Path("f").write_text("x")
    finally:
        os.chdir(here)
    janitor.tree(root)
    assert not root.exists()
