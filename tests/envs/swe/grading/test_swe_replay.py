"""The oracle's program calls functions and prints plain answers, one line each."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from turnwise.envs.swe.dependencies.python import spec
from turnwise.envs.swe.grading.oracle import CLOCK_SHIFT_S, RecordedCall, decoded, replay
from turnwise.envs.swe.grading.replay import encoded
from turnwise.sandbox import open_sandbox
from turnwise.sandbox.probe import reason

SOURCE = Path(__file__).parents[4] / "turnwise" / "envs" / "swe" / "grading" / "replay.py"
LIB = """
import sys


def double(x, times=2):
    print("noise on the output")
    return x * times


def quits():
    import os
    os._exit(0)


def exits():
    sys.exit(0)


def long():
    return "x" * 100_000


def forges():
    import os
    for number in range(3, 9):
        try:
            os.write(number, b'[0, ["int", "0x0"]]\\\\n')
        except OSError:
            pass


class Odd:
    def __eq__(self, other):
        return True


def odd():
    return Odd()


def clock():
    import datetime, time
    from datetime import date, datetime as moment
    times = [time.time(), time.time_ns() / 1e9]
    times += [moment.now().timestamp(), moment.today().timestamp()]
    times += [moment.utcnow().replace(tzinfo=datetime.timezone.utc).timestamp()]
    times += [moment.now(datetime.timezone.utc).timestamp(), time.mktime(time.localtime())]
    times += [time.mktime(time.strptime(time.ctime())), time.mktime(time.strptime(time.asctime()))]
    times += [time.mktime(time.strptime(time.strftime("%c")))]
    day = time.mktime(date.today().timetuple())
    return [int(one) for one in times], abs(day - times[0]) < 90000, time.gmtime(0).tm_year


def kinds():
    import datetime

    class Own(datetime.date):
        pass

    day, own = datetime.datetime(2020, 2, 29).date(), Own(2020, 1, 1)
    now = datetime.datetime.now()
    plain = isinstance(day, datetime.date), isinstance(now, datetime.date)
    return [plain[0], isinstance(own, Own), isinstance(day, Own), plain[1]]


def endless():
    n = 0
    while True:
        yield n
        n += 1
"""


def replayed(tmp_path: Path, *calls: tuple[str, str], later: int = 0) -> list[Any]:
    (tmp_path / "lib.py").write_text(LIB)
    request = {
        "path": [str(tmp_path)],
        "calls": [(number, ("lib", *call)) for number, call in enumerate(calls)],
        "later": later,
    }
    command = [sys.executable, "-P", "-s", "-B", "-c", SOURCE.read_text()]
    done = subprocess.run(
        command, input=json.dumps(request), capture_output=True, text=True, timeout=60, check=False
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_each_call_has_a_line_and_what_is_printed_is_none(tmp_path: Path) -> None:
    found = replayed(
        tmp_path,
        ("double", "((3,), {})"),
        ("double", "(('ab',), {'times': 3})"),
        ("double", "((), {})"),
    )
    assert [number for number, _ in found] == [0, 1, 2]
    assert [decoded(times) for _, times in found[:2]] == [6, "ababab"] and found[2][1] == [
        "raised",
        "TypeError",
    ]


def test_who_ends_the_process_has_no_answers_from_then_on(tmp_path: Path) -> None:
    assert replayed(
        tmp_path, ("double", "((1,), {})"), ("quits", "((), {})"), ("double", "((1,), {})")
    ) == [[0, ["int", "0x2"]]]


def test_who_only_asks_to_end_it_has_raised(tmp_path: Path) -> None:
    found = replayed(tmp_path, ("exits", "((), {})"), ("double", "((1,), {})"))
    assert found == [[0, ["raised", "SystemExit"]], [1, ["int", "0x2"]]]


@pytest.mark.skipif(bool(reason("jail")), reason=f"jail: {reason('jail')}")
@pytest.mark.parametrize("again", [False, True])
def test_calls_behind_one_that_ends_the_process_are_made_in_another(again: bool) -> None:
    calls = [
        RecordedCall("lib", name, arguments)
        for name, arguments in [("quits", "((), {})"), ("double", "((1,), {})")] * 3
    ]
    with open_sandbox(spec(), "jail") as sandbox:
        sandbox.write("lib.py", LIB.encode())
        answers = replay(sandbox, ["/work"], [*calls, calls[0]], again)
    assert answers == [None, ["answer", ["int", "0x2"]]] * 3 + [None]


def test_an_object_is_opaque_and_an_answer_has_an_end(tmp_path: Path) -> None:
    odd, long, endless = (
        times
        for _, times in replayed(
            tmp_path, ("odd", "((), {})"), ("long", "((), {})"), ("endless", "((), {})")
        )
    )
    assert odd == ["opaque", "Odd"] and long == ["long"]
    assert endless[0] == "iterator" and len(endless[1]) == 1000


def test_arguments_that_are_no_literals_are_not_run(tmp_path: Path) -> None:
    assert replayed(tmp_path, ("double", "((__import__('os').getpid(),), {})"))[0][1] == [
        "raised",
        "ValueError",
    ]


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        float("inf"),
        -0.0,
        1 << 100,
        complex(1, -2),
        b"\x00",
        bytearray(b"x"),
        {1: {2}},
        frozenset({1}),
    ],
)
def test_exact_types_come_back(value: Any) -> None:
    back = decoded(json.loads(json.dumps(encoded(value))))
    assert back == value and (type(back) is type(value) or isinstance(value, bytearray))


def test_what_is_deep_is_opaque() -> None:
    value: Any = 1
    for _ in range(30):
        value = [value]
    assert "deep" in json.dumps(encoded(value))


@pytest.mark.parametrize("later", [0, CLOCK_SHIFT_S])
def test_the_clock_can_be_set_ahead(tmp_path: Path, later: int) -> None:
    (_, clock), (_, kinds) = replayed(
        tmp_path, ("clock", "((), {})"), ("kinds", "((), {})"), later=later
    )
    times, same_day, epoch = decoded(clock)
    assert all(abs(one - time.time() - later) < 300 for one in times) and same_day and epoch == 1970
    assert decoded(kinds) == [True, True, False, True]
