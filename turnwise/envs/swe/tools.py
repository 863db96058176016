"""Tools to work in a repository: view, search, edit, bash, submit. A call is a JSON object, as
models are trained to write it:

{"name": "edit", "arguments": {"path": "pocketkit/text.py", "old": "width +", "new": "width -"}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from turnwise.envs.swe.editor import EditError, numbered, replace_once
from turnwise.envs.swe.observation import clip, shown
from turnwise.envs.swe.workplace import (
    LONGEST_COMMAND,
    Command,
    Effect,
    Effects,
    Workplace,
    Written,
)

LISTED, FOUND = 200, 100
"""Entries of a directory and lines of a search that are shown."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a tool; `kind` is `string` or `integer`."""

    name: str
    kind: str
    about: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Tool:
    """What a model is told of a tool."""

    name: str
    about: str
    parameters: tuple[Parameter, ...] = ()


TOOLS = (
    Tool("view", "Show a file with line numbers, or list the files of a directory.", (
        Parameter("path", "string", "Relative to the repository."),
        Parameter("first", "integer", "First line to show.", needed=False),
        Parameter("last", "integer", "Last line to show.", needed=False),
    )),
    Tool("search", "Find the lines that match an extended regular expression.", (
        Parameter("pattern", "string", "As grep -E takes it."),
        Parameter("path", "string", "A file or a directory; the whole repository when left out.", needed=False),
    )),
    Tool("edit", "Replace a piece of a file that stands in it exactly once; with an empty `old`, make a new file.", (
        Parameter("path", "string", "Relative to the repository."),
        Parameter("old", "string", "What stands there, blanks and line breaks included."),
        Parameter("new", "string", "What shall stand there."),
    )),
    Tool("bash", "Run a command in a shell that keeps its directory and its variables.", (
        Parameter("command", "string", "The command."),
    )),
    Tool("submit", "Say that the repair is done. It is graded and the episode ends."),
)  # fmt: skip
_BY_NAME = {tool.name: tool for tool in TOOLS}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that fits its tool."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of an action."""

    text: str
    output: str = ""
    exit_code: int | None = None
    effect: Effect | None = None
    """What it changed, or may have changed."""
    valid: bool = True
    submit: bool = False
    seconds: float = 0.0
    tags: tuple[str, ...] = ()


def refused(why: str) -> Seen:
    """An action that did nothing."""
    return Seen(f"error: {why}", valid=False)


def write_call(name: str, **arguments: Any) -> str:
    """A call as text."""
    return json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)


def read_call(text: str) -> Call | str:
    """The call in a text that is nothing but one, or why it is none."""
    try:
        made = json.loads(text)
    except (ValueError, RecursionError):
        return 'an action is one JSON object, {"name": …, "arguments": {…}}'
    if (
        not isinstance(made, dict)
        or not isinstance(made.get("name"), str)
        or not made.keys() <= {"name", "arguments"}
    ):
        return 'an action is one JSON object, {"name": …, "arguments": {…}}'
    name, arguments = made["name"], made.get("arguments", {})
    if name not in _BY_NAME:
        return f"there is no tool {name!r}; there are {', '.join(_BY_NAME)}"
    if not isinstance(arguments, dict):
        return f"the arguments of {name} are an object"
    known = {parameter.name: parameter for parameter in _BY_NAME[name].parameters}
    for key, value in arguments.items():
        if key not in known:
            return f"{name} has no argument {key!r}; it has {', '.join(known) or 'none'}"
        if type(value) is not (int if known[key].kind == "integer" else str):
            return f"the argument {key!r} of {name} is a {known[key].kind}"
    lacking = [key for key, parameter in known.items() if parameter.needed and key not in arguments]
    return f"{name} needs the argument {lacking[0]!r}" if lacking else Call(name, arguments)


def templates() -> list[str]:
    """Every tool as an action with blanks."""
    return [
        write_call(
            tool.name,
            **{
                parameter.name: f"<{parameter.name}>"
                for parameter in tool.parameters
                if parameter.needed
            },
        )
        for tool in TOOLS
    ]


