"""Parsers of test logs: from the output of a test program to a status per test.

Statuses are `PASSED`, `FAILED`, `ERROR`, `SKIPPED`, `XFAIL`, `XPASS`. A test with two statuses in a
log gets the worse one: what a tested program prints cannot turn a failure into a pass.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from turnwise.errors import unknown

Log = dict[str, str]
STATUSES = ("PASSED", "XPASS", "XFAIL", "SKIPPED", "ERROR", "FAILED")
"""From best to worst."""
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
    """Return the worst status of each test."""
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
    """Return the test of a summary line, without the reason after ` - `.

    A parameter may contain that too.
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
    """Parse `pytest -rA` (the short summary) and `pytest -v`.

    A name with blanks is listed both whole and up to its first blank: 676 ids of SWE-bench Verified
    are cut like that, together with all that start alike.
    """
    return collected(_pytest(text))


def pytest_options(text: str) -> Log:
    """Parse as `pytest` does, but keep only the last part of a parameter that is a path.

    The rest of the path depends on the machine.
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
    """Parse `python -m unittest -v` and Django's `runtests.py --verbosity 2`.

    Their lines are `test_x (module.Class) ... ok`.

    Django prints the first line of a test's docstring instead of its name, on a line of its own;
    that text is then the name, as in SWE-bench. An outcome on a later line, after output of the
    test, belongs to the test that started last.
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
    """Parse SymPy's `bin/test --verbose`: `test_x ok` below a file name.

    Only the function counts, as in SWE-bench.
    """

    def read() -> Iterator[tuple[str, str]]:
        for line in text.splitlines():
            if match := re.match(r"^_+ \S*?:?(test_\w+) _+$", line.strip()):
                yield match[1], "FAILED"
            elif match := SYMPY.match(line.strip()):
                yield match[1], SYMPY_WORDS[match[2]]

    return collected(read())


def r2e(text: str) -> Log:
    """Parse R2E-Gym's logs: the part below pytest's short summary.

    Files are left out: `TestX.test_y`.
    """

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
    """Return the status of each test in a log. Raises `ConfigError` for an unknown parser."""
    if parser not in PARSERS:
        raise unknown("log parser", parser, PARSERS)
    return PARSERS[parser](text)
