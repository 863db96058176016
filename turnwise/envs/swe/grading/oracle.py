"""The second witness: the repository's functions, called as the tests called them in the reference,
must answer the same.

A test that runs in the process of the code it tests can be talked into anything: an object that
says it is equal to everything passes `assert f(x) == y`. So the calls that the tests made directly,
with plain arguments, are noted once in a run of the reference; they are repeated in a sandbox that
holds the submission and no tests, by a process that is not trusted; and its answers, plain data
with exact types, are compared here, in a process that runs nobody's code but ours. Calls that no
test made are among them (`turnwise.envs.swe.grade.neighbours`): a function that answers most of
those otherwise knows the tests and not its work.

Only functions whose reference answers are the same twice, in two orders and more than a year apart
by the clock that Python shows them, are witnesses. What cannot be called so (methods, objects as
arguments) has no second witness, and the tests alone decide. Equal means what `==` means between
built-in values, floats to nine digits, an iterator equal to a sequence of its items: what a test
would accept from an honest solution.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from turnwise.sandbox.contract import Sandbox, SandboxError

SOURCE = Path(__file__).with_name("replay.py")
MAX_REPORTED = 3
"""Disagreements named in the reasons."""
MAX_NEARBY_CALLS = 400
"""Most calls that no test made."""
MIN_NEARBY_DISAGREEMENTS = 3
"""Answers that differ, of such calls of one function, which may be chance; so may be less than half
of them.
"""
MAX_PROCESS_EXITS = 8
"""Most calls that may end the process; those behind them are made in another."""
CLOCK_SHIFT_S = 401 * 86400 + 3 * 3600 + 7 * 60 + 11
"""Seconds by which the clock of the reference's second run goes ahead: another year, month,
weekday, hour, minute and second.
"""


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A function of the repository and the text of `(args, kwargs)`."""

    module: str
    name: str
    arguments: str

    def __str__(self) -> str:
        shown = self.arguments if len(self.arguments) <= 80 else self.arguments[:77] + "..."
        return f"{self.module}.{self.name} called with {shown}"


@dataclass(frozen=True, slots=True)
class ReferenceAnswers:
    """What the reference answers; `answers[i]` is of `calls[i]`, of which the first `asked` are
    those that the tests made.
    """

    calls: tuple[RecordedCall, ...] = ()
    answers: tuple[Any, ...] = ()
    asked: int | None = None
    """None: all."""


def replay(
    sandbox: Sandbox,
    roots: Sequence[str],
    calls: Sequence[RecordedCall],
    again: bool = False,
    seconds: float = 60.0,
) -> list[Any]:
    """Answers of the code in a sandbox, None where there is none: a call that ends its process has
    none.

    Args:
        again: in the other order, and at another time.

    Raises:
        SandboxError: where the sandbox ran out of time or memory, or failed: nothing is known then.
    """
    answers: list[Any] = [None] * len(calls)
    rest = list(range(len(calls)))[:: -1 if again else 1]
    command = ["python3", "-P", "-s", "-B", "-X", "utf8", "-c", SOURCE.read_text("utf8")]
    for _ in range(MAX_PROCESS_EXITS + 1):
        asked = [
            (number, (calls[number].module, calls[number].name, calls[number].arguments))
            for number in rest
        ]
        request = {"path": list(roots), "calls": asked, "later": CLOCK_SHIFT_S if again else 0}
        result = sandbox.run(command, timeout=seconds, stdin=json.dumps(request))
        if result.error in ("timeout", "memory", "output", "infrastructure"):
            raise SandboxError(
                f"the second witness could not be heard: its sandbox ended with {result.error!r}"
            )
        for line in result.stdout.splitlines():
            _hear(line, answers)
        last = max(
            (place for place, number in enumerate(rest) if answers[number] is not None), default=-1
        )
        rest = rest[last + 2 :]  # without the one that ended it
        if not rest:
            break
    return answers