class Toolbox:
    """The tools over a workplace.

    Args:
        workplace: where they work.
        limit: characters of output shown.
        seconds: wall clock of one command, for what is said of it.
    """

    def __init__(self, workplace: Workplace, limit: int, seconds: float) -> None:
        self._place, self._limit, self._seconds = workplace, limit, seconds

    def use(self, call: Call, before: Effects) -> Seen:
        """Do what a call asks. Raises as `Workplace` does."""
        if call.name == "submit":
            return Seen("", submit=True)
        given = dict(call.arguments)
        seen = getattr(self, f"_{call.name}")(before, **given)
        assert isinstance(seen, Seen)
        return seen

    def bash(self, before: Effects, command: str) -> Seen:
        """Run a command in the shell."""
        if not command.strip() or "\0" in command or len(command) > LONGEST_COMMAND:
            return refused(
                f"a command is not empty, holds no NUL and is shorter than {LONGEST_COMMAND} characters"
            )
        try:
            command.encode()
        except UnicodeEncodeError:
            return refused("a command is text, and this one holds half a character")
        result = self._place.run(before, command)
        seen = shown(result, self._limit, self._seconds)
        tags = (f"ended={result.error}",) * (result.error != "none") + ("clipped",) * seen.clipped
        return Seen(
            seen.text,
            seen.output,
            seen.exit_code,
            Command(command),
            seconds=result.seconds,
            tags=tags,
        )

    _bash = bash

    def _view(self, before: Effects, path: str, first: int = 1, last: int = 0) -> Seen:
        path = _relative(path)
        data = self._place.read(before, path) if path else None
        if data is None:
            return self._list(before, path)
        text = data.decode("utf8", "replace")
        count = len(text.splitlines())
        if not 1 <= first <= max(count, 1) or (last and last < first):
            return refused(f"{path} has {count} lines")
        return self._told(numbered(text, first, last or count) or f"{path} is empty")

    def _list(self, before: Effects, path: str) -> Seen:
        prefix = f"{path}/" if path else ""
        inside = [name for name in self._place.files(before) if name.startswith(prefix)]
        if not inside:
            return refused(f"there is no file or directory {path!r}")
        more = f"\n[{len(inside) - LISTED} more]" if len(inside) > LISTED else ""
        return self._told("\n".join(inside[:LISTED]) + more)

    def _search(self, before: Effects, pattern: str, path: str = "") -> Seen:
        path = _relative(path)
        prefix = f"{path}/" if path else ""
        names = [
            name for name in self._place.files(before) if name == path or name.startswith(prefix)
        ]
        if not names:
            return refused(f"there is no file or directory {path!r}")
        if "\0" in pattern or "\n" in pattern:
            return refused("a pattern is one line")
        command = ["xargs", "-0", "grep", "-nHIE", "-e", pattern, "--"]
        result = self._place.program(before, command, "\0".join(names))
        said = (result.stdout + result.stderr).strip("\n")
        # grep ends with 1 where nothing matches and with 2 for a pattern it cannot read; xargs
        # makes 123 of both.
        if result.error != "none" or (result.stderr and not result.stdout):
            return refused(said or f"the search ended with {result.error}")
        lines = said.splitlines()
        more = f"\n[{len(lines) - FOUND} more lines]" if len(lines) > FOUND else ""
        return self._told("\n".join(lines[:FOUND]) + more if lines else "no line matches")

    def _edit(self, before: Effects, path: str, old: str, new: str) -> Seen:
        path = _relative(path)
        try:
            data = self._place.read(before, path) if path else None
            if not old and data is not None:
                return refused(
                    f"{path} exists; give the piece of it that is to be replaced as `old`"
                )
            if old and data is None:
                return refused(f"there is no file {path!r}")
            made = (
                replace_once(data.decode("utf8"), old, new).encode()
                if data is not None
                else new.encode()
            )
            self._place.write(before, path, made)
        except UnicodeError:
            return refused(f"{path} is not UTF-8 text, or the new text is none")
        except EditError as why:
            return refused(str(why))
        except ValueError as why:
            return refused(f"{path} cannot be written: {why}")
        return Seen(f"{path} is changed" if old else f"{path} is made", effect=Written(path, made))

    def _told(self, text: str) -> Seen:
        said, clipped = clip(text, self._limit)
        return Seen(said, said, tags=("clipped",) * clipped)


def _relative(path: str) -> str:
    """A path as the sandbox's files are listed: without `/work/`, `./` and a slash at its end."""
    path = path.removeprefix("/work/") if path != "/work" else ""
    while path.startswith("./"):
        path = path[2:]
    return "" if path == "." else path.rstrip("/")
