"""The stream of records between the two processes of the grader: signed, numbered, and nothing else
is believed.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from turnwise.envs.swe.grading.recorder import MAX_CALLS_PER_FUNCTION, call_arguments, recording
from turnwise.envs.swe.grading.runner import (
    ReportPlugin,
    Supervisor,
    changed,
    outcome_of,
    streaming,
)

KEY = b"k" * 32


@pytest.fixture
def watch() -> Supervisor:
    made = object.__new__(Supervisor)
    made.key, made.seconds, made.test, made.stopped, made.charged = KEY, 1.0, "", "", 0.0
    made.outcomes, made.calls, made.twice, made.errors = {}, [], [], []
    made.events, made.changed, made.numbers, made.malformed = [], [], set(), 0
    return made


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def lines(reader: int) -> list[bytes]:
    return os.read(reader, 1 << 16).splitlines()


def signed(number: int, *record: object, key: bytes = KEY) -> bytes:
    body = json.dumps([number, *record]).encode()
    return hashlib.blake2b(body, key=key, digest_size=16).hexdigest().encode() + b" " + body


def test_what_is_sent_is_taken(watch: Supervisor, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    send = streaming(writer, KEY)
    for record in [
        ("start", "a::b"),
        ("end", "a::b", "passed"),
        ("error", "bad.py"),
        ("call", "", ["m", "f", "((), {})"]),
    ]:
        send(*record)
    send("events", 'a "quoted" thing\n and ünïcode')
    for line in lines(reader):
        watch.take(line)
    assert (
        watch.outcomes == {"a::b": "passed"}
        and watch.errors == ["bad.py"]
        and watch.calls == [["m", "f", "((), {})"]]
    )
    assert (
        watch.events == ['a "quoted" thing\n and ünïcode']
        and watch.malformed == 0
        and watch.numbers == set(range(5))
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        b"PASSED a::b",
        b'[0, "end", "a", "passed"]',
        signed(0, "end", "a", "passed", key=b"other"),
        signed(0, "end", "a", "failed").replace(b"failed", b"passed"),
        signed(0, "end", "a"),
        b"\xff\xfe \x00",
        signed(0, "end", "a", "passed")[:-1],
    ],
)
def test_what_is_not_signed_is_counted_and_nothing_else(line: bytes, watch: Supervisor) -> None:
    watch.take(line)
    assert watch.malformed == 1 and watch.outcomes == {} and watch.numbers == set()


def test_a_record_comes_once(watch: Supervisor) -> None:
    for line in (
        signed(0, "start", "a", None),
        signed(1, "end", "a", "failed"),
        signed(1, "end", "a", "failed"),
    ):
        watch.take(line)
    assert watch.malformed == 1 and watch.outcomes == {"a": "failed"} and watch.twice == []


def test_a_test_that_did_not_begin_or_ends_twice_is_reported(watch: Supervisor) -> None:
    for number, (kind, name, value) in enumerate(
        [("start", "a", None), ("end", "a", "failed"), ("end", "a", "passed")]
    ):
        watch.take(signed(number, kind, name, value))
    assert watch.twice == ["a"]
    watch.take(signed(7, "end", "b", "passed"))
    assert watch.twice == ["a", "b"] and max(watch.numbers) + 1 - len(watch.numbers) == 4, (
        "four records were left out"
    )


def test_the_stream_uses_nothing_that_can_be_exchanged(
    monkeypatch: pytest.MonkeyPatch, pipe: tuple[int, int], watch: Supervisor
) -> None:
    reader, writer = pipe
    send = streaming(writer, KEY)
    monkeypatch.setattr(json.JSONEncoder, "iterencode", lambda *_: iter(['"lies"']))
    monkeypatch.setattr(json.JSONEncoder, "encode", lambda *_: '"lies"')
    monkeypatch.setattr(json, "dumps", lambda *_: '"lies"')
    monkeypatch.setattr(hashlib, "blake2b", None)
    send("start", "a")
    send("end", "a", "failed")
    monkeypatch.undo()
    for line in lines(reader):
        watch.take(line)
    assert watch.outcomes == {"a": "failed"} and watch.malformed == 0


@pytest.mark.parametrize(
    "phases, word",
    [
        (
            [("setup", "passed", False), ("call", "passed", False), ("teardown", "passed", False)],
            "passed",
        ),
        ([("setup", "passed", False), ("call", "passed", False)], "failed"),
        (
            [("setup", "passed", False), ("call", "passed", False), ("teardown", "failed", False)],
            "failed",
        ),
        ([("setup", "skipped", False), ("teardown", "passed", False)], "skipped"),
        (
            [("setup", "passed", False), ("call", "skipped", True), ("teardown", "passed", False)],
            "xfailed",
        ),
        (
            [("setup", "passed", False), ("call", "passed", True), ("teardown", "passed", False)],
            "xpassed",
        ),
        (
            [
                ("setup", "passed", False),
                ("subtest", "failed", False),
                ("call", "passed", False),
                ("teardown", "passed", False),
            ],
            "failed",
        ),
        ([], "failed"),
    ],
)
def test_one_word_for_a_test(phases: list[tuple[str, str, bool]], word: str) -> None:
    assert outcome_of(phases) == word


def test_files_that_are_others_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("same.py", "other.py"):
        (tmp_path / name).write_text("x")
    right = hashlib.sha256(b"x").hexdigest()
    assert changed({"same.py": right, "other.py": "0" * 64, "gone.py": right}) == [
        "other.py",
        "gone.py",
    ]


class Sound:
    """A runner that says what has been changed of it."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def changes(self) -> list[str]:
        return self.found


