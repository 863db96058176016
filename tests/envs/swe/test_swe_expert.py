"""The expert repairs whatever state it finds, one step at a time, with commands or tool calls."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from turnwise.envs.swe.editor import replace_once
from turnwise.envs.swe.expert import as_call, as_command, repairs
from turnwise.envs.swe.tools import read_call

LONG = "".join(f"line {number}\n" for number in range(30))
GOLD = {
    "kit/a.py": LONG.encode(),
    "kit/b.py": b'text = """quoted \'EOF\' \\n and $HOME `x`"""\nEOF\n',
    "kit/new/c.py": b"x = 1\n",
    "kit/one.py": b"no line end",
}
FOUND: dict[str, bytes] = {
    "kit/a.py": LONG.replace("line 3\n", "").replace("line 20\n", "line twenty\n").encode(),
    "kit/b.py": b"text = 1\nEOF\n",
    "kit/one.py": b"other",
}


def test_nothing_is_left_to_do_for_who_has_done_it() -> None:
    assert (
        list(repairs(GOLD, GOLD.get)) == []
        and as_command(GOLD, GOLD.get) == as_command({}, FOUND.get) == "submit"
    )
    assert as_call(GOLD, GOLD.get) == '{"name": "submit", "arguments": {}}'


def test_commands_repair_a_directory(tmp_path: Path) -> None:
    for path, data in FOUND.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)

    def read(path: str) -> bytes | None:
        return (tmp_path / path).read_bytes() if (tmp_path / path).is_file() else None

    steps = 0
    while (command := as_command(GOLD, read)) != "submit" and steps < 20:
        done = subprocess.run(
            ["bash", "-c", command.replace("/work", str(tmp_path))],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        steps += 1
    assert {path: read(path) for path in GOLD} == GOLD and steps == 5, (
        "two pieces of the long file, one of each other"
    )


def test_calls_repair_a_tree_and_write_whole_what_cannot_be_replaced() -> None:
    tree = dict(FOUND)
    for _ in range(20):
        call = read_call(as_call(GOLD, tree.get))
        assert not isinstance(call, str)
        if call.name == "submit":
            break
        assert call.name == "edit"
        path, old, new = (str(call.arguments[word]) for word in ("path", "old", "new"))
        tree[path] = replace_once(tree[path].decode(), old, new).encode() if old else new.encode()
    assert tree == GOLD


@pytest.mark.parametrize("now", [b"", b"\xff\xfe not text", None])
def test_a_file_without_text_is_written_whole(now: bytes | None) -> None:
    step = next(repairs({"a.py": b"x = 1\n"}, lambda path: now))
    assert (step.path, step.old, step.new) == ("a.py", None, "x = 1\n")
    call = as_call({"a.py": b"x = 1\n"}, lambda path: now)
    assert ("write_bytes" in call) is (now is not None), (
        "an empty or unreadable file has no piece that an edit could replace"
    )
