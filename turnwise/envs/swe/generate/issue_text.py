"""Issue texts as a user would write them: the call, the result, and the expected result.

They are written from what failing tests called and compared, never from the tests themselves: no
name, file or code of a test appears. If the failures reveal nothing usable, the issue only names
the module that misbehaves.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_BEHAVIOURS = 3
"""Behaviours described in one issue."""
OPENINGS = (
    "I ran into this with {name} {version}:",
    "Since I updated to {name} {version} this no longer works for me:",
    "With {name} {version} I see the following:",
    "This surprised me ({name} {version}):",
)
CLOSINGS = (
    "Everything else that I use seems fine and should stay as it is.",
    "Could you have a look? What works now should of course keep working.",
    "I have not looked into the cause.",
)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One wrong behaviour, as far as a failed test showed it."""

    call: str
    function: str
    on: tuple[str, str] | None
    expected: str
    got: str
    error: tuple[str, str] | None
    missing: str

    @property
    def weight(self) -> int:
        """Rank by how informative it is; the most informative behaviours are described."""
        return (
            4 * bool(self.call)
            + 3 * bool(self.expected)
            + 2 * bool(self.missing)
            + bool(self.error)
        )

    def title(self) -> str:
        """Return the issue's first line."""
        subject = f"`{self.call}`" if len(self.call) <= 70 else f"`{self.function}`"
        if self.missing:
            return (
                f"{subject} raises {self.error[0]}"
                if self.error
                else f"{subject} does not raise {self.missing}"
            )
        if self.error:
            return f"{subject} fails with {self.error[0]}"
        return f"{subject} gives a wrong result"

    def lines(self) -> list[str]:
        """Return its lines of the body."""
        shown = ["```python", f">>> {self.call}"]
        if self.error:
            shown.append(": ".join(part for part in self.error if part))
        elif self.got:
            shown.append(self.got)
        shown.append("```")
        if self.on is not None and self.on[1] not in (
            "module",
            "function",
            "type",
            "builtin_function_or_method",
        ):
            shown.append(f"Here `{self.on[0]}` is of type `{self.on[1]}`.")
        if self.missing:
            shown.append(f"It should raise `{self.missing}` here.")
        elif self.expected:
            shown.append(f"I expected `{self.expected}`.")
        elif self.error:
            shown.append("There should be no error here.")
        else:
            shown.append("The result is not what it should be.")
        return shown


def write_issue(
    failures: Sequence[Mapping[str, Any]],
    hidden: Sequence[str],
    name: str,
    version: str,
    modules: Sequence[str],
    rng: random.Random,
) -> str:
    """Write the text of an issue.

    Args:
        failures: reports of the failing tests
            (`turnwise.envs.swe.generate.failures.failure_report`).
        hidden: ids of the failing tests, whose names must not appear.
        name, version: of the package.
        modules: dotted names of the broken modules, used if there is nothing else to say.
        rng: chooses among phrasings.
    """
    known = [behaviour for item in failures if (behaviour := _read(item, hidden)) is not None]
    known.sort(key=lambda b: (-b.weight, len(b.call) + len(b.got) + len(b.expected), b.call))
    chosen: list[Behaviour] = []
    for behaviour in known:  # one per function: several bugs show in several places
        if behaviour.function not in {c.function for c in chosen} and len(chosen) < MAX_BEHAVIOURS:
            chosen.append(behaviour)
    opening = rng.choice(OPENINGS).format(name=name, version=version)
    closing = rng.choice(CLOSINGS)
    if not chosen:
        return _vague(modules, name, version, closing)
    body = [line for behaviour in chosen for line in (*behaviour.lines(), "")]
    return "\n".join([chosen[0].title(), "", opening, "", *body, closing])


def _vague(modules: Sequence[str], name: str, version: str, closing: str) -> str:
    where = " and ".join(f"`{module}`" for module in modules)
    start = (
        f"{where} does not behave as documented"
        if len(modules) == 1
        else f"{where} do not behave as documented"
    )
    body = (
        f"With {name} {version} I get wrong results from {where}: what it does is not what "
        "its documentation and its names say."
    )
    return "\n".join([start, "", body, "", closing])


def _read(item: Mapping[str, Any], hidden: Sequence[str]) -> Behaviour | None:
    """Return the behaviour in a failure report, or None if it says nothing or too much."""
    on = tuple(item["on"]) if item.get("on") else None
    error = tuple(item["error"]) if item.get("error") else None
    call = str(item.get("call", ""))
    if not call or (on is not None and on[0] in ("self", "cls")):
        return None
    function = str(item.get("function") or call.split("(")[0])
    found = Behaviour(
        call,
        function,
        on,
        str(item.get("expected", "")),
        str(item.get("got", "")),
        error,
        str(item.get("missing", "")),
    )
    if "`" in f"{call}{found.expected}" or leaks(
        "\n".join([found.title(), *found.lines()]), hidden
    ):
        return None
    return found


def leaks(text: str, hidden: Sequence[str]) -> bool:
    """Return whether a text names a hidden test.

    Its class, its file and similar names count too.
    """
    if re.search(
        r"\btest_\w+|\bTest[A-Z]\w*|\btests?/|\btests?\.py\b|\bpytest\b|\bunittest\b|"
        r"\bmonkeypatch\b|\btmp_path\b",
        text,
    ):
        return True
    for test in hidden:
        path, _, rest = test.partition("::")
        names = [part for part in rest.split("[", 1)[0].split("::") if part]
        stem = path.rpartition("/")[2].removesuffix(".py")
        if any(re.search(rf"\b{re.escape(word)}\b", text) for word in (*names, stem) if word):
            return True
    return False
