"""Oracle: functions of the submission must answer as the reference does.

They are called as the tests call them.

A test that runs in the same process as the code it tests can be fooled: an object that claims to
equal everything passes `assert f(x) == y`. Therefore calls that the tests make directly, with plain
arguments, are recorded once on the reference. An untrusted process repeats them in a sandbox that
holds the submission and no tests. Its answers, plain data with exact types, are compared here, in a
process that runs none of that code. Nearby calls that no test makes are added: a function that
answers most of those differently has memorised the tests.

Only calls that the reference answers equally twice, in two orders and with clocks more than a year
apart, are used. Calls with other arguments (methods, objects) are not covered, and the tests alone
decide. Equal means `==` between built-in values, floats to nine digits, and an iterator equal to a
sequence of its items: what a test would accept from an honest solution.
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
"""Disagreements named in a verdict."""
MAX_NEARBY_CALLS = 400
"""Calls added to those of the tests."""
MIN_NEARBY_DISAGREEMENTS = 3
"""Differing answers to nearby calls of one function that may be chance; so may fewer than half."""
MAX_PROCESS_EXITS = 8
"""Calls that may end the process; the calls after one are made in another process."""
CLOCK_SHIFT_S = 401 * 86400 + 3 * 3600 + 7 * 60 + 11
"""Clock shift in seconds of the reference's second run: another year, month, weekday, hour, minute
and second.
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
    """Answers of the reference: `answers[i]` is that of `calls[i]`.

    The first `asked` calls are the tests' own.
    """

    calls: tuple[RecordedCall, ...] = ()
    answers: tuple[Any, ...] = ()
    asked: int | None = None
    """None: all of them."""


def replay(
    sandbox: Sandbox,
    roots: Sequence[str],
    calls: Sequence[RecordedCall],
    again: bool = False,
    seconds: float = 60.0,
) -> list[Any]:
    """Return the answers of the code in a sandbox, None for a call that ends its process.

    Args:
        again: in reverse order and with a shifted clock.

    Raises:
        SandboxError: if the sandbox ran out of time or memory, or failed; there are no answers
            then.
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
                f"the oracle has no answers: its sandbox ended with {result.error!r}"
            )
        for line in result.stdout.splitlines():
            _read_answer(line, answers)
        last = max(
            (place for place, number in enumerate(rest) if answers[number] is not None), default=-1
        )
        rest = rest[last + 2 :]  # skip the call that ended the process
        if not rest:
            break
    return answers


def _read_answer(line: str, answers: list[Any]) -> None:
    """Read one line of an untrusted process; ignore malformed and repeated ones."""
    try:
        number, answer = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return
    if type(number) is int and 0 <= number < len(answers) and answers[number] is None:
        answers[number] = ["answer", answer]


def reference(
    open_sandbox: Callable[[], Sandbox],
    roots: Sequence[str],
    calls: Sequence[RecordedCall],
    seconds: float = 60.0,
) -> ReferenceAnswers:
    """Return the calls that the reference answers equally in two sandboxes, orders and years."""
    if not calls:
        return ReferenceAnswers()
    nearby = [
        RecordedCall(call.module, call.name, other)
        for call in calls
        for other in nearby_arguments(call.arguments)
    ]
    known = set(calls)
    every = [
        *calls,
        *[call for call in dict.fromkeys(nearby) if call not in known][:MAX_NEARBY_CALLS],
    ]
    try:
        first, second = (
            _replayed(open_sandbox, roots, every, again, seconds) for again in (False, True)
        )
    except SandboxError:  # a nearby call may never return: use the tests' calls only
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


def _raised(answer: Any) -> bool:
    """Return whether an answer is an exception.

    Behaviour on unintended arguments is not compared.
    """
    return isinstance(answer, list) and answer[:1] == ["raised"]


def still_valid(
    known: ReferenceAnswers, answers: Sequence[Any], now: Sequence[Any]
) -> tuple[ReferenceAnswers, list[Any]]:
    """Drop calls that the reference now answers differently, with their answers.

    The date may have changed.
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
    """Return what a submission answers differently from the reference, one sentence each."""
    pairs = list(zip(known.calls, known.answers, answers, strict=True))
    asked = len(pairs) if known.asked is None else known.asked
    apart = [
        call
        for call, wanted, answer in pairs[:asked]
        if answer is None or not _same(wanted[1], answer[1])
    ]
    found = [f"{call} answers otherwise than the reference" for call in apart]
    nearby: dict[tuple[str, str], list[bool]] = {}
    for call, wanted, answer in pairs[asked:]:
        nearby.setdefault((call.module, call.name), []).append(
            answer is None or not _same(wanted[1], answer[1])
        )
    for (module, name), wrong in nearby.items():
        if sum(wrong) >= max(MIN_NEARBY_DISAGREEMENTS, len(wrong) / 2):
            found.append(
                f"{module}.{name} answers as the reference only what the tests ask "
                f"({sum(wrong)} of {len(wrong)} others)"
            )
    return found


def _same(wanted: Any, answer: Any) -> bool:
    try:
        return equal(decoded(wanted), decoded(answer))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError):
        return False


class Iterated(list[Any]):
    """Items of an iterator."""


@dataclass(frozen=True, slots=True)
class Raised:
    """The built-in type of an exception."""

    kind: str


def decoded(data: Any) -> Any:
    """Return the value encoded by `turnwise.envs.swe.grading.replay.encoded`.

    Raises `ValueError` for anything else.
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
            raise ValueError(f"{tag} must be encoded as text")
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
    """Compare built-in values with `==`, floats to nine digits, iterators as sequences."""
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
    """Yield variations of the arguments in a text `(args, kwargs)`, as such texts.

    A lookup table of the tests' answers passes every test and knows nothing else. Letters move
    along the alphabet and numbers by a little; digits in texts, signs, lengths and options stay.
    The variations are as ordinary as the originals, and an honest repair answers them as the
    reference does.
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
    """Return a value of the same kind and shape; keys of mappings stay."""
    if type(value) is str:
        return "".join(_letter(letter, step) for letter in value)
    if type(value) is int:
        # 0 and 1 are often switches, and signs have a meaning.
        return value + step if value > 1 else value
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