def test_a_test_file_is_looked_at_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "test_x.py"
    path.write_text("x")
    sent: list[Any] = []
    plugin = ReportPlugin(
        lambda *record: sent.append(record), {str(path): hashlib.sha256(b"x").hexdigest()}, Sound()
    )
    plugin.pytest_make_collect_report(types.SimpleNamespace(path=path))
    plugin.pytest_make_collect_report(types.SimpleNamespace())
    assert sent == []
    path.write_text("y")
    plugin.pytest_make_collect_report(types.SimpleNamespace(path=path))
    assert sent == [("changed", "test_x.py")]


def test_a_change_of_the_runner_is_reported_once_wherever_it_is_seen() -> None:
    sent: list[Any] = []
    sound = Sound()
    plugin = ReportPlugin(lambda *record: sent.append(record), {}, sound)
    plugin.pytest_runtest_logstart("a")
    sound.found = ["x"]
    plugin.pytest_runtest_makereport(None, types.SimpleNamespace(when="setup"))
    plugin.pytest_runtest_makereport(None, types.SimpleNamespace(when="call"))
    for when in ("setup", "call", "teardown"):
        plugin.pytest_runtest_logreport(types.SimpleNamespace(when=when, outcome="passed"))
    sound.found = ["x", "z"]
    plugin.pytest_runtest_logfinish("a")
    assert sent == [("start", "a"), ("events", "x"), ("events", "z"), ("end", "a", "passed")]


# The recorder


def plain(a: int, b: int = 2, *more: int, c: int = 3, **rest: int) -> Any:
    return sys._getframe()


def test_arguments_are_told_as_they_were_bound() -> None:
    frame = plain(1, 5, 6, d=7)
    assert call_arguments(frame, frame.f_code) == "((1, 5, 6), {'c': 3, 'd': 7})"
    frame = plain(object())  # type: ignore[arg-type]
    assert call_arguments(frame, frame.f_code) is None


def test_calls_by_tests_are_recorded_once_and_others_are_not(tmp_path: Path) -> None:
    (tmp_path / "lib.py").write_text(
        "def public(x):\n    return inner(x)\n\n\ndef inner(x):\n    return _hidden(x)\n\n\n"
        "def _hidden(x):\n    return x\n\n\n"
        "def items(x):\n    yield x\n\n\nclass C:\n    def method(self):\n"
        "        return public(0)\n"
    )
    (tmp_path / "test_lib.py").write_text(
        "import lib\n\n\ndef test():\n"
        "    lib.public(1), lib.public(1), lib.public([2]), lib.public(lib)\n"
        "    lib._hidden(1), list(lib.items(1)), lib.C().method()\n\n\n"
        "def many():\n    for number in range(5000): lib.public(number)\n    lib.inner(3)\n"
    )
    sent: list[Any] = []
    names = {str(tmp_path / "lib.py"): "lib"}
    profile = recording(
        lambda *record: sent.append(record[2]), names, [str(tmp_path / "test_lib.py")]
    )
    sys.path.insert(0, str(tmp_path))
    try:
        namespace: dict[str, Any] = {}
        exec(
            compile((tmp_path / "test_lib.py").read_text(), str(tmp_path / "test_lib.py"), "exec"),
            namespace,
        )
        sys.setprofile(profile)
        namespace["test"]()
        namespace["many"]()
    finally:
        sys.setprofile(None)
        sys.path.remove(str(tmp_path))
        sys.modules.pop("lib", None)
    assert sent[:2] == [["lib", "public", "((1,), {})"], ["lib", "public", "(([2],), {})"]]
    assert len(sent) == MAX_CALLS_PER_FUNCTION - 2 and sent[-1] == [
        "lib",
        "inner",
        "((3,), {})",
    ]  # of one function so many are looked at