def _hear(line: str, answers: list[Any]) -> None:
    """One line of a process that is not trusted: what is out of form, or comes twice, is not heard."""
    try:
        number, told = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return
    if type(number) is int and 0 <= number < len(answers) and answers[number] is None:
        answers[number] = ["told", told]


def reference(
    open_sandbox: Callable[[], Sandbox],
    roots: Sequence[str],
    calls: Sequence[RecordedCall],
    seconds: float = 60.0,
) -> ReferenceAnswers:
    """Those calls that the reference answers with the same plain data in two sandboxes, two orders and
    two years.
    """
    if not calls:
        return ReferenceAnswers()
    beside = [
        RecordedCall(call.module, call.name, other)
        for call in calls
        for other in nearby_arguments(call.arguments)
    ]
    known = set(calls)
    every = [
        *calls,
        *[call for call in dict.fromkeys(beside) if call not in known][:MAX_NEARBY_CALLS],
    ]
    try:
        first, second = (
            _replayed(open_sandbox, roots, every, again, seconds) for again in (False, True)
        )
    except SandboxError:  # a call beside may not come to an end, which is nobody's fault
        every = list(calls)
        first, second = (
            _replayed(open_sandbox, roots, every, again, seconds) for again in (False, True)
        )
    kept = [
        (number, call, one)
        for number, (call, one, two) in enumerate(zip(every, first, second, strict=True))
        if one is not None
        and "opaque" not in json.dumps(one)
        and one[1] != ["long"]
        and one == two
        and not (number >= len(calls) and _raised(one[1]))
    ]
    asked = sum(number < len(calls) for number, *_ in kept)
    return ReferenceAnswers(
        tuple(call for _, call, _ in kept), tuple(one for *_, one in kept), asked
    )


def _replayed(
    open_sandbox: Callable[[], Sandbox],
    roots: Sequence[str],
    calls: Sequence[RecordedCall],
    again: bool,
    seconds: float,
) -> list[Any]:
    with open_sandbox() as sandbox:
        return replay(sandbox, roots, calls, again, seconds)


def _raised(told: Any) -> bool:
    """What a function does with arguments it was not made for is nobody's business."""
    return isinstance(told, list) and told[:1] == ["raised"]


def still_valid(
    known: ReferenceAnswers, answers: Sequence[Any], now: Sequence[Any]
) -> tuple[ReferenceAnswers, list[Any]]:
    """The calls that the reference answers now as it did, and what the submission answered to them:
    the day may have changed.
    """
    asked = len(known.calls) if known.asked is None else known.asked
    stay = [
        n
        for n, (old, new) in enumerate(zip(known.answers, now, strict=True))
        if new is not None and _same(old[1], new[1])
    ]
    calls, answered = tuple(known.calls[n] for n in stay), tuple(known.answers[n] for n in stay)
    return ReferenceAnswers(calls, answered, sum(n < asked for n in stay)), [
        answers[n] for n in stay
    ]


def disagreements(known: ReferenceAnswers, answers: Sequence[Any]) -> list[str]:
    """What a submission answers otherwise than the reference, a sentence each."""
    pairs = list(zip(known.calls, known.answers, answers, strict=True))
    asked = len(pairs) if known.asked is None else known.asked
    apart = [
        call
        for call, wanted, told in pairs[:asked]
        if told is None or not _same(wanted[1], told[1])
    ]
    found = [f"{call} answers otherwise than the reference" for call in apart]
    beside: dict[tuple[str, str], list[bool]] = {}
    for call, wanted, told in pairs[asked:]:
        beside.setdefault((call.module, call.name), []).append(
            told is None or not _same(wanted[1], told[1])
        )
    for (module, name), wrong in beside.items():
        if sum(wrong) >= max(MIN_NEARBY_DISAGREEMENTS, len(wrong) / 2):
            found.append(
                f"{module}.{name} answers as the reference only what the tests ask "
                f"({sum(wrong)} of {len(wrong)} others)"
            )
    return found


def _same(wanted: Any, told: Any) -> bool:
    try:
        return equal(decoded(wanted), decoded(told))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError):
        return False


