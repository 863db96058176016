"""Parsers of test logs: from what a test program prints to a status per test, by the words of the
program that prints it.

Statuses are `PASSED`, `FAILED`, `ERROR`, `SKIPPED`, `XFAIL`, `XPASS`. A test that a log names with
two statuses has the worse one: what a tested program prints cannot turn a failure into a pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from turnwise.errors import unknown

Log = dict[str, str]
STATUSES = ("PASSED", "XPASS", "XFAIL", "SKIPPED", "ERROR", "FAILED")
"""From good to bad."""
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
SUMMARY = re.compile(r"^(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)\s+(\S.*)$")
SKIPPED = re.compile(r"^SKIPPED \[\d+\]")
VERBOSE = re.compile(r"^(\S+::.*?)\s+(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)(?:\s+\[\s*\d+%\])?$")
UNITTEST = re.compile(
    r"^(\w+ \([\w.]+\)(?:\s\[.*\])?)(?:.*?) \.\.\. (ok|FAIL|ERROR|skipped\b.*|expected failure|"
    r"unexpected success)\s*$"
)
UNITTEST_WORDS = {
    "ok": "PASSED",
    "FAIL": "FAILED",
    "ERROR": "ERROR",
    "expected failure": "XFAIL",
    "unexpected success": "XPASS",
}
HEADER = re.compile(r"^(FAIL|ERROR): (\w+ \([\w.]+\))")
SYMPY = re.compile(r"^(test_\w+) (ok|F|E|f|X|s)(?:\s|$)")
SYMPY_WORDS = {
    "ok": "PASSED",
    "F": "FAILED",
    "E": "ERROR",
    "f": "XFAIL",
    "X": "XPASS",
    "s": "SKIPPED",
}


def collected(pairs: Iterator[tuple[str, str]]) -> Log:
    """The worst status of each test."""
    found: Log = {}
    for name, status in pairs:
        if name not in found or STATUSES.index(status) > STATUSES.index(found[name]):
            found[name] = status
    return found


def _pytest(text: str) -> Iterator[tuple[str, str]]:
    for raw in text.splitlines():
        line = COLOUR.sub("", raw).rstrip()
        if SKIPPED.match(line):
            continue
        if match := SUMMARY.match(line):
            name, status = _without_reason(match[2], match[1]), match[1]
        elif match := VERBOSE.match(line):
            name, status = match[1], match[2]
        else:
            continue
        yield name, status
        if short := name.split()[0].removesuffix(name):
            yield short, status


def _without_reason(rest: str, status: str) -> str:
    """The test of a line of the summary, in which a reason may stand behind ` - `; that may also
    stand in a parameter.
    """
    if status == "PASSED" or " - " not in rest:
        return rest
    if "[" in rest.partition(" - ")[0] and "] - " in rest:
        return rest[: rest.index("] - ") + 1]
    return (
        rest
        if rest.endswith("]") and "[" in rest.partition(" - ")[0]
        else rest.partition(" - ")[0].rstrip()
    )


def pytest(text: str) -> Log:
    """`pytest -rA` (the short summary) and `pytest -v`.

    A name with blanks is told twice, whole and up to its first blank: so are 676 of Verified's ids
    cut, with all that begin alike.
    """
    return collected(_pytest(text))


def pytest_options(text: str) -> Log:
    """As `pytest`; of a parameter that is a path only its last part counts, since the rest is the
    machine's.
    """

    def named() -> Iterator[tuple[str, str]]:
        for name, status in _pytest(text):
            match = re.match(r"(.*?)\[(.*)\]$", name)
            if (
                match
                and match[2].startswith("/")
                and not match[2].startswith("//")
                and "*" not in match[2]
            ):
                name = f"{match[1]}[/{match[2].rpartition('/')[2]}]"
            yield name, status

    return collected(named())


def unittest(text: str) -> Log:
    """`python -m unittest -v` and Django's `runtests.py --verbosity 2`: `test_x (module.Class) ...
    ok`.

    Django prints a test's first line of documentation in place of its name on a line of its own;
    that line's text is the name then, as in SWE-bench. An outcome that stands on a later line,
    behind what the test printed, belongs to the test begun last.
    """

    def read() -> Iterator[tuple[str, str]]:
        begun = ""
        for raw in text.splitlines():
            line = COLOUR.sub("", raw).rstrip()
            if match := UNITTEST.match(line):
                yield match[1], UNITTEST_WORDS.get(match[2], "SKIPPED")
                begun = ""
            elif match := HEADER.match(line):
                yield match[2], "FAILED" if match[1] == "FAIL" else "ERROR"
            elif " ... " in line and (word := line.rpartition(" ... ")[2].split(" ")[0]) in (
                "ok",
                "FAIL",
                "ERROR",
                "skipped",
            ):
                yield line.rpartition(" ... ")[0], UNITTEST_WORDS.get(word, "SKIPPED")
                begun = ""
            elif line.endswith(" ...") or re.match(r"^\w+ \([\w.]+\) \.\.\. ", line):
                begun = line.partition(" ... ")[0].removesuffix(" ...")
            elif begun and line in ("ok", "FAIL", "ERROR"):
                yield begun, UNITTEST_WORDS[line]
                begun = ""

    return collected(read())


def sympy(text: str) -> Log:
    """SymPy's `bin/test --verbose`: `test_x ok` under the name of a file; only the function's name
    counts, as in SWE-bench.
    """

    def read() -> Iterator[tuple[str, str]]:
        for line in text.splitlines():
            if match := re.match(r"^_+ \S*?:?(test_\w+) _+$", line.strip()):
                yield match[1], "FAILED"
            elif match := SYMPY.match(line.strip()):
                yield match[1], SYMPY_WORDS[match[2]]

    return collected(read())


def r2e(text: str) -> Log:
    """R2E-Gym's: what stands below pytest's short summary, without the file; `TestX.test_y`."""

    def read() -> Iterator[tuple[str, str]]:
        summary = COLOUR.sub("", text).rpartition("short test summary info")[2]
        for line in summary.splitlines():
            word, _, rest = line.strip().partition(" ")
            if word in ("PASSED", "FAILED", "ERROR"):
                name = rest.split(" - ")[0].strip()
                yield ".".join(name.split("::")[1:]) or name, word

    return collected(read())


PARSERS: dict[str, Callable[[str], Log]] = {
    **dict.fromkeys(
        ("pytest", "pytest_v2", "pytest_v3", "astropy", "seaborn", "matplotlib"), pytest
    ),
    **dict.fromkeys(("pytest_options", "pylint"), pytest_options),
    **dict.fromkeys(("django", "unittest"), unittest),
    "sympy": sympy,
    "r2e": r2e,
}


def parse(parser: str, text: str) -> Log:
    """Status by test of a log. Raises `ConfigError` for a parser that there is not."""
    if parser not in PARSERS:
        raise unknown("log parser", parser, PARSERS)
    return PARSERS[parser](text)