class Iterated(list[Any]):
    """Items that came from an iterator."""


@dataclass(frozen=True, slots=True)
class Raised:
    """The built-in type of an exception."""

    kind: str


def decoded(data: Any) -> Any:
    """The built-in value of what `turnwise.envs.swe.grade.replay.encoded` made. Raises `ValueError`
    for anything else.
    """
    if data is None or data is True or data is False:
        return data
    tag, *rest = data
    simple: dict[str, Callable[[str], Any]] = {
        "int": lambda text: int(text, 16),
        "float": float.fromhex,
        "str": str,
        "bytes": bytes.fromhex,
        "bytearray": bytes.fromhex,
        "raised": Raised,
    }
    if tag in simple:
        if not isinstance(rest[0], str):
            raise ValueError(f"{tag} is told as text")
        return simple[tag](rest[0])
    if tag == "complex":
        return complex(float.fromhex(rest[0]), float.fromhex(rest[1]))
    if tag == "dict":
        return {decoded(key): decoded(item) for key, item in rest[0]}
    several: dict[str, Callable[[list[Any]], Any]] = {
        "list": list,
        "tuple": tuple,
        "set": set,
        "frozenset": frozenset,
        "iterator": Iterated,
    }
    if tag not in several:
        raise ValueError(f"{tag!r} is not plain data")
    return several[tag]([decoded(item) for item in rest[0]])


def equal(one: Any, two: Any) -> bool:
    """`==` between built-in values, floats to nine digits, iterators as sequences."""
    if isinstance(one, (float, complex)) or isinstance(two, (float, complex)):
        numbers = isinstance(one, (int, float, complex)) and isinstance(two, (int, float, complex))
        return numbers and _near(complex(one), complex(two))
    if isinstance(one, Iterated) or isinstance(two, Iterated):
        return (
            isinstance(one, (list, tuple)) and isinstance(two, (list, tuple)) and _items(one, two)
        )
    if isinstance(one, (list, tuple)):
        return type(one) is type(two) and _items(one, two)
    if isinstance(one, dict):
        return (
            isinstance(two, dict)
            and one.keys() == two.keys()
            and all(equal(item, two[key]) for key, item in one.items())
        )
    return bool(one == two)


def _items(one: Sequence[Any], two: Sequence[Any]) -> bool:
    return len(one) == len(two) and all(equal(a, b) for a, b in zip(one, two, strict=True))


def _near(one: complex, two: complex) -> bool:
    def part(a: float, b: float) -> bool:
        return (
            a == b
            or (math.isnan(a) and math.isnan(b))
            or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
        )

    return part(one.real, two.real) and part(one.imag, two.imag)


SHIFTS = (1, 3)


def nearby_arguments(arguments: str) -> Iterator[str]:
    """Other arguments than those of a text `(args, kwargs)`, as such texts; none where there is
    nothing to move.
    """
    try:
        positional, keywords = ast.literal_eval(arguments)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return
    for step in SHIFTS:
        made = repr(
            (
                moved(positional, step),
                {name: moved(value, step) for name, value in keywords.items()},
            )
        )
        if made != arguments:
            yield made


def moved(value: Any, step: int) -> Any:
    """A value of the same kind and shape; keys of mappings stay."""
    if type(value) is str:
        return "".join(_letter(letter, step) for letter in value)
    if type(value) is int:
        return (
            value + step if value > 1 else value
        )  # 0 and 1 are often a switch, and signs mean something
    if type(value) is float:
        return value + step if value > 1 else value
    if type(value) in (list, tuple):
        return type(value)(moved(item, step) for item in value)
    if type(value) is dict:
        return {key: moved(item, step) for key, item in value.items()}
    return value


def _letter(letter: str, step: int) -> str:
    for first in "aA":
        if ord(first) <= ord(letter) < ord(first) + 26:
            return chr(ord(first) + (ord(letter) - ord(first) + step) % 26)
    return letter
